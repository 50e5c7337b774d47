import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mtneuro_probe import ALL_FEATURES, FEATURE_UNITS, FEATURES, label_features, semantic_features
from scipy import ndimage


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def blobs(rng: np.random.Generator, n_images: int = 4, side: int = 48) -> np.ndarray:
    """Label images with smooth-edged areas of all four values."""
    noise = ndimage.gaussian_filter(rng.normal(size=(n_images, side, side)), (0, 2, 2))
    return np.digitize(noise, np.quantile(noise, [0.6, 0.7, 0.85])).astype(np.uint8)


def plain_features(image: np.ndarray, size_um: tuple[float, float]) -> list[float]:
    """The definitions, written as they read, on SciPy's components and all pairs of centres."""
    labelled = np.empty(image.shape, np.int32)
    count = int(ndimage.label(image == 2, structure=np.ones((3, 3)), output=labelled))  # pyright: ignore[reportArgumentType]
    areas = np.bincount(labelled.ravel())[1:] * size_um[0] * size_um[1]
    centres = np.array(ndimage.center_of_mass(labelled > 0, labelled, range(1, count + 1))).reshape(-1, 2)
    apart = np.linalg.norm((centres[:, None] - centres[None]) * size_um, axis=2)
    np.fill_diagonal(apart, np.inf)
    return [
        (image == 1).mean(),
        (image == 3).mean(),
        count,
        areas.mean() if count else np.nan,
        apart.min(axis=1).mean() if count > 1 else np.nan,
    ]


def test_features_of_a_drawn_image_are_those_worked_by_hand():
    image = np.zeros((1, 10, 10), np.uint8)
    image[0, 0:2, 0:2] = 2  # 4 pixels, centre (0.5, 0.5)
    image[0, 0, 6] = 2  # 1 pixel, centre (0, 6)
    image[0, 8, 0] = 2  # 1 pixel, centre (8, 0)
    image[0, 4, :] = 1
    image[0, 5:7, :] = 3
    row = semantic_features(image, voxel_size_um=(1.0, 2.0, 3.0)).iloc[0]
    near = np.hypot(0.5 * 2, 5.5 * 3)  # from the second to the first
    far = np.hypot(7.5 * 2, 0.5 * 3)  # between the first and the third, nearer than that
    assert row["vessel_density"] == 0.1
    assert row["axon_density"] == 0.2
    assert row["cell_count"] == 3
    assert row["cell_size"] == 6 * 6 / 3
    assert row["nearest_neighbour_distance"] == pytest.approx((near + 2 * far) / 3)


def test_pixels_that_meet_at_a_corner_are_one_cell():
    image = np.array([[[2, 0], [0, 2]]], np.uint8)
    assert semantic_features(image)["cell_count"].tolist() == [1]


def test_cells_in_different_images_are_never_one_cell_nor_neighbours():
    image = np.zeros((2, 4, 4), np.uint8)
    image[0, 3, 1] = image[1, 0, 1] = 2
    table = semantic_features(image, voxel_size_um=(1, 1, 1))
    assert table["cell_count"].tolist() == [1, 1]
    assert np.isnan(table["nearest_neighbour_distance"]).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint64, np.int32])
