import warnings

import numpy as np
import pandas as pd
import pytest

from mtneuro_suite.steps import Features

CLASSES = ("background", "vessel", "cell")


def ignored(done, total):
    pass


def test_each_samples_features_are_those_of_its_own_labels(arrays_folder, tmp_path):
    masks = np.zeros((2, 32, 32))
    masks[0, :8] = 1
    masks[1, 4:9, 4:9] = masks[1, 20:25, 20:25] = 2
    step = Features(view="whole", label_values={"vessel": 1, "cell": 2})
    folder = arrays_folder("all", np.zeros_like(masks), masks=masks, class_names=CLASSES)
    outcome = step.run({"samples": [folder]}, tmp_path, ignored)
    table = pd.read_csv(tmp_path / "features.csv", index_col="sample_id")
    assert table["vessel_density"].to_dict() == {"A-CTX/z0": 0.25, "A-CTX/z1": 0.0}
    assert table["cell_count"].to_dict() == {"A-CTX/z0": 0, "A-CTX/z1": 2}
    assert outcome.extra["samples"] == 2
    assert outcome.extra["mean"]["vessel_density"] == 0.125


def test_classes_of_ones_own_are_measured_by_their_names(arrays_folder, tmp_path):
    masks = np.zeros((2, 32, 32))
    masks[0, :8] = 1
    masks[1, 4:9, 4:9] = masks[1, 20:25, 20:25] = 2
    names = ("background", "membrane", "mitochondrion")
    folder = arrays_folder("all", np.zeros_like(masks), masks=masks, class_names=names)
    features = ("membrane_density", "membrane_length_density", "mitochondrion_count")
    step = Features(view="whole", label_values={"membrane": 1, "mitochondrion": 2}, features=features)
    step.run({"samples": [folder]}, tmp_path, ignored)
    table = pd.read_csv(tmp_path / "features.csv", index_col="sample_id")
    assert tuple(table.columns) == features
    assert table["membrane_density"].tolist() == [0.25, 0.0]
    assert table["mitochondrion_count"].tolist() == [0, 2]


@pytest.mark.parametrize("first", [1, 1 << 63])
def test_instances_that_touch_are_told_apart_and_pieces_of_one_are_not(arrays_folder, tmp_path, first):
    masks, ids = np.zeros((2, 32, 32)), np.zeros((2, 32, 32), np.uint64)
    masks[:, 0] = 1
    masks[0, 4:8, 4:12] = 2
    ids[0, 4:8, 4:8], ids[0, 4:8, 8:12] = first, first + 1
    masks[1, 4:8, 4:8] = masks[1, 20:24, 4:8] = 2
    ids[1, 4:8, 4:8] = ids[1, 20:24, 4:8] = first
    classes = ("background", "membrane", "neuron")
    folder = arrays_folder("all", np.zeros_like(masks), masks=masks, class_names=classes, instances=ids)
    features = ("membrane_density", "neuron_count", "neuron_size")
    values = {"membrane": 1, "neuron": 2}
    counts = {}
    for instances in (None, "neuron"):
        step = Features(view="whole", label_values=values, features=features, instances=instances)
        step.run({"samples": [folder]}, tmp_path, ignored)
        table = pd.read_csv(tmp_path / "features.csv", index_col="sample_id")
        assert table["membrane_density"].tolist() == [1 / 32, 1 / 32]
        counts[instances] = table[["neuron_count", "neuron_size"]].to_numpy().tolist()
    assert counts == {None: [[1, 32], [2, 16]], "neuron": [[2, 16], [1, 32]]}


def test_the_originals_features_are_of_the_corners_of_cells_in_three_dimensions(arrays_folder, tmp_path):
    masks = np.zeros((2, 32, 32), np.uint8)
    masks[:, :16, :8] = 1
    masks[:, 4:9, 10:14] = 2
    masks[1, 20:24, 20:24] = 2
    folder = arrays_folder("all", np.zeros_like(masks), masks=masks, class_names=(*CLASSES, "axon"))
    values = {"vessel": 1, "cell": 2, "axon": 3}
    step = Features(view="corners", label_values=values, definition="original")
    outcome = step.run({"samples": [folder]}, tmp_path, ignored)
    table = pd.read_csv(tmp_path / "features.csv", index_col="sample_id")
    assert list(table.index)[:4] == [f"A-CTX/z0/{corner}" for corner in ("tl", "tr", "bl", "br")]
    assert list(table) == [
        "vessel_density", "axon_density", "cell_count", "cell_size_px", "nearest_neighbour_distance_px",
    ]  # fmt: skip
    assert table.loc["A-CTX/z0/tl", "vessel_density"] == 0.5
    assert table["cell_count"].tolist() == [1, 0, 0, 0, 1, 0, 0, 1]
    # With fewer than two cells the original says 0 and 64.
    assert set(table["cell_size_px"]) == {0}
    assert set(table["nearest_neighbour_distance_px"]) == {64}
    assert outcome.extra["samples"] == 8


def test_samples_without_labels_are_refused(arrays_folder, tmp_path):
    folder = arrays_folder("all", np.zeros((2, 32, 32)))
    step = Features(view="whole", label_values={"cell": 2})
    with pytest.raises(ValueError, match="semantic features need pixel labels"):
        step.run({"samples": [folder]}, tmp_path, ignored)


def test_instances_that_are_not_there_or_too_large_are_refused(arrays_folder, tmp_path):
    masks = np.full((1, 32, 32), 2)
    step = Features(view="whole", label_values={"cell": 2}, features=("cell_count",), instances="cell")
    plain = arrays_folder("plain", masks, masks=masks, class_names=CLASSES)
    with pytest.raises(ValueError, match="the arrays hold none"):
        step.run({"samples": [plain]}, tmp_path, ignored)
    huge = np.full(masks.shape, (1 << 64) - 1, np.uint64)
    folder = arrays_folder("huge", masks, masks=masks, class_names=CLASSES, instances=huge)
    with pytest.raises(ValueError, match="got 18446744073709551615: name it in label_map"):
        step.run({"samples": [folder]}, tmp_path, ignored)


def test_a_subvolumes_features_are_the_means_over_its_slices(arrays_folder, tmp_path):
    rng = np.random.default_rng(3)
    masks = rng.choice([0, 1, 2], (4, 3, 16, 16), p=[0.9, 0.05, 0.05])
    masks[1, 0] = 0  # a slice without cells: it has no size
    masks[2] = 0  # a subvolume without any
    step = Features(view="whole", label_values={"vessel": 1, "cell": 2})
    ids = [f"A-CTX/z{3 * i}" for i in range(4)]
    deep = arrays_folder("deep", np.zeros_like(masks), masks=masks, class_names=CLASSES, ids=ids)
    step.run({"samples": [deep]}, tmp_path, ignored)
    table = pd.read_csv(tmp_path / "features.csv", index_col="sample_id")
    flat = masks.reshape(-1, 16, 16)
    slices = arrays_folder("flat", np.zeros_like(flat), masks=flat, class_names=CLASSES)
    step.run({"samples": [slices]}, tmp_path, ignored)
    each = pd.read_csv(tmp_path / "features.csv", index_col="sample_id").to_numpy().reshape(4, 3, -1)
    assert table.index.tolist() == ids
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
        np.testing.assert_allclose(table.to_numpy(), np.nanmean(each, axis=1))
    # A density is also that of all voxels together.
    np.testing.assert_allclose(table["vessel_density"], (masks == 1).mean((1, 2, 3)))
    assert np.isnan(table["cell_size"].iloc[2])
    assert not np.isnan(table["cell_size"].iloc[1])
