"""Pictures and TIFF files: what their pixels and axes mean."""

import json
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from mtneuro_data import open_volume
from mtneuro_data._shared import bounds
from mtneuro_data.sources import image_stack
from PIL import Image


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P"])
def test_a_picture_of_more_than_grey_values_is_refused(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (4, 4)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=f"one grey value a pixel, got the mode {mode}"):
        open_volume(tmp_path / "a.png")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_tiff_in_which_white_is_zero_is_inverted(
    tmp_path: Path, rng: np.random.Generator, dtype: type[np.unsignedinteger], compression: str | None
) -> None:
    white = np.iinfo(dtype).max
    voxels = rng.integers(0, white, (3, 5, 6), endpoint=True).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", white - voxels, photometric="miniswhite", compression=compression)
    np.testing.assert_array_equal(open_volume(tmp_path / "a.tif")[:, :, :], voxels)


def test_slices_in_which_white_is_zero_are_inverted_too(tmp_path: Path) -> None:
    for z in range(2):
        tifffile.imwrite(tmp_path / f"z{z}.tif", np.full((4, 5), z, np.uint8), photometric="miniswhite")
    assert open_volume(tmp_path)[:, 0:1, 0:1].ravel().tolist() == [255, 254]


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


def test_files_that_operating_systems_leave_in_a_folder_are_skipped(tmp_path: Path) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    for name in ("Thumbs.db", "desktop.ini", "._a.png", ".DS_Store"):
        (tmp_path / name).write_bytes(b"x")
    assert open_volume(tmp_path).shape == (1, 4, 4)


def test_one_image_is_one_slice(tmp_path: Path, volume: np.ndarray) -> None:
    Image.fromarray(volume[3]).save(tmp_path / "slice.png")
    np.testing.assert_array_equal(open_volume(tmp_path / "slice.png")[:, :, :], volume[3:4])


def test_images_that_differ_in_size_are_refused(tmp_path: Path) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    Image.new("L", (4, 5)).save(tmp_path / "b.png")
    with pytest.raises(ValueError, match=r"must have one size: .*a.png is \(4, 4\), .*b.png is \(5, 4\)"):
        open_volume(tmp_path)


def test_slices_are_stacked_in_natural_order(tmp_path: Path) -> None:
    for z in (0, 2, 10, 9):
        Image.fromarray(np.full((2, 2), z, np.uint8)).save(tmp_path / f"z{z}.png")
    assert open_volume(tmp_path)[:, 0:1, 0:1].ravel().tolist() == [0, 2, 9, 10]


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave 1 GB of memory at hand."""
    for module in (bounds, image_stack):
        monkeypatch.setattr(module, "memory_at_hand", lambda: 10**9)


def png(width: int, height: int) -> bytes:
    """Return a PNG that claims so many grey pixels, and holds none."""
    parts = [(b"IHDR", struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)), (b"IDAT", zlib.compress(b""))]
    chunks = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in [*parts, (b"IEND", b"")]
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("side", [60_000, 1_000_000])
def test_a_picture_that_claims_more_than_memory_is_refused_with_both_sizes(tmp_path: Path, side: int) -> None:
    (tmp_path / "a.png").write_bytes(png(side, side))
    told = rf"^{tmp_path}/a\.png must fit into memory, got [\d,]+\.\d GB of 1\.0 GB at hand; "
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=told):
            open_volume(tmp_path / "a.png")


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_tiff_that_claims_more_than_memory_is_refused_with_both_sizes(
    tmp_path: Path, compression: str | None
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 5), np.uint8), compression=compression)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as file:
        for name in ("ImageWidth", "ImageLength", "RowsPerStrip"):
            file.pages.first.tags[name].overwrite(60_000)
    told = rf"^{tmp_path}/a\.tif must fit into memory, got 3\.6 GB of 1\.0 GB at hand"
    with pytest.raises(ValueError, match=told):
        open_volume(tmp_path / "a.tif")


@pytest.mark.usefixtures("little_memory")
def test_a_strip_that_unpacks_to_more_than_it_says_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif", np.zeros((1000, 1000), np.uint8), compression="zlib", rowsperstrip=1000
    )
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as file:
        for name in ("ImageWidth", "ImageLength", "RowsPerStrip"):
            file.pages.first.tags[name].overwrite(10)
    monkeypatch.setattr(image_stack, "memory_at_hand", lambda: 1000)
    with pytest.raises(ValueError, match="a strip must unpack to the 100 bytes that it says, got more"):
        open_volume(tmp_path / "a.tif")


def test_a_slice_beyond_pillows_guard_opens_without_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("L", (40, 40)).save(tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert open_volume(tmp_path / "large.png").shape == (1, 40, 40)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_the_real_slice_has_the_measured_cortex(real_data: Path) -> None:

    opened = open_volume(real_data / "prasad2020" / "image_z159.png")
    assert opened.shape == (1, 1420, 5805)
    measured = json.loads((real_data / "prasad2020" / "calibration.json").read_text())["crops"]["159"][
        "A_CTX"
    ]
    assert opened[0:1, 900:1156, 4600:4856].mean() == pytest.approx(measured["mean"], abs=1e-3)


def test_a_damaged_tiff_is_told_in_one_line_alone(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 5), np.uint8), compression="zlib")
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as file:
        file.pages.first.tags["ImageWidth"].overwrite(60)
    # A process of its own: pytest's handler takes what would be printed.
    code = "from mtneuro_data.cli import main; main()"
    command = [sys.executable, "-c", code, "info", str(tmp_path / "a.tif")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr


def test_a_picture_that_another_program_would_draw_is_refused(tmp_path: Path) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "slice.eps")
    (tmp_path / "slice.eps").rename(tmp_path / "slice.png")
    with pytest.raises(ValueError, match="cannot identify image file"):
        open_volume(tmp_path / "slice.png")