def test_features_agree_with_scipy_components_and_all_pairs(rng, dtype):
    labels = blobs(rng, 6).astype(dtype)
    labels[2] = 0
    table = semantic_features(labels, voxel_size_um=(5, 2, 3))
    expected = [plain_features(image, (2, 3)) for image in labels]
    np.testing.assert_allclose(table.to_numpy(), np.array(expected), rtol=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_features_do_not_depend_on_the_order_or_company_of_images(seed):
    rng = np.random.default_rng(seed)
    labels = blobs(rng, 5, 24)
    table = semantic_features(labels).to_numpy()
    order = rng.permutation(5)
    np.testing.assert_array_equal(semantic_features(labels[order]).to_numpy(), table[order])
    np.testing.assert_array_equal(semantic_features(labels[2:3]).to_numpy(), table[2:3])


def test_moving_an_image_s_content_changes_nothing(rng):
    small = blobs(rng, 2, 24)
    small[:, [0, -1], :] = small[:, :, [0, -1]] = 0
    frames = np.zeros((2, 2, 40, 40), np.uint8)
    frames[0, :, 3:27, 5:29] = small
    frames[1, :, 10:34, 12:36] = small
    np.testing.assert_allclose(
        semantic_features(frames[0]).to_numpy(), semantic_features(frames[1]).to_numpy(), rtol=1e-12
    )


def test_sizes_and_distances_scale_with_the_voxel_size(rng):
    labels = blobs(rng)
    one = semantic_features(labels, voxel_size_um=(1, 1, 1))
    two = semantic_features(labels, voxel_size_um=(2, 2, 2))
    factors = [1, 1, 1, 4, 2]
    np.testing.assert_allclose(two.to_numpy(), one.to_numpy() * factors, rtol=1e-12)


def test_without_a_voxel_size_lengths_count_pixels_and_say_so(rng):
    labels = blobs(rng, 4)
    pixels = semantic_features(labels, features=ALL_FEATURES)
    microns = semantic_features(labels, features=ALL_FEATURES, voxel_size_um=(1, 1, 1))
    in_pixels = {
        "cell_size": ("px²", 1),
        "nearest_neighbour_distance": ("px", 1),
        "vessel_width": ("px", 1),
        "vessel_length_density": ("px/px²", 1e-3),
        "boundary_density": ("px/px²", 1e-3),
    }
    assert pixels.columns.tolist() == [f"{f}_px" if f in in_pixels else f for f in ALL_FEATURES]
    for name in ALL_FEATURES:
        unit, factor = in_pixels.get(name, (FEATURE_UNITS[name], 1))
        column = f"{name}_px" if name in in_pixels else name
        assert FEATURE_UNITS[column] == unit
        np.testing.assert_allclose(pixels[column], factor * microns[name], rtol=1e-12)
    own = label_features(labels, {"cell": 2}, ignore=(1, 3))
    assert own.columns.tolist() == ["cell_density", "cell_count", "cell_size_px", "cell_distance_px"]


def test_other_label_values_with_the_same_meaning_give_the_same_features(rng):
    labels = blobs(rng)
    recoded = np.array([0, 40, 30, 200], np.uint8)[labels]
    pd.testing.assert_frame_equal(
        semantic_features(recoded, label_values={"vessel": 40, "cell": 30, "axon": 200}),
        semantic_features(labels),
    )


def test_a_label_that_was_not_annotated_is_missing_and_not_zero(rng):
    labels = blobs(rng)
    labels[labels == 3] = 0
    table = semantic_features(labels, label_values={"vessel": 1, "cell": 2})
    assert np.isnan(table["axon_density"]).all()
    assert np.isfinite(table["vessel_density"]).all()
    only = semantic_features(np.where(labels == 1, 1, 0), label_values={"vessel": 1})
    assert only.columns[only.notna().all()].tolist() == ["vessel_density"]


def test_small_components_are_no_cells_but_still_an_image_of_its_own():
    image = np.zeros((2, 8, 8), np.uint8)
    image[0, :2, :2] = 2
    image[0, 6, 6] = image[1, 1, 1] = 2
    table = semantic_features(image, minimum_area_px=2, voxel_size_um=(1, 1, 1))
    assert table["cell_count"].tolist() == [1, 0]
    assert table["cell_size"].iloc[0] == 4
    assert np.isnan(table["cell_size"].iloc[1])


def test_the_second_neighbour_needs_three_cells():
    image = np.zeros((2, 1, 9), np.uint8)
    image[0, 0, [0, 2, 6]] = 2
    image[1, 0, [0, 2]] = 2
    table = semantic_features(image, neighbour=2, voxel_size_um=(1, 1, 1))
    assert table["nearest_neighbour_distance"].iloc[0] == pytest.approx((6 + 4 + 6) / 3)
    assert np.isnan(table["nearest_neighbour_distance"].iloc[1])


def test_the_second_neighbour_is_never_nearer_than_the_first(rng):
    labels = blobs(rng)
    first, second = (semantic_features(labels, neighbour=k)[f"{FEATURES[4]}_px"] for k in (1, 2))
    assert np.all(second > first)


def test_human_labels_have_the_figures_measured_on_them(real_data: Path):
    measured = json.loads((real_data / "prasad2020/calibration.json").read_text())
    with np.load(real_data / "prasad2020/human_labels.npz") as drawn:
        for region in ("CTX", "STR", "VP"):
            expected = measured["masks_human_8slices_per_region"][region]
            table = semantic_features(drawn[region], voxel_size_um=(1.17, 1.17, 1.17))
            for label in ("vessel", "axon"):
                np.testing.assert_allclose(
                    table[f"{label}_density"], expected["fractions_per_slice"][label], atol=5.1e-5
                )
            # The counts there leave out components of fewer than 4 pixels.
            np.testing.assert_allclose(table["cell_count"], expected["cells"]["count_per_256"], atol=1)
            pooled = np.average(table["nearest_neighbour_distance"], weights=table["cell_count"])
            assert pooled == pytest.approx(expected["cells"]["nn_um_mean"], rel=0.2)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("labels", "settings", "told"),
    [
        (np.zeros((4, 4), np.uint8), {}, r"stack of images .* got shape \(4, 4\)"),
        (np.zeros((0, 4, 4), np.uint8), {}, "stack of images"),
        (np.zeros((1, 4, 4)), {}, "must be integers, got float64"),
        (np.full((1, 4, 4), 9, np.uint8), {}, "0 background, 1 vessel, 2 cell, 3 axon; got also 9"),
        (np.zeros((1, 4, 4), int), {"label_values": {"cells": 2}}, "got 'cells'; did you mean 'cell'"),
        (np.zeros((1, 4, 4), int), {"label_values": {"cell": 1, "axon": 1}}, "must differ"),
        (np.zeros((1, 4, 4), int), {"label_values": {"cell": 0}}, "0 is the background"),
        (np.zeros((1, 4, 4), int), {"label_values": {}}, "at least one label"),
        (np.zeros((1, 4, 4), int), {"voxel_size_um": (1, 1)}, "three positive numbers"),
        (np.zeros((1, 4, 4), int), {"voxel_size_um": (1, 0, 1)}, "three positive numbers"),
        (np.zeros((1, 4, 4), int), {"minimum_area_px": 0}, "at least 1 pixel, got 0"),
        (np.zeros((1, 4, 4), int), {"neighbour": 0}, "at least 1, the nearest, got 0"),
        (np.zeros((2, 4, 4), int), {"sample_id": ["A/z0"]}, "got 1 for 2 images"),
        (np.zeros((2, 4, 4), int), {"sample_id": ["A/z0", "A/z0"]}, "got twice: A/z0"),
        (np.zeros((1, 4, 4), int), {"sample_id": ["A/z0/tl"], "corners": True}, "only whole images"),
        (np.zeros((1, 4, 4), int), {"features": ["cell_counts"]}, "did you mean 'cell_count'"),
        (np.zeros((1, 4, 4), int), {"features": ["cell_count"] * 2}, "each once"),
        (np.zeros((1, 4, 4), int), {"features": []}, "at least one feature"),
        (np.zeros((1, 4, 4), int), {"definition": "paper"}, "must be one of image, original, got 'paper'"),
        (np.zeros((1, 4, 4), int), {"definition": "original", "neighbour": 3}, "takes no other setting"),
        (np.zeros((1, 4, 6), int), {"definition": "original"}, "square slices, got 4 x 6"),
        (np.zeros((1, 4, 4), int), {"components": "4d"}, "must be one of 2d, 3d, got '4d'"),
        (np.zeros((1, 4, 4), int), {"connectivity": 6}, "in 2d must be one of 4, 8, got 6"),
        (np.zeros((1, 4, 4), int), {"components": "3d", "connectivity": 8}, "in 3d must be one of 6, 18, 26"),
        (np.zeros((1, 4, 4), int), {"workers": 0}, "at least 1 process"),
    ],
)
def test_wrong_input_is_refused(labels, settings, told):
    with pytest.raises(ValueError, match=told):
        semantic_features(labels, **settings)


