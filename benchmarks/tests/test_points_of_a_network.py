"""Rows of clouds of points whose objects a network finds, from the command to the tables."""

import numpy as np
import pandas as pd
import pytest
from mtneuro_data import TaskArrays
from mtneuro_probe import load_point_clouds, point_clouds
from mtneuro_seg import load_model, predict

CHANGES = [
    'task1.methods=["pca"]',
    'task1.tasks=["roi-c1"]',
    'task1.points={labels="unet", settings={epochs=10}}',
    'task2.models=["unet"]',
    "task2.settings.steps=30",
    'task3.encoders=["roi-c1"]',
    "task3.umap_method=pca",
]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_objects_that_a_network_finds_are_read_in_both_tables(tmp_path, run_smoke):
    output = tmp_path / "results"
    words = [word for change in CHANGES for word in ("--set", change)]
    rows, shown, _ = run_smoke(output, *words)
    for model in ("points", "counts"):
        own = rows[rows["model"] == model]
        accuracy = np.asarray(
            own[(own["metric"] == "accuracy_whole") & pd.isna(own["cube"])]["value"], np.float64
        )
        assert len(accuracy) == 1
        assert 0 <= accuracy[0] <= 1
        read = own[own["metric"] == "r2_cross_validated"]
        assert {"vessel_density", "cell_count"} <= set(read["class_name"])
    assert "the prediction of unet" in shown

    # The clouds are of what the network predicts of the very images.
    runs = {path.name.partition("-")[0]: path for path in (output / "runs").iterdir()}
    model = load_model(runs["segmenter"] / "model")
    checked = 0
    for arrays in sorted((output / "runs").glob("arrays-*/arrays.npz")):
        data = TaskArrays.read(arrays)
        clouds = {
            tuple(cloud.sample_id): cloud
            for cloud in map(load_point_clouds, (output / "runs").glob("points-*/whole.npz"))
        }
        cloud = clouds.get(tuple(data.sample_id))
        if cloud is None:
            continue
        expected = point_clouds(
            predict(model, data.images),
            {"vessel": 1, "cell": 2},
            voxel_size_um=data.voxel_size_um,
            sample_id=data.sample_id,
        )
        checked += np.array_equal(expected.points, cloud.points)
    assert checked
