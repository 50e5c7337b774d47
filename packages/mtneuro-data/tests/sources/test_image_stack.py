"""Pictures as slices, one by one and in folders."""

import json
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from mtneuro_data import open_volume
from mtneuro_data._shared import bounds
from PIL import Image, ImageOps


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P"])
def test_a_picture_of_more_than_grey_values_is_refused(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (4, 4)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=f"one grey value a pixel, got the mode {mode}"):
        open_volume(tmp_path / "a.png")


def test_slices_in_which_white_is_zero_are_inverted_too(tmp_path: Path) -> None:
    for z in range(2):
        tifffile.imwrite(tmp_path / f"z{z}.tif", np.full((4, 5), z, np.uint8), photometric="miniswhite")
    assert open_volume(tmp_path)[:, 0:1, 0:1].ravel().tolist() == [255, 254]


def test_files_that_operating_systems_leave_in_a_folder_are_skipped(tmp_path: Path) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    for name in ("Thumbs.db", "Desktop.ini", "._a.png", ".DS_Store", "ehthumbs.db"):
        (tmp_path / name).write_bytes(b"x")
    assert open_volume(tmp_path).shape == (1, 4, 4)
    assert open_volume(tmp_path / "*").shape == (1, 4, 4)


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
    monkeypatch.setattr(bounds, "memory_at_hand", lambda: 10**9)


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


def test_a_picture_that_another_program_would_draw_is_refused(tmp_path: Path) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "slice.eps")
    (tmp_path / "slice.eps").rename(tmp_path / "slice.png")
    with pytest.raises(ValueError, match="cannot identify image file"):
        open_volume(tmp_path / "slice.png")


@pytest.mark.parametrize("turned", range(1, 9))
def test_a_picture_is_read_as_it_is_looked_at(tmp_path: Path, turned: int) -> None:
    about = Image.Exif()
    about[274] = turned
    for name in ("a.png", "b.png"):
        Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4)).save(tmp_path / name, exif=about)
    with Image.open(tmp_path / "a.png") as picture:
        expected = np.asarray(ImageOps.exif_transpose(picture))
    opened = open_volume(tmp_path)
    np.testing.assert_array_equal(opened[:, :, :], [expected, expected])


def test_a_picture_of_several_frames_is_refused(tmp_path: Path) -> None:
    frames = [Image.new("L", (4, 4), grey) for grey in (0, 9)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(ValueError, match="must be one picture, got 2 frames; write them apart"):
        open_volume(tmp_path / "a.gif")


@pytest.mark.parametrize("white", [100, 255, 4095, 65535])
def test_a_pgm_is_read_as_its_numbers_or_refused(tmp_path: Path, white: int) -> None:
    pixels = np.array([[0, 3], [7, 100]], ">u2" if white > 255 else np.uint8)
    (tmp_path / "a.pgm").write_bytes(f"P5 2 2 {white}\n".encode() + pixels.tobytes())
    if white in (255, 65535):
        np.testing.assert_array_equal(open_volume(tmp_path / "a.pgm")[:, :, :], pixels[None])
    else:
        with pytest.raises(ValueError, match=f"white must be 255 or 65535, got {white}"):
            open_volume(tmp_path / "a.pgm")


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / ".DS_Store").write_bytes(b"x")
    with pytest.raises(FileNotFoundError, match="no images at"):
        open_volume(tmp_path)