def test_a_further_label_value_can_be_ignored():
    labels = np.full((1, 4, 4), 9, np.uint8)
    assert semantic_features(labels, ignore=(9,))["vessel_density"].tolist() == [0]


def test_further_features_stand_in_columns_of_their_own(rng):
    labels = blobs(rng)
    table = semantic_features(labels, features=ALL_FEATURES, voxel_size_um=(1, 1, 1))
    assert tuple(table.columns) == ALL_FEATURES
    np.testing.assert_array_equal(table.to_numpy()[:, :5], semantic_features(labels).to_numpy())
    assert np.isfinite(table.to_numpy()).all()


def test_the_middle_row_of_an_odd_image_belongs_to_no_corner():
    image = np.zeros((1, 5, 5), np.uint8)
    image[0, 2, :] = image[0, :, 2] = 1
    assert semantic_features(image, corners=True)["vessel_density"].tolist() == [0] * 4


def test_any_label_is_measured_as_any_of_the_papers_is(rng):
    labels = blobs(rng)
    pairs = {
        "net_length_density": "vessel_length_density",
        "net_width": "vessel_width",
        "blob_eccentricity": "cell_eccentricity",
        "fibre_orientation": "axon_orientation",
        "fibre_coherence": "axon_coherence",
        "boundary_density": "boundary_density",
    }
    own = {"net": 1, "blob": 2, "fibre": 3}
    found = label_features(labels, own, voxel_size_um=(1, 2, 2), features=list(pairs))
    expected = semantic_features(labels, voxel_size_um=(1, 2, 2), features=list(pairs.values()))
    np.testing.assert_array_equal(found.to_numpy(), expected.to_numpy())


