"""NIfTI files, against nibabel where it is installed, and by hand."""

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtneuro_seg.nifti import read_nifti, write_nifti

VOXELS = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


def test_a_header_worked_by_hand(tmp_path):
    write_nifti(tmp_path / "a.nii.gz", VOXELS, voxel_size_um=(3000, 2000, 1000), lower=(10, 20, 30))
    content = gzip.decompress((tmp_path / "a.nii.gz").read_bytes())
    assert struct.unpack_from("<4h", content, 40) == (3, 4, 3, 2)
    assert struct.unpack_from("<3f", content, 80) == (1, 2, 3)
    assert content[123] == 2  # millimetres
    assert struct.unpack_from("<4f", content, 280) == (1, 0, 0, 30)
    assert struct.unpack_from("<4f", content, 312) == (0, 0, 3, 30)
    assert content[352:] == VOXELS.tobytes()


@pytest.mark.parametrize("kind", ["u1", "i2", "u2", "i4", "f4", "f8", "?", "f2", ">u2"])
def test_what_is_written_is_read(tmp_path, kind):
    voxels = VOXELS.astype(kind)
    write_nifti(tmp_path / "a.nii.gz", voxels, voxel_size_um=(4, 2, 1), lower=(1, 0, 0))
    found = read_nifti(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(found.array, voxels)
    assert found.voxel_size_um == pytest.approx((4, 2, 1))


def test_without_a_voxel_size_no_unit_is_stated(tmp_path):
    write_nifti(tmp_path / "a.nii.gz", VOXELS, voxel_size_um=None)
    assert read_nifti(tmp_path / "a.nii.gz").voxel_size_um is None


def test_equal_volumes_are_equal_files(tmp_path):
    for name in ("a.nii.gz", "b.nii.gz"):
        write_nifti(tmp_path / name, VOXELS, voxel_size_um=None)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def test_nibabel_reads_the_same_volume_at_the_same_place(tmp_path):
    nibabel: Any = pytest.importorskip("nibabel")
    write_nifti(tmp_path / "a.nii.gz", VOXELS, voxel_size_um=(3, 2, 1), lower=(10, 20, 30))
    image = nibabel.load(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(np.asarray(image.dataobj), VOXELS.T)
    expected = np.array([[1, 0, 0, 30], [0, 2, 0, 40], [0, 0, 3, 30], [0, 0, 0, 1e3]]) / 1e3
    np.testing.assert_allclose(image.get_sform(), expected, rtol=1e-6)
    np.testing.assert_allclose(image.get_qform(), expected, rtol=1e-6, atol=1e-9)
    assert image.header.get_xyzt_units()[0] == "mm"


@pytest.mark.parametrize("form", ["sform", "qform"])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 0, 2)])
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, -1, 1), (1, -1, -1)])
def test_axes_in_any_order_and_direction_are_put_right(tmp_path, form, order, signs):
    """As a tool may save labels that it showed in another orientation."""
    nibabel: Any = pytest.importorskip("nibabel")
    edges = np.array([0.001, 0.002, 0.003])
    affine = np.eye(4)
    affine[:3, :3] = 0
    stored = VOXELS.T[tuple(slice(None, None, sign) for sign in signs)].transpose(order)
    for axis, of_space in enumerate(order):
        affine[of_space, axis] = edges[of_space] * signs[of_space]
    image = nibabel.Nifti1Image(stored, affine)
    image.set_sform(affine if form == "sform" else None, code=1 if form == "sform" else 0)
    image.set_qform(affine if form == "qform" else None, code=1 if form == "qform" else 0)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, tmp_path / "a.nii.gz")
    found = read_nifti(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(found.array, VOXELS)
    assert found.voxel_size_um == pytest.approx((3, 2, 1))


def changed(path: Path, place: int, form: str, *values: float) -> None:
    write_nifti(path, VOXELS, voxel_size_um=(3, 2, 1))
    content = bytearray(gzip.decompress(path.read_bytes()))
    struct.pack_into(form, content, place, *values)
    path.write_bytes(gzip.compress(content))


def test_other_orders_of_bytes_scales_and_files_that_are_not_packed_are_read(tmp_path):
    changed(tmp_path / "a.nii.gz", 112, "<2f", 2, 1)
    np.testing.assert_array_equal(read_nifti(tmp_path / "a.nii.gz").array, VOXELS * 2.0 + 1)
    header = bytearray(352)
    struct.pack_into(">i8h", header, 0, 348, *[0] * 8)
    struct.pack_into(">8h", header, 40, 3, 4, 3, 2, 1, 1, 1, 1)
    struct.pack_into(">2h", header, 70, 4, 16)
    struct.pack_into(">8f", header, 76, 1, 1, 1, 1, 0, 0, 0, 0)
    struct.pack_into(">3f", header, 108, 352, 0, 0)
    header[344:348] = b"n+1\0"
    (tmp_path / "b.nii").write_bytes(bytes(header) + VOXELS.astype(">i2").tobytes())
    np.testing.assert_array_equal(read_nifti(tmp_path / "b.nii").array, VOXELS)


@pytest.mark.parametrize(
    ("place", "form", "values", "told"),
    [
        (0, "<i", (540,), "does not begin as a single NIfTI-1 file"),
        (
            40,
            "<8h",
            (4, 4, 3, 2, 5, 1, 1, 1),
            "must hold one volume of three axes, got the shape (4, 3, 2, 5)",
        ),
        (70, "<h", (128,), "must hold plain numbers, got the NIfTI type 128"),
        (108, "<f", (1e9,), "must hold its voxels after its header"),
        (42, "<3h", (4, 3, 9), "must hold 108 bytes of voxels, got 24"),
        (284, "<f", (0.0005,), "must have axes parallel to those of space"),
        (280, "<f", (0,), "must turn three axes into three"),
    ],
)
def test_what_is_no_volume_is_told_in_one_line(tmp_path, place, form, values, told):
    changed(tmp_path / "a.nii.gz", place, form, *values)
    with pytest.raises(ValueError, match=r"must|readable") as error:
        read_nifti(tmp_path / "a.nii.gz")
    assert told in str(error.value)
    assert "a.nii.gz" in str(error.value)


def test_a_file_that_was_cut_off_or_is_damaged_is_told_in_one_line(tmp_path):
    write_nifti(tmp_path / "a.nii.gz", VOXELS, voxel_size_um=None)
    whole = (tmp_path / "a.nii.gz").read_bytes()
    for content in (whole[:40], b"", b"\x1f\x8b" + b"x" * 50, whole[:20] + b"\xff" * 30 + whole[50:]):
        (tmp_path / "a.nii.gz").write_bytes(content)
        with pytest.raises(ValueError, match="not a readable NIfTI file"):
            read_nifti(tmp_path / "a.nii.gz")


def test_what_the_format_does_not_hold_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no type for complex64"):
        write_nifti(tmp_path / "a.nii.gz", VOXELS.astype(np.complex64), voxel_size_um=None)
    with pytest.raises(ValueError, match="at most 32767"):
        write_nifti(tmp_path / "a.nii.gz", np.zeros((1, 1, 32768), np.uint8), voxel_size_um=None)
    assert not list(tmp_path.iterdir())
