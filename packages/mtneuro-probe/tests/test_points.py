"""Point clouds against scipy's components, and against what a person reads off a small image."""

from typing import Any

import numpy as np
import pytest
import zarr
from mtneuro_probe import PointClouds, load_point_clouds, point_clouds, save_point_clouds, semantic_features
from scipy import ndimage

VALUES = {"vessel": 1, "cell": 2}


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(3).choice(np.array([0, 0, 0, 1, 2], np.uint8), size=(6, 20, 26))


def test_points_are_the_centroids_and_areas_of_scipys_components(images):
    clouds = point_clouds(images, VALUES, voxel_size_um=(9, 2, 3))
    middle = (np.array(images.shape[1:]) - 1) / 2
    for image, points, count in zip(images, clouds.points, clouds.count, strict=True):
        expected = []
        for number, value in enumerate(VALUES.values(), start=1):
            labelled, found = ndimage.label(image == value, structure=np.ones((3, 3)))  # pyright: ignore[reportGeneralTypeIssues]
            each = np.arange(1, found + 1)
            centre = np.array(ndimage.center_of_mass(labelled > 0, labelled, each))
            area = np.bincount(labelled.ravel())[1:]
            expected += [
                (number, *row, 6 * size) for row, size in zip((centre - middle) * (2, 3), area, strict=True)
            ]
        assert count == len(expected)
        np.testing.assert_allclose(points[:count], sorted(expected), rtol=1e-6)
        assert not points[count:].any()


def test_counts_and_mean_sizes_are_those_of_the_features(images):
    images[2][images[2] == 2] = 0
    clouds = point_clouds(images, VALUES, voxel_size_um=(1, 2, 2))
    features = semantic_features(images, label_values=VALUES, voxel_size_um=(1, 2, 2))
    assert clouds.counts()[:, 1].tolist() == features["cell_count"].tolist()
    assert clouds.mean_sizes()[2, 1] == 0
    np.testing.assert_allclose(clouds.mean_sizes()[:, 1], features["cell_size"].fillna(0), rtol=1e-6)


def test_without_a_voxel_size_places_and_areas_count_pixels(images):
    known = point_clouds(images, VALUES, voxel_size_um=(1, 2, 3)).points
    np.testing.assert_allclose(point_clouds(images, VALUES).points * (1, 2, 3, 6), known, rtol=1e-6)


def test_the_order_of_points_does_not_depend_on_where_an_image_is_read(images, monkeypatch, tmp_path):
    whole = point_clouds(images, VALUES)
    alone = [point_clouds(images[n : n + 1], VALUES).points[0] for n in range(len(images))]
    for points, one in zip(whole.points, alone, strict=True):
        np.testing.assert_array_equal(points[: len(one)], one)
    stored = zarr.create_array(str(tmp_path / "labels.zarr"), data=images, chunks=(2, 20, 26))
    monkeypatch.setattr("mtneuro_probe.points._PIXELS_AT_ONCE", 2 * 20 * 26)
    steps = []
    streamed = point_clouds(stored, VALUES, progress=lambda *step: steps.append(step))
    np.testing.assert_array_equal(streamed.points, whole.points)
    assert steps == [(2, 6), (4, 6), (6, 6)]


def test_corners_are_clouds_of_their_own_with_the_image_s_region(images):
    region = np.arange(6)
    clouds = point_clouds(
        images,
        VALUES,
        sample_id=[f"A/z{z}" for z in range(6)],
        corners=True,
        region=region,
        region_names="abcdef",
    )
    np.testing.assert_array_equal(
        clouds.points[3][: clouds.count[3]], point_clouds(images[:1, 10:, 13:], VALUES).points[0]
    )
    assert clouds.sample_id[:5].tolist() == ["A/z0/tl", "A/z0/tr", "A/z0/bl", "A/z0/br", "A/z1/tl"]
    assert clouds.region is not None
    assert clouds.region.tolist() == np.repeat(region, 4).tolist()


def test_instances_that_touch_are_two_points_of_the_last_class():
    labels = np.array([[[7, 7, 9, 9], [0, 0, 0, 1]]])
    clouds = point_clouds(labels, {"vessel": 1}, instances="cell")
    assert clouds.class_names == ("background", "vessel", "cell")
    assert clouds.points[0].tolist() == [[1, 0.5, 1.5, 1], [2, -0.5, -1, 2], [2, -0.5, 1, 2]]


