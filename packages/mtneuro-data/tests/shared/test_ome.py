"""OME-Zarr metadata of every version, and what they say of a voxel's size."""

import json

import pytest
from mtneuro_data._shared.ome import levels_of, multiscales, voxel_size


def described(axes="zyx", scale=(3, 2, 1), unit="micrometer", **more):
    kinds = {"c": "channel", "t": "time"}
    return {
        "multiscales": [
            {
                "axes": [
                    {"name": axis, "type": kinds.get(axis, "space")}
                    | ({"unit": unit} if axis in "zyx" and unit else {})
                    for axis in axes
                ],
                "datasets": [
                    {"path": "s0", "coordinateTransformations": [{"type": "scale", "scale": list(scale)}]}
                ],
                **more,
            }
        ]
    }


@pytest.mark.parametrize(
    ("unit", "size"), [("nanometer", 1e-3), ("micrometer", 1), ("millimeter", 1e3), ("angstrom", 1e-4)]
)
def test_a_size_is_given_in_micrometres(unit, size):
    (level,) = levels_of(described(unit=unit), name="a")
    assert level.voxel_size_um == pytest.approx((3 * size, 2 * size, size))


@pytest.mark.parametrize("unit", [None, "pixel", "furlong"])
def test_a_size_without_a_known_unit_stays_unknown(unit):
    assert levels_of(described(unit=unit), name="a")[0].voxel_size_um is None


@pytest.mark.parametrize("edge", [0, -1])
def test_a_size_that_is_not_positive_stays_unknown(edge):
    assert levels_of(described(scale=(edge, 1, 1)), name="a")[0].voxel_size_um is None


def test_the_scale_of_the_whole_image_multiplies_that_of_a_level():
    common = [{"type": "scale", "scale": [10, 10, 10]}]
    about = described(coordinateTransformations=common)
    assert levels_of(about, name="a")[0].voxel_size_um == (30, 20, 10)


def test_sizes_belong_to_their_axes_whatever_stands_before_them():
    assert levels_of(described("tczyx", (9, 8, 3, 2, 1)), name="a")[0].voxel_size_um == (3, 2, 1)


@pytest.mark.parametrize("axes", [None, ["z", "y", "x"]])
def test_an_image_of_an_old_version_has_levels_of_unknown_size(axes):
    about = {"multiscales": [{"datasets": [{"path": "0"}], **({"axes": axes} if axes else {})}]}
    (level,) = levels_of(about, name="a")
    assert (level.path, level.voxel_size_um) == ("0", None)
    assert level.axes[-3:] == ("z", "y", "x")


@pytest.mark.parametrize(
    ("about", "told"),
    [
        ({}, "without multiscales"),
        ({"multiscales": []}, "without multiscales"),
        ({"multiscales": described()["multiscales"] * 2}, "one image, got 2"),
        (described(scale=(1, 1)), "not valid"),
        ({"multiscales": [{"axes": ["z", "y", "x"]}]}, "name no datasets"),
    ],
)
def test_what_describes_no_single_image_is_refused(about, told):
    with pytest.raises(ValueError, match=told):
        levels_of(about, name="a")


def test_what_is_written_is_read_back_and_is_json():
    about = {"ome": json.loads(json.dumps(multiscales("image", [(0.1, 0.2, 0.2), (0.1, 0.4, 0.4)])))}
    assert [level.voxel_size_um for level in levels_of(about, name="a")] == [(0.1, 0.2, 0.2), (0.1, 0.4, 0.4)]


def test_a_size_that_is_not_known_is_written_without_a_unit():
    about = multiscales("image", [(1, 1, 1)], unit=False)
    assert all("unit" not in axis for axis in about["multiscales"][0]["axes"])


def test_classes_are_an_axis_of_channels():
    about = multiscales("probabilities", [(1, 2, 2, 2)])
    assert about["multiscales"][0]["axes"][0] == {"name": "class", "type": "channel"}


def test_labels_keep_their_values_names_and_colours():
    about = multiscales(
        "labels", [(1, 1, 1)], labels=[{"value": 2, "name": "cell", "rgba": (0, 255, 0, 255)}]
    )
    assert about["image-label"] == {
        "colors": [{"label-value": 2, "rgba": [0, 255, 0, 255]}],
        "properties": [{"label-value": 2, "class": "cell"}],
    }


@pytest.mark.parametrize("values", [2.0, [1, 1], [1, 1, 0], ["a", 1, 1], [1, 1, float("nan")]])
def test_a_stored_size_that_is_no_size_is_refused(values):
    with pytest.raises(ValueError, match=r"voxel_size_um of a must be three positive numbers"):
        voxel_size(values, name="a")
