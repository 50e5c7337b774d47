"""Task 1 in three dimensions, from the command to the report: on the phantom, and on a real cutout."""

import numpy as np
import pandas as pd
import pytest

from mtneuro_suite.plan.real_sample import FILES, semantics_task


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_regions_and_features_are_read_off_encoders_of_subvolumes(tmp_path, run_smoke):
    changes = [
        'task1.tasks=["roi-c1-3d", "roi-c2-3d"]',
        "task1.subvolumes={depth=8, z_step=12, test_z_step=20}",
        "task2=none",
        'task3={encoders=["roi-c1-3d"], z_step=64}',
    ]
    options = [word for change in changes for word in ("--set", change)]
    rows, shown, report = run_smoke(tmp_path / "results", *options)
    of_all = rows["metric"].isin(["accuracy_whole", "accuracy_corners"]) & rows["cube"].isna()
    accuracy = pd.DataFrame(rows[of_all])
    assert set(accuracy["task"]) == {"roi-c1-3d", "roi-c2-3d[B]"}
    assert set(accuracy["model"]) == {"supervised", "byol", "pca", "mean-sd", "histogram", "spectrum"}
    # One subvolume of the 50 test slices in each of 4 cubes, and 3 of 45 in each of 8.
    corners = accuracy[accuracy["metric"] == "accuracy_corners"]
    sizes = set(zip(corners["task"], corners["n"], strict=True))
    assert sizes == {("roi-c1-3d", 4 * 4), ("roi-c2-3d[B]", 4 * 8 * 3)}
    values = np.asarray(accuracy["value"], np.float64)
    assert ((values >= 0) & (values <= 1)).all()
    read = rows[rows["metric"] == "r2_cross_validated"]
    assert set(read["task"]) == {"roi-c1-3d"}
    density = read[read["class_name"] == "vessel_density"]
    assert np.isfinite(np.asarray(density["value"], np.float64)).all()
    # Of 360 slices in each of 4 cubes, a subvolume every 64.
    assert set(density["n"]) == {4 * 6}
    assert "ROI-C1 in 3D" in shown
    assert "encoders from ROI-C1 in 3D" in shown
    assert "BYOL trained in ROI-C1 in 3D" in report


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_real_cutouts_features_are_read_off_encoders_of_its_subvolumes(real_data, tmp_path, run_smoke):
    if not (real_data / FILES[2]).is_file():
        pytest.skip("the labelled cutout is not there")
    task = semantics_task(real_data.resolve(), held_out=True).replaced(depth=8)
    (tmp_path / "deep.json").write_text(task.model_dump_json(), "utf-8")
    words = ("--task", str(tmp_path / "deep.json"), "--set", "task1.subvolumes.settings.batch_size=4")
    rows, shown, _ = run_smoke(tmp_path / "results", *words)
    read = rows[(rows["metric"] == "r2_cross_validated") & (rows["class_name"] == "vessel_density")]
    assert set(read["model"]) == {"byol", "pca", "mean-sd", "spectrum"}
    # 12 subvolumes of 100 slices in each of eight columns.
    assert set(read["n"]) == {8 * 12}
    assert np.isfinite(np.asarray(read["value"], np.float64)).all()
    assert "encoders from real-semantics" in shown
