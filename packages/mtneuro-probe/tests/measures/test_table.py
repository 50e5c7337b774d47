from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import zarr
from mtneuro_probe import ALL_FEATURES, FEATURES, semantic_features
from mtneuro_probe.measures.table import check_images
from scipy import ndimage


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def blobs(rng: np.random.Generator, n_images: int = 4, side: int = 48) -> np.ndarray:
    """Label images with smooth-edged areas of all four values."""
    noise = ndimage.gaussian_filter(rng.normal(size=(n_images, side, side)), (0, 2, 2))
    return np.digitize(noise, np.quantile(noise, [0.6, 0.7, 0.85])).astype(np.uint8)


def test_a_zarr_is_streamed_to_the_same_numbers(rng, tmp_path: Path, monkeypatch):
    labels = blobs(rng, 11, 32)
    stored = zarr.create_array(
        str(tmp_path / "labels.zarr"), shape=labels.shape, dtype=labels.dtype, chunks=(3, 32, 32)
    )
    stored[...] = labels
    monkeypatch.setattr("mtneuro_probe.measures.table._PIXELS_A_READ", 3 * 32 * 32)
    steps: list[int] = []
    streamed = semantic_features(stored, progress=lambda done, _: steps.append(done))
    pd.testing.assert_frame_equal(streamed, semantic_features(labels), check_exact=True)
    assert steps == [3, 6, 9, 11]


def test_two_processes_give_the_numbers_of_one_bit_for_bit(rng):
    labels = blobs(rng, 9, 24)
    settings: dict[str, Any] = {"features": ALL_FEATURES, "components": "3d", "corners": True}
    pd.testing.assert_frame_equal(
        semantic_features(labels, workers=2, **settings),
        semantic_features(labels, **settings),
        check_exact=True,
    )


def test_batches_end_in_the_same_numbers_as_one(rng, monkeypatch):
    labels = blobs(rng, 7, 32)
    whole = semantic_features(labels)
    monkeypatch.setattr("mtneuro_probe.measures.table._PIXELS_AT_ONCE", 2 * 32 * 32)  # pixels of two images
    steps: list[int] = []
    pd.testing.assert_frame_equal(
        semantic_features(labels, progress=lambda done, _: steps.append(done)), whole, check_exact=True
    )
    assert steps == [2, 4, 6, 7]
    assert all(a < b for a, b in pairwise(steps))


def test_3d_components_are_those_of_scipy(rng):
    labels = blobs(rng, 6)
    numbers = np.empty(labels.shape, np.int32)
    ndimage.label(labels == 2, structure=np.ones((3, 3, 3)), output=numbers)
    counted = [len(np.unique(image[image > 0])) for image in numbers]
    assert semantic_features(labels, components="3d", connectivity=26)["cell_count"].tolist() == counted


def test_outlines_that_join_in_the_next_slice_are_one_cell_in_3d():
    labels = np.zeros((2, 3, 5), np.uint8)
    labels[0, 1, [0, 4]] = 2
    labels[1, 1, :] = 2
    flat = semantic_features(labels, voxel_size_um=(1, 1, 1))
    solid = semantic_features(labels, voxel_size_um=(1, 1, 1), components="3d")
    assert flat["cell_count"].tolist() == [2, 1]
    assert solid["cell_count"].tolist() == [1, 1]
    assert solid["cell_size"].tolist() == [2, 5]


def test_cells_join_in_3d_only_between_slices_that_are_neighbours():
    labels = np.zeros((2, 1, 5), np.uint8)
    labels[0, 0, [0, 4]] = 2
    labels[1, 0, :] = 2
    for ids, cells_seen in (
        (["A/z1", "A/z2"], [1, 1]),
        (["A/z1", "A/z3"], [2, 1]),
        (["A/z1", "B/z2"], [2, 1]),
    ):
        assert semantic_features(labels, components="3d", sample_id=ids)["cell_count"].tolist() == cells_seen


def test_rows_carry_the_ids_given_and_progress_ends_at_the_total(rng):
    seen: list[tuple[int, int]] = []
    table = semantic_features(
        blobs(rng, 3),
        sample_id=["A/z2", "A/z1", "A/z9"],
        voxel_size_um=(1, 1, 1),
        progress=lambda *at: seen.append(at),
    )
    assert table.index.tolist() == ["A/z2", "A/z1", "A/z9"]
    assert table.index.name == "sample_id"
    assert tuple(table.columns) == FEATURES
    assert seen[-1] == (3, 3)


def test_corners_are_the_four_quarters_each_by_itself(rng):
    labels = blobs(rng, 2, 40)
    table = semantic_features(labels, sample_id=["A/z3", "A/z4"], corners=True)
    quarter = labels[1][:20, 20:][None]
    np.testing.assert_array_equal(table.loc[["A/z4/tr"]].to_numpy(), semantic_features(quarter).to_numpy())
    assert table.index[:4].tolist() == ["A/z3/tl", "A/z3/tr", "A/z3/bl", "A/z3/br"]


@pytest.mark.parametrize("shape", [(4, 1, 16, 16), (4, 16, 16, 3), (16, 16, 3)])
def test_channels_are_not_taken_for_slices(shape):
    with pytest.raises(ValueError, match=r"looks like \(.*channel.*take one channel"):
        check_images(np.zeros(shape, np.uint8))


def test_the_order_of_the_images_changes_no_cell_in_3d(rng):
    labels = blobs(rng, n_images=12)
    ids = np.array([f"{cube}/z{z}" for cube in "AB" for z in (0, 1, 2, 5, 6, 7)])
    order = rng.permutation(12)
    expected = semantic_features(labels, sample_id=ids, components="3d")
    shuffled = semantic_features(labels[order], sample_id=ids[order], components="3d")
    pd.testing.assert_frame_equal(shuffled.sort_index(), expected.sort_index(), check_exact=True)


def test_images_that_nobody_places_form_no_volume(rng):
    with pytest.raises(ValueError, match=r"must read '<cube>/z<z>'.*got 'img_0', 'img_1'"):
        semantic_features(blobs(rng, n_images=2), sample_id=["img_0", "img_1"], components="3d")
