from pathlib import Path
from typing import Any

import numpy as np


def test_interpolation_fills_a_label_file(shell: Any, tmp_path: Path) -> None:
    labels = np.zeros((9, 8, 8), np.uint8)
    labels[0, :, :2] = 1
    labels[8, :, :6] = 1
    np.save(tmp_path / "sparse.npy", labels)
    status, out, _ = shell(
        "interpolate", tmp_path / "sparse.npy", "--slices", "0", "8", "-o", tmp_path / "a.npy"
    )
    assert (status, "0.00% undecided" in out) == (0, True)
    assert np.load(tmp_path / "a.npy")[4, 0].tolist() == [1, 1, 1, 1, 0, 0, 0, 0]