def test_any_label_is_measured_as_a_cell_is(rng):
    labels = blobs(rng)
    table = label_features(labels, {"synapse": 2, "plaque": 3}, voxel_size_um=(1, 1, 1), ignore=(1,))
    expected = semantic_features(labels, voxel_size_um=(1, 1, 1))
    np.testing.assert_array_equal(
        table[["synapse_count", "synapse_size", "synapse_distance", "plaque_density"]].to_numpy(),
        expected[["cell_count", "cell_size", "nearest_neighbour_distance", "axon_density"]].to_numpy(),
    )
    with pytest.raises(ValueError, match="got also 1"):
        label_features(labels, {"synapse": 2, "plaque": 3}, voxel_size_um=(1, 1, 1))


@pytest.mark.parametrize("dtype", ["u1", "u4", "u8", "i4", ">u8"])
def test_touching_instances_are_counted_apart(dtype: str) -> None:
    top = min(int(np.iinfo(dtype).max), 2**64 - 1)
    ids = np.zeros((2, 4, 6), dtype)
    ids[0, :, :3], ids[0, :, 3:] = top, 5
    ids[1, 0, 0], ids[1, 3, 5] = top, top  # one object, seen in two pieces
    classes = (ids != 0).astype(np.uint8) * 2
    size = (1.0, 0.5, 0.5)
    assert semantic_features(classes, voxel_size_um=size)["cell_count"].tolist() == [1, 2]
    found = semantic_features(ids, instances="cell", voxel_size_um=size)
    assert found["cell_count"].tolist() == [2, 1]
    assert found["cell_size"].tolist() == [3.0, 0.5]
    assert found["nearest_neighbour_distance"].iloc[0] == pytest.approx(1.5)
    assert np.isnan(found["vessel_density"].to_numpy()).all()
    own = label_features(ids, {}, instances="neuron", voxel_size_um=size)
    assert own["neuron_density"].tolist() == [1.0, 2 / 24]
    assert own["neuron_count"].tolist() == [2, 1]


def test_labels_that_are_named_are_no_instances() -> None:
    ids = np.array([[[0, 1, 7, 8, 9, 255]]], np.uint64)
    found = label_features(ids, {"vessel": 1}, instances="cell", ignore=(255,), voxel_size_um=(1, 1, 1))
    assert found[["vessel_count", "cell_count"]].to_numpy().tolist() == [[1, 3]]


def test_instances_do_not_depend_on_pieces_processes_or_on_the_size_of_their_ids(rng, monkeypatch) -> None:
    ids = rng.integers(0, 6, (9, 6, 8)).repeat(4, 1).repeat(4, 2)
    settings: dict[str, Any] = {
        "instances": "cell",
        "features": ("cell_count", "cell_size", "nearest_neighbour_distance"),
    }
    whole = semantic_features(ids, **settings)
    large = np.array([0, 2**64 - 1, 2**63, 9, 2**60, 3], np.uint64)[ids]
    monkeypatch.setattr("mtneuro_probe.measures.table._PIXELS_AT_ONCE", 2 * 24 * 32)
    for found in (
        semantic_features(large, **settings),
        semantic_features(large, components="3d", **settings),
        semantic_features(large, workers=2, **settings),
    ):
        pd.testing.assert_frame_equal(found, whole, check_exact=True)


@pytest.mark.parametrize(
    ("labels", "given", "message"),
    [
        ([[[0, -1]]], {"instances": "cell"}, "ids of instances must be 0 or more, got -1; .*ignore"),
        ([[[0, 1]]], {"instances": "cel"}, "got 'cel'; did you mean 'cell'.*label_features"),
        ([[[0, 1]]], {"instances": "cell", "label_values": {"cell": 2}}, "'cell' must name instances or a"),
        ([[[0, 1]]], {"instances": "cell", "definition": "original"}, "takes no other setting"),
    ],
)
def test_instances_that_make_no_sense_are_refused(labels, given, message) -> None:
    with pytest.raises(ValueError, match=message):
        semantic_features(np.array(labels), **given)
