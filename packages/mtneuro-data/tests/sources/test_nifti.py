import gzip
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from mtneuro_data import open_volume
from mtneuro_data._shared import bounds
from mtneuro_data.sources.nifti import nifti_bytes


def test_a_nifti_header_worked_by_hand() -> None:
    content = nifti_bytes(np.arange(24, dtype=np.uint8).reshape(2, 3, 4), voxel_size_um=(3000, 2000, 1000))
    assert struct.unpack_from("<4h", content, 40) == (3, 4, 3, 2)
    assert struct.unpack_from("<4f", content, 76) == (1, 1, 2, 3)
    assert content[352:] == bytes(range(24))


def test_a_nifti_of_the_other_byte_order_is_read(tmp_path: Path) -> None:
    voxels = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    header = bytearray(352)
    struct.pack_into(">i", header, 0, 348)
    struct.pack_into(">8h", header, 40, 4, 4, 3, 2, 1, 1, 1, 1)
    struct.pack_into(">2h", header, 70, 4, 16)
    header[123] = 2
    struct.pack_into(">8f", header, 76, 1, 0.001, 0.002, 0.003, 0, 0, 0, 0)
    struct.pack_into(">3f", header, 108, 352, 0, 0)
    header[344:348] = b"n+1\0"
    (tmp_path / "a.nii").write_bytes(bytes(header) + voxels.astype(">i2").tobytes())
    opened = open_volume(tmp_path / "a.nii")
    assert opened.voxel_size_um == pytest.approx((3, 2, 1))
    np.testing.assert_array_equal(opened[:, :, :], voxels)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no volume",
        gzip.compress(b"no volume", mtime=0),
        nifti_bytes(np.ones((2, 3, 4), np.uint8), voxel_size_um=(1, 1, 1))[:360],
    ],
)
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_damaged_nifti_is_refused(tmp_path: Path, content: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match="is not a readable NIfTI file"):
        open_volume(tmp_path / name)


def claiming(columns: int, rows: int, slices: int) -> bytes:
    """Return a header that claims so many voxels, and no voxels."""
    header = bytearray(nifti_bytes(np.zeros((1, 1, 1), np.uint8), voxel_size_um=(1, 1, 1))[:352])
    struct.pack_into("<4h", header, 40, 3, columns, rows, slices)
    return bytes(header)


def test_a_header_that_claims_more_than_there_is_is_refused_with_both_sizes(tmp_path: Path) -> None:
    content = claiming(30_000, 30_000, 30_000)
    (tmp_path / "a.nii").write_bytes(content)
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(content))
    with pytest.raises(ValueError, match=r"its voxels must be 27,000,000,000,000 bytes, got 0"):
        open_volume(tmp_path / "a.nii")
    with pytest.raises(ValueError, match=r"must fit into memory, got 27,000\.0 GB of [\d,.]+ .B at hand"):
        open_volume(tmp_path / "a.nii.gz")


def test_no_more_is_unpacked_than_the_header_asks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "_ALWAYS", 0)
    monkeypatch.setattr(bounds, "memory_at_hand", lambda: 1000)
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(claiming(4, 3, 2) + bytes(50 << 20)))
    tracemalloc.start()
    try:
        assert open_volume(tmp_path / "a.nii.gz")[:, :, :].shape == (2, 3, 4)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("place", [float("inf"), float("nan"), -1.0, 1e12])
def test_voxels_that_begin_nowhere_are_refused(tmp_path: Path, place: float) -> None:
    content = bytearray(claiming(4, 3, 2) + bytes(24))
    struct.pack_into("<f", content, 108, place)
    (tmp_path / "a.nii").write_bytes(content)
    with pytest.raises(ValueError, match=r"offset|must begin after its header|infinity|NaN"):
        open_volume(tmp_path / "a.nii")


VOXELS = np.random.default_rng(0).integers(-500, 500, (3, 4, 5)).astype(np.int16)
ORDERS = [(0, 1, 2), (2, 1, 0), (1, 2, 0), (0, 2, 1)]


def image(stored: np.ndarray, affine: np.ndarray, unit: str = "mm") -> nibabel.Nifti1Image:
    made = nibabel.Nifti1Image(stored, affine)
    made.header.set_xyzt_units(unit)
    return made


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, -1, 1)])
@pytest.mark.parametrize("name", ["a.nii", "A.NII.GZ"])
def test_permuted_axes_are_put_in_order_and_none_is_turned_round(tmp_path, order, signs, name):
    affine = np.zeros((4, 4))
    for stored, space in enumerate(order):
        affine[space, stored] = signs[space] * (0.001, 0.002, 0.003)[space]
    affine[3, 3] = 1
    nibabel.save(image(VOXELS.T.transpose(order), affine), tmp_path / "made.nii.gz")
    content = gzip.decompress((tmp_path / "made.nii.gz").read_bytes())
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("GZ") else content)
    opened = open_volume(tmp_path / name)
    assert opened.voxel_size_um == (3.0, 2.0, 1.0)
    np.testing.assert_array_equal(opened[:, :, :], VOXELS)
    np.testing.assert_array_equal(opened[1:3, 2:4, 0:3], VOXELS[1:3, 2:4, :3])


