from pathlib import Path
from typing import Any

import numpy as np
import pytest
from intern import array
from intern.convenience.array import _BossDBVolumeProvider  # the one way to give it another host
from intern.remote.boss import BossRemote
from mtneuro_data import downsampled_labels, open_volume
from mtneuro_data.serving import Catalogue
from mtneuro_data.sources.boss import BossServer


def remote(server: BossServer) -> BossRemote:
    return BossRemote({"protocol": server.protocol, "host": server.host, "token": server.token})


def intern_array(server: BossServer, channel: str, level: int = 0) -> Any:
    return array(
        f"bossdb://lab/scan/{channel}",
        resolution=level,
        volume_provider=_BossDBVolumeProvider(remote(server)),
    )


def test_levels_are_means_of_images_and_majorities_of_labels(boss: Any, labels: np.ndarray) -> None:
    reduced = intern_array(boss.server, "labels", level=1)
    assert reduced.shape == (40, 75, 100)
    np.testing.assert_array_equal(reduced[0:2, 0:75, 0:100], downsampled_labels(labels[0:2], 2))


def test_channels_that_cannot_be_served_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 3, 4), np.uint8))
    np.save(tmp_path / "b.npy", np.zeros((2, 3, 5), np.uint8))
    np.save(tmp_path / "c.npy", np.zeros((2, 3, 4), np.float32))
    a, b, c = (open_volume(tmp_path / f"{name}.npy") for name in "abc")
    for volumes, text in (
        ({}, "at least one channel"),
        ({"lab/scan": a}, "collection/experiment/channel, got 'lab/scan'"),
        ({"lab/../a": a}, "collection/experiment/channel"),
        ({"lab/scan/a": a, "lab/scan/b": b}, r"lab/scan/a has \(2, 3, 4\), lab/scan/b has \(2, 3, 5\)"),
        ({"lab/scan/c": c}, "holds uint8, uint16, uint64, got a volume of float32"),
    ):
        with pytest.raises(ValueError, match=text):
            Catalogue(volumes)
    with pytest.raises(ValueError, match="levels must be 1 or more"):
        Catalogue({"lab/scan/a": a}, levels=0)