def test_small_objects_are_left_out(images):
    areas = point_clouds(images, VALUES, minimum_area_px=3).points[:, :, 3]
    assert areas[areas > 0].min() >= 3


def test_a_file_brings_everything_back(images, tmp_path):
    clouds = point_clouds(
        images, VALUES, voxel_size_um=(1, 2, 3), region=np.arange(6) % 2, region_names=("CTX", "VP")
    )
    save_point_clouds(tmp_path / "points.npz", clouds)
    loaded = load_point_clouds(tmp_path / "points.npz")
    for name in ("points", "sample_id", "region"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(clouds, name))
    for name in ("class_names", "voxel_size_um", "region_names"):
        assert getattr(loaded, name) == getattr(clouds, name)
    with np.load(tmp_path / "points.npz") as held:
        assert held["count"].tolist() == clouds.count.tolist()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"most_points": 5}, r"an image must have 5 points at most, got \d+ in labels/z"),
        ({"label_values": {"cell": 2}}, "labels may hold 0 background, 2 cell; got also 1"),
        (
            {"label_values": {"cell": 9}, "ignore": (1, 2)},
            "must hold an object of cell, got none in 6 images",
        ),
        ({"minimum_area_px": 0}, "minimum_area_px must be at least 1, got 0"),
        ({"connectivity": 6}, "connectivity in 2d must be one of 4, 8, got 6"),
        ({"sample_id": ["A/z0"]}, "one id per image, got 1 for 6 images"),
        ({"voxel_size_um": (1, 0, 1)}, "three positive numbers"),
        ({"region": np.zeros(5, np.int64)}, "region must have one entry an image, got 5 for 6"),
    ],
)
def test_what_cannot_be_a_cloud_is_refused(images, given, told, unchecked):
    settings: dict[str, Any] = {"label_values": VALUES, **given}
    with pytest.raises(ValueError, match=told):
        point_clouds(images, **settings)


def test_images_in_the_place_of_labels_are_refused(images, unchecked):
    with pytest.raises(ValueError, match="labels must be integers, got float64"):
        point_clouds(images / 2, VALUES)
    with pytest.raises(ValueError, match="got also 3, 4, 5"):
        point_clouds((np.arange(6 * 20 * 26) % 256).astype(np.uint8).reshape(images.shape), VALUES)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"class_names": ("background",)}, "whole number below 1"),
        ({"points": np.full((1, 2, 4), 0.5, np.float32)}, "whole number below 2.*got 0.5 to 0.5"),
        ({"points": np.full((1, 2, 4), np.nan, np.float32)}, "finite"),
        ({"points": np.zeros((1, 2, 3), np.float32)}, r"float32 \(images, points, 4\)"),
        ({"sample_id": np.array(["a", "b"])}, "sample_id must have one entry an image, got 2 for 1"),
    ],
)
def test_clouds_that_do_not_fit_are_refused(change, told, unchecked):
    fit: dict[str, Any] = {
        "points": np.ones((1, 2, 4), np.float32),
        "sample_id": np.array(["a"]),
        "class_names": ("background", "cell"),
    }
    assert len(PointClouds(**fit)) == 1
    with pytest.raises(ValueError, match=told):
        PointClouds(**{**fit, **change})


def test_another_file_in_the_place_of_clouds_is_refused(tmp_path, images):
    np.savez(tmp_path / "images.npz", images=images)
    with pytest.raises(
        ValueError, match=r"is not a file of point clouds.*it holds no class_names, format_version"
    ):
        load_point_clouds(tmp_path / "images.npz")
    with pytest.raises(ValueError, match=r"must end in \.npz"):
        save_point_clouds(tmp_path / "points.csv", point_clouds(images, VALUES))
    save_point_clouds(tmp_path / "points.npz", point_clouds(images, VALUES))
    with np.load(tmp_path / "points.npz") as held:
        later: dict[str, Any] = {**held, "format_version": 2}
    np.savez(tmp_path / "later.npz", **later)
    with pytest.raises(ValueError, match="format_version must be 1, got 2"):
        load_point_clouds(tmp_path / "later.npz")