def test_oblique_axes_are_refused_in_words(tmp_path: Path) -> None:
    turned = np.array([[0.8, -0.6, 0, 0], [0.6, 0.8, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    nibabel.save(image(VOXELS.T, turned), tmp_path / "a.nii")
    with pytest.raises(ValueError, match="parallel to those of space, got an oblique affine; resample it"):
        open_volume(tmp_path / "a.nii")


@pytest.mark.parametrize(
    ("slope", "shift", "scaled"),
    [(np.nan, np.nan, False), (0, 0, False), (0, 7, False), (1, 0, False), (0.5, 3, True), (2, -1, True)],
)
def test_scaled_values_become_floats_and_a_slope_of_nothing_means_none(
    tmp_path, slope, shift, scaled
) -> None:
    content = bytearray(nifti_bytes(VOXELS, voxel_size_um=(3, 2, 1)))
    struct.pack_into("<2f", content, 112, slope, shift)
    (tmp_path / "a.nii").write_bytes(content)
    opened = open_volume(tmp_path / "a.nii")
    assert opened.dtype == (np.float32 if scaled else np.int16)
    expected = VOXELS * slope + shift if scaled else VOXELS
    np.testing.assert_allclose(opened[:, :, :], expected)
    assert opened[0:1, 0:1, 0:1].dtype == opened.dtype


def test_a_slope_of_32_bit_numbers_keeps_their_digits(tmp_path: Path) -> None:
    large = (VOXELS.astype(np.int32) << 16) + 1
    content = bytearray(nifti_bytes(large, voxel_size_um=(3, 2, 1)))
    struct.pack_into("<2f", content, 112, 2, 0)
    (tmp_path / "a.nii").write_bytes(content)
    np.testing.assert_array_equal(open_volume(tmp_path / "a.nii")[:, :, :], large * 2.0)


@pytest.mark.parametrize("packed", [False, True])
def test_an_offset_of_zero_means_behind_the_header(tmp_path: Path, packed: bool) -> None:
    content = bytearray(nifti_bytes(VOXELS, voxel_size_um=(3, 2, 1)))
    struct.pack_into("<f", content, 108, 0)
    path = tmp_path / ("a.nii.gz" if packed else "a.nii")
    path.write_bytes(gzip.compress(content) if packed else content)
    np.testing.assert_array_equal(open_volume(path)[:, :, :], VOXELS)


@pytest.mark.parametrize(("place", "code", "value"), [(123, "B", 0), (84, "<f", 0.0), (84, "<f", -1.0)])
def test_a_size_without_a_unit_or_of_nothing_is_unknown(tmp_path, place, code, value) -> None:
    content = bytearray(nifti_bytes(VOXELS, voxel_size_um=(3, 2, 1)))
    struct.pack_into(code, content, place, value)
    (tmp_path / "a.nii").write_bytes(content)
    assert open_volume(tmp_path / "a.nii").voxel_size_um is None


def test_an_unknown_voxel_size_is_written_as_no_unit(tmp_path: Path) -> None:
    (tmp_path / "a.nii").write_bytes(nifti_bytes(VOXELS, voxel_size_um=None))
    made: Any = nibabel.load(tmp_path / "a.nii")
    assert made.header.get_xyzt_units()[0] == "unknown"
    assert open_volume(tmp_path / "a.nii").voxel_size_um is None


@pytest.mark.parametrize("kind", [nibabel.Nifti2Image, nibabel.Nifti1Pair, nibabel.AnalyzeImage])
def test_other_forms_of_the_format_are_read_too(tmp_path: Path, kind: type) -> None:
    path = tmp_path / ("a.nii" if kind is nibabel.Nifti2Image else "a.img")
    nibabel.save(kind(VOXELS.T, np.diag([0.001, 0.002, 0.003, 1])), path)
    np.testing.assert_array_equal(open_volume(path)[:, :, :], VOXELS)
    if path.suffix == ".img":
        np.testing.assert_array_equal(open_volume(path.with_suffix(".hdr"))[:, :, :], VOXELS)


@pytest.mark.parametrize("shape", [(5, 4, 3, 2), (5, 4, 3, 1, 2)])
def test_times_and_channels_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    nibabel.save(nibabel.Nifti1Image(np.zeros(shape, np.uint8), np.eye(4)), tmp_path / "a.nii")
    with pytest.raises(ValueError, match="one channel and one time, got x: 5, y: 4, z: 3, axis 3: "):
        open_volume(tmp_path / "a.nii")


def test_a_packed_file_that_ends_early_is_told_when_it_is_read(tmp_path: Path) -> None:
    content = nifti_bytes(VOXELS, voxel_size_um=(3, 2, 1))
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(content[:-8]))
    with pytest.raises(ValueError, match="is not a readable NIfTI file"):
        open_volume(tmp_path / "a.nii.gz")[:, :, :]
