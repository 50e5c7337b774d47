from pathlib import Path

import numpy as np
import pytest
from mtneuro_data import Volume, open_volume
from mtneuro_data.display import display_range


@pytest.mark.parametrize(
    ("voxels", "expected"),
    [
        (np.zeros((2, 8, 8), np.uint8), (0, 255)),
        (np.full((2, 8, 8), 7, np.uint16), (7, 8)),
        (np.full((2, 8, 8), np.nan, np.float32), (0, 1)),
        (np.arange(2 * 8 * 8, dtype=np.uint16).reshape(2, 8, 8) * 100, (6400, 12700)),
    ],
)
def test_most_voxels_around_a_place_are_between_black_and_white(
    tmp_path: Path, voxels: np.ndarray, expected: tuple[float, float]
) -> None:
    np.save(tmp_path / "a.npy", voxels)
    assert display_range(open_volume(tmp_path / "a.npy"), (1, 4, 4)) == pytest.approx(expected, rel=0.01)


def test_only_what_is_around_the_place_counts(tmp_path: Path) -> None:
    voxels = np.zeros((3, 40, 2000), np.uint16)
    voxels[1, :, 1500:] = 900
    voxels[2] = 5000
    np.save(tmp_path / "a.npy", voxels)
    assert display_range(open_volume(tmp_path / "a.npy"), (1, 39, 1999)) == (900, 901)
    assert display_range(open_volume(tmp_path / "a.npy"), (1, 0, 1500)) == (0, 900)


def test_of_bytes_nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Volume, "read", lambda *_, **__: pytest.fail("was read"))
    assert display_range(open_volume("phantom://image"), (300, 900, 4600)) == (0, 255)
