"""One set of odd files for the readers of all four packages: equal voxels and sizes, or the same refusal."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import mrcfile
import mtneuro_data
import mtneuro_probe
import mtneuro_seg
import mtneuro_ssl
import nibabel
import nrrd
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image
from zarr.storage import ZipStore

VOXELS = np.random.default_rng(0).integers(0, 256, (12, 30, 40), dtype=np.uint8)

Size = tuple[float, float, float] | None
Answer = tuple[np.ndarray, Size] | str


def _data(uri: str) -> tuple[np.ndarray, Size]:
    volume = mtneuro_data.open_volume(uri)
    return volume[:, :, :], volume.voxel_size_um


def _ssl(uri: str) -> tuple[np.ndarray, Size]:
    found = mtneuro_ssl.open_volume_file(uri)
    if found.array.dtype != np.uint8:
        return found.loaded(), found.voxel_size_um
    return np.asarray(mtneuro_ssl.open_images(uri).images[...]), found.voxel_size_um


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


def hdf5(path: Path, voxels: np.ndarray = VOXELS, **about: Any) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("volumes/raw", data=voxels).attrs.update(about)


def mrc(path: Path, size: tuple[float, float, float] = (0, 0, 0)) -> None:
    with mrcfile.new(path) as file:
        file.set_data(VOXELS.astype(np.int16))
        file.set_volume()
        file.voxel_size = size


def nifti(path: Path, unit: str = "mm", order: tuple[int, int, int] = (0, 1, 2), **header: Any) -> None:
    affine = np.zeros((4, 4))
    for stored, space in enumerate(order):
        affine[space, stored] = (0.001, 0.002, 0.003)[space]
    affine[3, 3] = 1
    made = nibabel.Nifti1Image(VOXELS.T.transpose(order), affine)
    made.header.set_xyzt_units(unit)
    nibabel.save(made, path)


def littered(path: Path) -> None:
    pictures(path, [1, 2, 10])
    for name in (".DS_Store", "._z1.png", "Thumbs.db", "desktop.ini"):
        (path / name).write_bytes(b"x")


def zipped(path: Path) -> None:
    store = ZipStore(path, mode="w")
    zarr.create_array(store, data=VOXELS, attributes={"voxel_size_um": [3, 2, 1]})
    store.close()


def lzw(path: Path) -> None:
    first, *others = (Image.fromarray(plane) for plane in VOXELS)
    first.save(path, save_all=True, append_images=others, compression="tiff_lzw")


def own(path: Path, *, size: Size = (3, 2, 1.17), n: int = 12) -> None:
    mtneuro_data.save_volume(path, VOXELS[:n], voxel_size_um=size)


def looked_at_from(path: Path, turned: int) -> None:
    about = Image.Exif()
    about[274] = turned
    Image.fromarray(VOXELS[0]).save(path, exif=about)


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
    "a folder with litter": ("a", littered, VOXELS[:3], None),
    "a picture on its side": (
        "a.png",
        lambda p: looked_at_from(p, 6),
        np.rot90(VOXELS[:1], -1, (1, 2)),
        None,
    ),
    "a TIFF on its head": (
        "a.tif",
        lambda p: tifffile.imwrite(p, VOXELS[0], extratags=[(274, 3, 1, 4, True)]),
        VOXELS[:1, ::-1],
        None,
    ),
    "LZW": ("a.TIF", lzw, VOXELS, None),
    "our own TIFF": ("a.tif", own, VOXELS, (3, 2, 1.17)),
    "our own TIFF of three slices": ("a.tif", lambda p: own(p, n=3), VOXELS[:3], (3, 2, 1.17)),
    "our own TIFF of no size": ("a.tif", lambda p: own(p, size=None), VOXELS, None),
    "our own NIfTI of no size": ("a.nii.gz", lambda p: own(p, size=None), VOXELS, None),
    "our own OME-Zarr of no size": ("a.zarr", lambda p: own(p, size=None), VOXELS, None),
    "our own archive of no size": ("a.npz", lambda p: own(p, size=None), VOXELS, None),
    "pixels of a TIFF that are no length": (
        "a.tif",
        lambda p: tifffile.imwrite(
            p, VOXELS, imagej=True, resolution=(2, 2), metadata={"axes": "ZYX", "spacing": 2, "unit": "pixel"}
        ),
        VOXELS,
        None,
    ),
    "nanometres of OME": (
        "a.ome.tif",
        lambda p: tifffile.imwrite(
            p,
            VOXELS,
            metadata={"axes": "ZYX"}
            | {f"PhysicalSize{axis}": size for axis, size in zip("ZYX", (40, 4, 4), strict=True)}
            | {f"PhysicalSize{axis}Unit": "nm" for axis in "ZYX"},
        ),
        VOXELS,
        (0.04, 0.004, 0.004),
    ),
    "big bytes first": ("a.npy", lambda p: np.save(p, VOXELS.astype(">u2")), VOXELS.astype(np.uint16), None),
    "big bytes first in a TIFF": (
        "a.tif",
        lambda p: tifffile.imwrite(p, VOXELS.astype(np.uint16), byteorder=">", photometric="minisblack"),
        VOXELS.astype(np.uint16),
        None,
    ),
    "big bytes first in a Zarr": (
        "a.zarr",
        lambda p: zarr.create_array(p, data=VOXELS.astype(">u2"), zarr_format=2),
        VOXELS.astype(np.uint16),
        None,
    ),
    "NIfTI": ("a.nii.gz", nifti, VOXELS, (3, 2, 1)),
    "NIfTI of another order": ("A.NII", lambda p: nifti(p, order=(2, 1, 0)), VOXELS, (3, 2, 1)),
    "NIfTI of no unit": ("a.nii", lambda p: nifti(p, unit="unknown"), VOXELS, None),
    "HDF5": ("a.h5", lambda p: hdf5(p, element_size_um=(3, 2, 1)), VOXELS, (3, 2, 1)),
    "HDF5 of no unit": ("a.hdf5", lambda p: hdf5(p, resolution=(3, 2, 1)), VOXELS, None),
    "MRC": ("a.mrc", lambda p: mrc(p, (10, 20, 30)), VOXELS.astype(np.int16), (0.003, 0.002, 0.001)),
    "MRC of no size": ("A.MRC", mrc, VOXELS.astype(np.int16), None),
    "NRRD": (
        "a.nrrd",
        lambda p: nrrd.write(str(p), VOXELS, {"spacings": [1, 2, 3], "units": ["um"] * 3}, index_order="C"),
        VOXELS,
        (3, 2, 1),
    ),
    "a zipped Zarr": ("a.zarr.zip", zipped, VOXELS, (3, 2, 1)),
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
    "an HDF5 file of two volumes": (
        "a.h5",
        lambda p: (hdf5(p), h5py.File(p, "a").create_dataset("labels", data=VOXELS).file.close()),
        "named as FILE.h5#NAME: labels .*, volumes/raw",
    ),
    "oblique axes": (
        "a.nii",
        lambda p: nibabel.save(
            nibabel.Nifti1Image(
                VOXELS.T, np.array([[0.8, -0.6, 0, 0], [0.6, 0.8, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
            ),
            p,
        ),
        "oblique affine; resample it",
    ),
    "two images in a TIFF": (
        "a.tif",
        lambda p: [tifffile.imwrite(p, plane, append=at > 0) for at, plane in enumerate(VOXELS[:2])],
        "one image or one stack, got 2",
    ),
    "two channels of ImageJ": (
        "a.tif",
        lambda p: tifffile.imwrite(p, VOXELS[:2], imagej=True, metadata={"axes": "CYX"}),
        "one grey channel",
    ),
    "several frames": (
        "a.gif",
        lambda p: Image.fromarray(VOXELS[0]).save(
            p, save_all=True, append_images=[Image.fromarray(VOXELS[1])]
        ),
        "one picture, got 2 frames",
    ),
    "white of 100": (
        "a.pgm",
        lambda p: p.write_bytes(b"P5 40 30 100\n" + bytes(1200)),
        "white must be 255 or 65535, got 100",
    ),
    "grey values with alpha": (
        "a.png",
        lambda p: Image.new("LA", (4, 4)).save(p),
        "one grey value a pixel, got the mode LA",
    ),
    "a format of a microscope": ("a.czi", lambda p: p.write_bytes(b"x"), "bioformats2raw"),
    "a pickle": ("a.pkl", lambda p: p.write_bytes(b"x"), "save the array with numpy.save"),
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
    assert found.dtype == voxels.dtype
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
