from pathlib import Path
from typing import Any

import nrrd
import numpy as np
import pytest
from mtneuro_data import open_volume

VOXELS = np.random.default_rng(0).integers(0, 250, (3, 4, 5)).astype(np.uint16)
MM = {"space units": ["mm"] * 3}
STRAIGHT = {"space": "left-posterior-superior", "space directions": np.diag([0.001, 0.002, 0.003])}


def write(path: Path, voxels: np.ndarray = VOXELS, /, **header: Any) -> None:
    nrrd.write(str(path), voxels, header, index_order="C")


@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2", "ascii"])
@pytest.mark.parametrize("name", ["a.nrrd", "a.nhdr"])
def test_every_encoding_is_read_with_the_header_attached_or_not(
    tmp_path: Path, encoding: str, name: str
) -> None:
    write(tmp_path / name, encoding=encoding, **STRAIGHT, **MM)
    opened = open_volume(tmp_path / name)
    np.testing.assert_array_equal(opened[:, 1:3, 2:5], VOXELS[:, 1:3, 2:5])
    assert (opened.dtype, opened.voxel_size_um) == (np.uint16, (3.0, 2.0, 1.0))


def test_axes_are_put_in_order_and_none_is_turned_round(tmp_path: Path) -> None:
    turned = {"space": "RAS", "space directions": np.array([[0, 0, -3.0], [0, 2, 0], [-1, 0, 0]])}
    write(tmp_path / "a.nrrd", np.ascontiguousarray(VOXELS.T), **turned, **{"space units": ["microns"] * 3})
    opened = open_volume(tmp_path / "a.nrrd")
    np.testing.assert_array_equal(opened[:, :, :], VOXELS)
    assert opened.voxel_size_um == (3.0, 2.0, 1.0)


def test_labels_name_the_axes_where_no_directions_do(tmp_path: Path) -> None:
    write(tmp_path / "a.nrrd", np.ascontiguousarray(VOXELS.T), labels=["z", "y", "x"])
    np.testing.assert_array_equal(open_volume(tmp_path / "a.nrrd")[:, :, :], VOXELS)


def test_one_channel_is_left_out_and_two_are_refused(tmp_path: Path) -> None:
    kinds = {"kinds": ["vector", "domain", "domain", "domain"]}
    write(tmp_path / "a.nrrd", VOXELS[..., None], **kinds)
    np.testing.assert_array_equal(open_volume(tmp_path / "a.nrrd")[:, :, :], VOXELS)
    write(tmp_path / "b.nrrd", np.stack([VOXELS] * 2, -1), **kinds)
    with pytest.raises(ValueError, match="one channel and one time, got axis 0: 2"):
        open_volume(tmp_path / "b.nrrd")


@pytest.mark.parametrize(
    ("header", "size"),
    [
        ({**STRAIGHT}, None),
        ({"spacings": [1.0, 2.0, 3.0], "units": ["um", "um", "nm"]}, (0.003, 2.0, 1.0)),
        ({"spacings": [1.0, 2.0, 3.0]}, None),
        ({"spacings": [1.0, 2.0, 3.0], "units": ["pixel"] * 3}, None),
        ({"spacings": [1.0, 2.0, float("nan")], "units": ["um"] * 3}, None),
        ({}, None),
    ],
)
def test_a_size_needs_a_unit(tmp_path: Path, header: dict[str, Any], size: Any) -> None:
    write(tmp_path / "a.nrrd", **header)
    assert open_volume(tmp_path / "a.nrrd").voxel_size_um == size


def test_what_is_no_volume_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.nrrd").write_bytes(b"no volume")
    with pytest.raises(ValueError, match="is not a readable NRRD file"):
        open_volume(tmp_path / "a.nrrd")
    oblique = np.array([[0.8, 0.6, 0], [-0.6, 0.8, 0], [0, 0, 1]])
    write(tmp_path / "b.nrrd", space="RAS", **{"space directions": oblique})
    with pytest.raises(ValueError, match="parallel to those of space, got oblique"):
        open_volume(tmp_path / "b.nrrd")
    write(tmp_path / "c.nhdr", encoding="raw")
    (tmp_path / "c.raw").unlink()
    with pytest.raises(ValueError, match="its voxels must be in one file beside it"):
        open_volume(tmp_path / "c.nhdr")
    write(tmp_path / "d.nrrd", encoding="gzip")
    (tmp_path / "d.nrrd").write_bytes((tmp_path / "d.nrrd").read_bytes()[:-20])
    with pytest.raises(ValueError, match="is not a readable NRRD file"):
        open_volume(tmp_path / "d.nrrd")[:, :, :]
