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


def test_an_image_that_is_not_uint8_is_exported_through_a_window(
    shell: Any, task: Any, volume: np.ndarray, tmp_path: Path
) -> None:
    np.save(tmp_path / "wide.npy", volume.astype(np.int32) * 10 - 500)
    (tmp_path / "wide.json").write_text(task.replaced(image=str(tmp_path / "wide.npy")).model_dump_json())
    words = ["export", tmp_path / "wide.json", "--split", "test", "-o", tmp_path / "a.npz"]
    status, _, error = shell(*words)
    assert status == 2
    assert "must be uint8, got int32 with values from -500 to 2050; say which become black and white" in error
    assert "--intensity -500:2050, or intensity = [-500, 2050] in the task" in error
    status, out, _ = shell(*words, "--intensity=-500:2050")
    assert (status, out.splitlines()[0]) == (0, "intensities -500:2050 are black to white")
    with np.load(tmp_path / "a.npz") as file:
        np.testing.assert_array_equal(file["images"][:9], volume[24:33, 4:36, 8:56])
        assert file["intensity"].tolist() == [-500, 2050]
    assert shell("preview", tmp_path / "wide.json", "-o", tmp_path / "a.png", "--intensity", "1%:99%")[0] == 0
