from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtneuro_data import Cache, open_volume

URI = "bossdb://lab/scan/image"


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_that_holds_nothing_is_refused(tmp_path: Path, limit: int) -> None:
    with pytest.raises(ValueError, match=f"limit_bytes must be 1 or more, got {limit}"):
        Cache(tmp_path / "cache", limit_bytes=limit)


def test_one_folder_is_used_offline_and_online_at_once(boss: Any, volume: np.ndarray, tmp_path: Path) -> None:
    online = open_volume(URI, cache=Cache(tmp_path))
    online.read((0, 0, 0), (1, 8, 8))
    offline = open_volume(URI, cache=Cache(tmp_path, offline=True))
    with pytest.raises(FileNotFoundError, match="offline, and 1 chunks"):
        offline.read((35, 0, 0), (36, 8, 8))
    online.read((35, 0, 0), (36, 8, 8))
    np.testing.assert_array_equal(offline.read((35, 0, 0), (36, 8, 8)), volume[35:36, :8, :8])
