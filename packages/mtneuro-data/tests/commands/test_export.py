from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtneuro_data import open_volume


@pytest.mark.parametrize("kind", ["tif", "zarr", "nii.gz"])
def test_export_writes_a_volume_a_cube_that_reads_back(
    shell: Any,
    task_file: Path,
    labels: np.ndarray,
    volume: np.ndarray,
    tmp_path: Path,
    kind: str,
) -> None:
    folder = tmp_path / "out"
    status, out, _ = shell("export", task_file, "--split", "val", "test", "--format", kind, "-o", folder)
    assert (status, out) == (0, f"8 volumes written to {folder}\n")
    image = open_volume(folder / f"test-A-STR-z24-image.{kind}")
    np.testing.assert_array_equal(image[:, :, :], volume[24:33, 100:132, 120:168])
    corrected = open_volume(folder / f"val-A-CTX-z10-labels.{kind}")
    assert corrected.dtype == np.uint8
    np.testing.assert_array_equal(corrected[:, :, :], labels[10:14, 4:36, 8:56])
