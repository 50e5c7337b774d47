"""One set of odd files for the readers of all four packages: equal voxels and sizes, or the same refusal."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mtneuro_data
import mtneuro_probe
import mtneuro_seg
import mtneuro_ssl
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

VOXELS = np.random.default_rng(0).integers(0, 256, (12, 30, 40), dtype=np.uint8)

Size = tuple[float, float, float] | None
Answer = tuple[np.ndarray, Size] | str


def _data(uri: str) -> tuple[np.ndarray, Size]:
    volume = mtneuro_data.open_volume(uri)
    return volume[:, :, :], volume.voxel_size_um


def _ssl(uri: str) -> tuple[np.ndarray, Size]:
    return np.asarray(mtneuro_ssl.open_images(uri).images[...]), mtneuro_ssl.open_volume_file(
        uri
    ).voxel_size_um


def _seg(uri: str) -> tuple[np.ndarray, Size]:
    found = mtneuro_seg.open_volume_file(uri)
    return found.loaded(), found.voxel_size_um


def _probe(uri: str) -> tuple[np.ndarray, Size]:
    found = mtneuro_probe.open_volume_file(uri)
    return found.loaded(), found.voxel_size_um


READERS: dict[str, Callable[[str], tuple[np.ndarray, Size]]] = {
    "data": _data,
    "ssl": _ssl,
    "seg": _seg,
    "probe": _probe,
}


def answer(read: Callable[[str], tuple[np.ndarray, Size]], uri: str) -> Answer:
    try:
        return read(uri)
    except ValueError as error:
        return str(error)


def ome(
    path: Path,
    voxels: np.ndarray = VOXELS,
    axes: str = "zyx",
    scale: tuple[float, ...] = (3, 2, 1),
    unit: str | None = "micrometer",
    copies: int = 1,
    **more: Any,
) -> None:
    """Write an OME-Zarr 0.4 image by hand."""
    kinds = {"c": "channel", "t": "time"}
    group = zarr.open_group(path, mode="w", zarr_format=2)
    group.create_array("0", data=voxels)
    image = {
        "version": "0.4",
        "axes": [
            {"name": axis, "type": kinds.get(axis, "space")}
            | ({"unit": unit} if unit and axis in "zyx" else {})
            for axis in axes
        ],
        "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": list(scale)}]}],
        **more,
    }
    group.attrs["multiscales"] = [image] * copies


def pictures(path: Path, numbers: list[int]) -> None:
    path.mkdir()
    for number, plane in zip(numbers, VOXELS, strict=False):
        Image.fromarray(plane).save(path / f"z{number}.png")


def palette(path: Path) -> None:
    picture = Image.frombytes("P", (40, 30), (255 - VOXELS[0]).tobytes())
    picture.putpalette([grey for index in range(256) for grey in [255 - index] * 3])
    picture.save(path)


READ: dict[str, tuple[str, Callable[[Path], Any], np.ndarray, Size]] = {
    "nanometres": (
        "a.zarr",
        lambda p: ome(p, scale=(40, 4, 4), unit="nanometer"),
        VOXELS,
        (0.04, 0.004, 0.004),
    ),
    "a scale of the whole image": (
        "a.zarr",
        lambda p: ome(p, coordinateTransformations=[{"type": "scale", "scale": [2, 2, 2]}]),
        VOXELS,
        (6, 4, 2),
    ),
    "no unit": ("a.zarr", lambda p: ome(p, unit=None), VOXELS, None),
    "a unit of no length": ("a.zarr", lambda p: ome(p, unit="pixel"), VOXELS, None),
    "a size of zero": ("a.zarr", lambda p: ome(p, scale=(0, 1, 1)), VOXELS, None),
    "one time and one channel": (
        "a.zarr",
        lambda p: ome(p, VOXELS[None, None], "tczyx", (1, 1, 3, 2, 1)),
        VOXELS,
        (3, 2, 1),
    ),
    "an attribute of an array": (
        "a.zarr",
        lambda p: zarr.create_array(p, data=VOXELS, attributes={"voxel_size_um": [3, 2, 1]}),
        VOXELS,
        (3, 2, 1),
    ),
    "one image": ("a.npy", lambda p: np.save(p, VOXELS[0]), VOXELS[:1], None),
    "an archive that calls its array image": (
        "a.npz",
        lambda p: np.savez(p, image=VOXELS, voxel_size_um=[3, 2, 1]),
        VOXELS,
        (3, 2, 1),
    ),
    "a folder of numbered pictures": (
        "a",
        lambda p: pictures(p, [0, 1, 10, 11, 2]),
        VOXELS[[0, 1, 4, 2, 3]],
        None,
    ),
    "white is zero": (
        "a.tif",
        lambda p: tifffile.imwrite(p, 255 - VOXELS, photometric="miniswhite"),
        VOXELS,
        None,
    ),
}
"""Files that are read: name, how each is made, its voxels and its size."""

REFUSED: dict[str, tuple[str, Callable[[Path], Any], str]] = {
    "axes x, y, z": ("a.zarr", lambda p: ome(p, VOXELS.T, "xyz"), "axes end in z, y, x, got x, y, z"),
    "dimension names x, y, z": (
        "a.zarr",
        lambda p: zarr.create_array(p, data=VOXELS, dimension_names=("x", "y", "z")),
        "axes end in z, y, x, got x, y, z",
    ),
    "two channels": (
        "a.zarr",
        lambda p: ome(p, np.stack([VOXELS] * 2), "czyx", (1, 3, 2, 1)),
        "one channel and one time, got c: 2",
    ),
    "two images": ("a.zarr", lambda p: ome(p, copies=2), "one image, got 2"),
    "a scale of two factors": ("a.zarr", lambda p: ome(p, scale=(1, 1)), "metadata .* are not valid"),
    "a group without metadata": (
        "a.zarr",
        lambda p: zarr.open_group(p, mode="w").create_array("0", data=VOXELS),
        "without multiscales",
    ),
    "one voxel size": (
        "a.npz",
        lambda p: np.savez(p, images=VOXELS, voxel_size_um=2.0),
        "three positive numbers",
    ),
    "too few ids": ("a.npz", lambda p: np.savez(p, images=VOXELS, sample_id=["a"]), "must have 12 entries"),
    "two arrays of other names": ("a.npz", lambda p: np.savez(p, one=VOXELS, two=VOXELS), "one, two"),
    "python objects": (
        "a.npy",
        lambda p: np.save(p, np.array([{}], dtype=object), allow_pickle=True),
        "not a readable",
    ),
    "colours": (
        "a.tif",
        lambda p: tifffile.imwrite(p, np.stack([VOXELS[0]] * 3, -1), photometric="rgb"),
        "RGB",
    ),
    "a palette": ("a.png", palette, "one grey value a pixel, got the mode P"),
    "what nobody reads": ("a.txt", lambda p: p.write_text("no voxels"), "not a readable image"),
}
"""Files that are refused: name, how each is made, and what every reader says."""


@pytest.mark.parametrize("odd", READ)
@pytest.mark.parametrize("reader", READERS)
def test_an_odd_file_is_read_alike_everywhere(tmp_path, odd, reader):
    name, make, voxels, size = READ[odd]
    make(tmp_path / name)
    found, found_size = READERS[reader](str(tmp_path / name))
    np.testing.assert_array_equal(found, voxels)
    assert found_size == (None if size is None else pytest.approx(size))


@pytest.mark.parametrize("odd", REFUSED)
def test_an_odd_file_is_refused_alike_everywhere(tmp_path, odd):
    name, make, told = REFUSED[odd]
    make(tmp_path / name)
    answers = {package: answer(read, str(tmp_path / name)) for package, read in READERS.items()}
    assert all(isinstance(said, str) for said in answers.values()), answers
    assert len({str(said) for said in answers.values()}) == 1, answers
    with pytest.raises(ValueError, match=told):
        READERS["data"](str(tmp_path / name))
