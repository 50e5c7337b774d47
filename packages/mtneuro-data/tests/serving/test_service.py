import time
from typing import Any

import numpy as np
from mtneuro_data import Box, open_volume

URI = "bossdb://lab/scan/image"


def test_the_speed_of_cutouts_can_be_limited_while_it_is_served(boss: Any, volume: np.ndarray) -> None:
    source = open_volume(URI).source
    boss.service.bytes_per_s = 2e6
    start = time.perf_counter()
    np.testing.assert_array_equal(source.fetch(Box((0, 0, 0), (10, 150, 200))), volume[0:10])
    # 300 000 random bytes do not pack, and come over one connection.
    assert time.perf_counter() - start > 0.9 * 300_000 / 2e6


def test_answers_can_be_delayed_while_it_is_served(boss: Any) -> None:
    opened = open_volume(URI)
    boss.service.latency_s = 0.05
    start = time.perf_counter()
    opened[0:1, 0:1, 0:1]
    assert time.perf_counter() - start > 0.05


def test_paths_are_recorded_only_into_a_list_that_is_given(boss: Any) -> None:
    opened = open_volume(URI)
    boss.requests.clear()
    opened[0:1, 0:2, 0:3]
    (path,) = boss.cutouts
    assert path.startswith("/v1/cutout/lab/scan/image/0/0:3/0:2/0:1/")
    boss.service.requests = None
    opened[0:1, 0:2, 0:3]
    assert len(boss.cutouts) == 1
