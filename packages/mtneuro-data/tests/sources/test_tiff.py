"""TIFF files: their pixels, axes and voxel size."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from mtneuro_data import open_volume
from mtneuro_data._shared import bounds
from mtneuro_data.saving import save_volume
from mtneuro_data.sources import tiff
from PIL import Image, ImageOps

GREY = np.random.default_rng(0).integers(0, 256, (3, 5, 6), dtype=np.uint8)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_tiff_in_which_white_is_zero_is_inverted(
    tmp_path: Path, rng: np.random.Generator, dtype: type[np.unsignedinteger], compression: str | None
) -> None:
    white = np.iinfo(dtype).max
    voxels = rng.integers(0, white, (3, 5, 6), endpoint=True).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", white - voxels, photometric="miniswhite", compression=compression)
    np.testing.assert_array_equal(open_volume(tmp_path / "a.tif")[:, :, :], voxels)


@pytest.mark.parametrize(
    ("shape", "options", "told"),
    [
        ((4, 5, 3), {"photometric": "rgb"}, "got Y: 4, X: 5, S: 3"),
        ((2, 4, 5), {"imagej": True, "metadata": {"axes": "CYX"}}, "got C: 2, Y: 4, X: 5"),
        ((2, 4, 5), {"imagej": True, "metadata": {"axes": "TYX"}}, "got T: 2, Y: 4, X: 5"),
        ((2, 4, 5), {"metadata": {"axes": "XYZ"}}, "order Z, Y, X, got X: 2, Y: 4, Z: 5"),
    ],
)
def test_a_tiff_of_other_axes_is_refused(
    tmp_path: Path, shape: tuple[int, ...], options: dict[str, object], told: str
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros(shape, np.uint8), **options)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=told):
        open_volume(tmp_path / "a.tif")


def test_axes_of_one_entry_are_left_out(tmp_path: Path) -> None:
    stack = np.zeros((1, 3, 1, 4, 5), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", stack, metadata={"axes": "TZCYX"}, ome=True)
    assert open_volume(tmp_path / "a.tif").shape == (3, 4, 5)


def test_a_tiff_of_several_images_is_refused(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(np.zeros((4, 5), np.uint8))
        file.write(np.zeros((6, 5), np.uint8))
    with pytest.raises(ValueError, match="one image or one stack, got 2 separate images"):
        open_volume(tmp_path / "a.tif")


def test_a_tiff_of_palette_indices_is_refused(tmp_path: Path) -> None:
    colours = np.zeros((3, 256), np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 5), np.uint8), photometric="palette", colormap=colours)
    with pytest.raises(ValueError, match="indices of a palette"):
        open_volume(tmp_path / "a.tif")


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_tiff_that_claims_more_than_memory_is_refused_with_both_sizes(
    tmp_path: Path, compression: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "memory_at_hand", lambda: 10**9)
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 5), np.uint8), compression=compression)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as file:
        for name in ("ImageWidth", "ImageLength", "RowsPerStrip"):
            file.pages.first.tags[name].overwrite(60_000)
    told = rf"^{tmp_path}/a\.tif must fit into memory, got 3\.6 GB of 1\.0 GB at hand"
    with pytest.raises(ValueError, match=told):
        open_volume(tmp_path / "a.tif")


def test_a_strip_that_unpacks_to_more_than_it_says_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif", np.zeros((1000, 1000), np.uint8), compression="zlib", rowsperstrip=1000
    )
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as file:
        for name in ("ImageWidth", "ImageLength", "RowsPerStrip"):
            file.pages.first.tags[name].overwrite(10)
    monkeypatch.setattr(tiff, "memory_at_hand", lambda: 1000)
    with pytest.raises(ValueError, match="a strip must unpack to the 100 bytes that it says, got more"):
        open_volume(tmp_path / "a.tif")


def test_a_damaged_tiff_is_told_in_one_line_alone(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 5), np.uint8), compression="zlib")
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as file:
        file.pages.first.tags["ImageWidth"].overwrite(60)
    # A process of its own: pytest's handler takes what would be printed.
    code = "from mtneuro_data.cli import main; main()"
    command = [sys.executable, "-c", code, "info", str(tmp_path / "a.tif")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr


@pytest.mark.parametrize(
    "shape", [(3, 4, 5), (4, 5, 3), (4, 5, 1), (1, 4, 5), (3, 1, 5), (3, 4, 4), (1, 1, 1)]
)
@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int8", "uint16", ">u2", "uint32", "int32", "uint64", "float16", "float32"]
)
@pytest.mark.parametrize("size", [(3.0, 2.0, 1.17), None])
def test_what_is_written_is_read_and_is_grey_pages(tmp_path, shape, dtype, size) -> None:
    voxels = (np.random.default_rng(0).random(shape) * 2).astype(dtype)
    save_volume(tmp_path / "a.tif", voxels, voxel_size_um=size)
    opened = open_volume(tmp_path / "a.tif")
    np.testing.assert_array_equal(opened[:, :, :], voxels)
    assert (opened.dtype, opened.voxel_size_um) == (voxels.dtype.newbyteorder("="), size)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        if shape[-1] > 1 or dtype not in ("uint64", "float16"):
            assert len(file.pages) == shape[0]
        pages: Any = file.pages
        assert {page.photometric for page in pages} == {tifffile.PHOTOMETRIC.MINISBLACK}


def test_the_same_volume_gives_the_same_file(tmp_path: Path) -> None:
    for name in "ab":
        save_volume(tmp_path / f"{name}.tif", GREY.astype(np.uint32), voxel_size_um=(3, 2, 1))
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"])
def test_packed_stacks_are_read(tmp_path: Path, compression: str) -> None:
    first, *others = (Image.fromarray(plane) for plane in GREY)
    first.save(tmp_path / "a.tif", save_all=True, append_images=others, compression=compression)
    opened = open_volume(tmp_path / "a.tif")
    if compression == "jpeg":
        assert opened.shape == GREY.shape
    else:
        np.testing.assert_array_equal(opened[:, :, :], GREY)


def test_a_missing_decoder_is_named_with_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*args: object, **more: object) -> None:
        raise ValueError("<COMPRESSION.LZW: 5> requires the 'imagecodecs' package")

    Image.fromarray(GREY[0]).save(tmp_path / "a.tif", compression="tiff_lzw")
    monkeypatch.setattr(tifffile, "imread", absent)
    with pytest.raises(ValueError, match=r"'imagecodecs' package: pip install 'mtneuro-data\[tiff\]'"):
        open_volume(tmp_path / "a.tif")


OME = {"axes": "ZYX", "PhysicalSizeZ": 40, "PhysicalSizeY": 4, "PhysicalSizeX": 5}
NM = {f"PhysicalSize{axis}Unit": "nm" for axis in "ZYX"}


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"ome": True, "metadata": OME | NM}, (0.04, 0.004, 0.005)),
        ({"ome": True, "metadata": OME}, (40, 4, 5)),
        ({"ome": True, "metadata": OME | NM | {"PhysicalSizeXUnit": "pixel"}}, None),
        ({"ome": True, "metadata": {"axes": "ZYX"}, "resolution": (2, 2)}, None),
        ({"ome": True, "metadata": OME | {"PhysicalSizeZ": 0}}, None),
        (
            {"imagej": True, "resolution": (2, 4), "metadata": {"axes": "ZYX", "spacing": 3, "unit": "nm"}},
            (0.003, 0.00025, 0.0005),
        ),
        (
            {
                "imagej": True,
                "resolution": (2, 4),
                "metadata": {"axes": "ZYX", "spacing": 3, "unit": "\\u00B5m"},
            },
            (3, 0.25, 0.5),
        ),
        (
            {
                "imagej": True,
                "resolution": (2, 4),
                "metadata": {"axes": "ZYX", "spacing": 3, "unit": "micron"},
            },
            (3, 0.25, 0.5),
        ),
        (
            {
                "imagej": True,
                "resolution": (2, 4),
                "metadata": {"axes": "ZYX", "spacing": 3, "unit": "pixel"},
            },
            None,
        ),
        ({"imagej": True, "resolution": (2, 4), "metadata": {"axes": "ZYX", "spacing": 3}}, None),
        ({"imagej": True, "resolution": (2, 4), "metadata": {"axes": "ZYX", "unit": "um"}}, None),
        (
            {"imagej": True, "resolution": (2, 4), "metadata": {"axes": "ZYX", "spacing": -1, "unit": "um"}},
            None,
        ),
        (
            {
                "imagej": True,
                "resolution": (2, 4),
                "resolutionunit": 3,
                "metadata": {"axes": "ZYX", "spacing": 3},
            },
            (30000, 2500, 5000),
        ),
        (
            {
                "resolution": (2, 4),
                "resolutionunit": 3,
                "metadata": {"axes": "ZYX", "spacing": 3, "unit": "um"},
            },
            (3, 0.25, 0.5),
        ),
        ({"resolution": (72, 72), "resolutionunit": 2}, None),
        ({}, None),
    ],
)
def test_a_voxel_size_is_what_the_file_says_or_unknown(tmp_path, options, size) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GREY, photometric="minisblack", **options)
    found = open_volume(tmp_path / "a.tif").voxel_size_um
    assert found == (None if size is None else pytest.approx(size))


@pytest.mark.parametrize("turned", range(1, 9))
def test_pixels_are_read_as_they_are_looked_at(tmp_path: Path, turned: int) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GREY[0], extratags=[(274, 3, 1, turned, True)])
    about = Image.Exif()
    about[274] = turned
    Image.fromarray(GREY[0]).save(tmp_path / "a.png", exif=about)
    with Image.open(tmp_path / "a.png") as picture:
        expected = np.asarray(ImageOps.exif_transpose(picture))
    np.testing.assert_array_equal(open_volume(tmp_path / "a.tif")[:, :, :], expected[None])


def test_white_of_bits_and_of_signed_pixels(tmp_path: Path) -> None:
    ink = GREY > 100
    tifffile.imwrite(tmp_path / "a.tif", ~ink, photometric="miniswhite")
    np.testing.assert_array_equal(open_volume(tmp_path / "a.tif")[:, :, :], ink)
    tifffile.imwrite(tmp_path / "b.tif", GREY.astype(np.int16), photometric="miniswhite")
    with pytest.raises(ValueError, match="white can be 0 only in pixels without a sign, got int16"):
        open_volume(tmp_path / "b.tif")


def test_alpha_is_refused(tmp_path: Path) -> None:
    pixels = np.zeros((4, 5, 2), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack", extrasamples=["unassalpha"])
    with pytest.raises(ValueError, match="one grey channel"):
        open_volume(tmp_path / "a.tif")


def test_a_missing_file_of_a_set_is_not_read_as_zeros(tmp_path: Path) -> None:
    described = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
        'UUID="urn:uuid:1">'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="6" SizeY="5" '
        'SizeZ="2" SizeC="1" SizeT="1"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>'
        '<TiffData FirstZ="0" PlaneCount="1"><UUID FileName="a.ome.tif">urn:uuid:1</UUID></TiffData>'
        '<TiffData FirstZ="1" PlaneCount="1"><UUID FileName="b.ome.tif">urn:uuid:2</UUID></TiffData>'
        "</Pixels></Image></OME>"
    )
    tifffile.imwrite(tmp_path / "a.ome.tif", GREY[0], description=described, metadata=None)
    with pytest.raises(ValueError, match="another file of the same OME-TIFF is not there"):
        open_volume(tmp_path / "a.ome.tif")
