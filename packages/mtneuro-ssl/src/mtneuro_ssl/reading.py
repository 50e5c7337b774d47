"""Images and labels from files: what the command line takes for VOLUME."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Int64, UInt8

PICTURES = (".png", ".tif", ".tiff")
"""Endings of picture files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFile:
    """Images, and whatever the file says of them."""

    images: UInt8[np.ndarray, "n y x"]
    sample_id: np.ndarray
    """Unicode, one an image: the file's own, or ``volume/z<i>``."""

    labels: Int64[np.ndarray, " n"] | None = None
    """The class of each image."""

    class_names: tuple[str, ...] | None = None


def read_images(path: Path | str) -> ImageFile:
    """Return the images in an ``.npz`` export, an ``.npy`` file, a Zarr array, an OME-Zarr group or pictures.

    Pictures are a PNG or TIFF file, of which each page is an image, or a folder of them.

    Subvolumes ``(n, z, y, x)`` are taken slice by slice; a slice's id counts on from its subvolume's.

    Raises
    ------
    FileNotFoundError
        If there is nothing at the path.
    ValueError
        If it is none of these, or its images are not uint8 of three or four axes.
    """
    path = Path(path)
    found = _arrays(path, "images")
    images = found["images"]
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise ValueError(
            f"{path} must hold uint8 images of axes (n, y, x) or (n, z, y, x), "
            f"got {images.dtype} of shape {images.shape}"
        )
    ids = found.get("sample_id")
    ids = _slice_ids(len(images)) if ids is None else np.asarray(ids, str)
    labels = found.get("region")
    names = found.get("region_names")
    if images.ndim == 4:
        depth = images.shape[1]
        ids = np.array([_slice_id(str(name), z) for name in ids for z in range(depth)])
        labels = None if labels is None else np.repeat(labels, depth)
        images = images.reshape(-1, *images.shape[2:])
    return ImageFile(
        images=images,
        sample_id=ids,
        labels=None if labels is None else labels.astype(np.int64),
        class_names=None if names is None else tuple(map(str, names)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedImages:
    """Images that are read when they are asked for, and what the file says of them."""

    images: "Volume"
    sample_id: np.ndarray
    labels: Int64[np.ndarray, " n"] | None = None
    class_names: tuple[str, ...] | None = None


def open_images(path: Path | str) -> OpenedImages:
    """Return images as `read_images` does, without reading a Zarr or an ``.npy`` file of three axes yet.

    Raises
    ------
    FileNotFoundError, ValueError
        As `read_images`.
    """
    path = Path(path)
    opened: Any = _opened(path)
    if opened is not None and opened.dtype == np.uint8 and len(opened.shape) == 3:
        return OpenedImages(images=opened, sample_id=_slice_ids(opened.shape[0]))
    read = read_images(path)
    return OpenedImages(
        images=read.images, sample_id=read.sample_id, labels=read.labels, class_names=read.class_names
    )


def read_labels(path: Path | str) -> Int64[np.ndarray, " n"]:
    """Return the labels in an ``.npz`` file (its ``region``), an ``.npy`` file or a Zarr array.

    Raises
    ------
    FileNotFoundError
        If there is nothing at the path.
    ValueError
        If it does not hold one integer an image.
    """
    labels = _arrays(Path(path), "region")["region"]
    if labels.dtype.kind not in "iu" or labels.ndim != 1:
        raise ValueError(f"{path} must hold one integer an image, got {labels.dtype} of shape {labels.shape}")
    return labels.astype(np.int64)


def _slice_ids(count: int) -> np.ndarray:
    return np.array([f"volume/z{z}" for z in range(count)])


def _slice_id(name: str, offset: int) -> str:
    cube, _, first = name.rpartition("/z")
    return f"{cube}/z{int(first) + offset}" if first.isdecimal() and cube else f"{name}/z{offset}"


@runtime_checkable
class Volume(Protocol):
    """Slices that are read when they are asked for: an array, or what slices like one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Slices, height and width."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a voxel."""
        ...

    def __getitem__(self, key: Any, /) -> Any:
        """Return some of the voxels."""
        ...


def open_volume(path: Path | str) -> Volume:
    """Return a volume to read from piece by piece: a Zarr, or a mapped ``.npy``; other files are read whole.

    Raises
    ------
    FileNotFoundError
        If there is nothing at the path.
    ValueError
        If it is not uint8 with axes (z, y, x).
    """
    path = Path(path)
    volume: Any = _opened(path)
    if volume is None:
        volume = _arrays(path, "images")["images"]
    if volume.dtype != np.uint8 or len(volume.shape) != 3:
        raise ValueError(
            f"{path} must be a volume of uint8 with axes (z, y, x), "
            f"got {volume.dtype} of shape {volume.shape}"
        )
    return volume


def _opened(path: Path) -> Any:
    """Return a Zarr or a mapped ``.npy``, or None for any other file."""
    if _is_zarr(path):
        return _zarr_node(path)
    return _loaded(path, mmap_mode="r") if path.suffix == ".npy" and path.is_file() else None


def _arrays(path: Path, key: str) -> dict[str, np.ndarray]:
    if not path.exists():
        raise FileNotFoundError(f"no file or folder at {path}{_uri_hint(path)}")
    if _is_zarr(path):
        return {key: np.asarray(_zarr_node(path)[...])}
    if path.is_dir() or path.suffix.lower() in PICTURES:
        return {key: _pictures(path)}
    loaded = _loaded(path)
    if isinstance(loaded, np.ndarray):
        return {key: loaded}
    with loaded:
        if key not in loaded.files:
            raise ValueError(f"{path} must have the key {key!r}, got {', '.join(loaded.files) or 'no keys'}")
        wanted = [name for name in (key, "sample_id", "region", "region_names") if name in loaded.files]
        try:
            return {name: loaded[name] for name in wanted}
        except (ValueError, EOFError, BadZipFile) as error:
            raise _unreadable(path, error) from error


def _uri_hint(path: Path) -> str:
    # A path holds one slash of a URI's two.
    if ":/" not in str(path):
        return ""
    return (
        "; .npz, .npy and Zarr are read here: `mtneuro-data cutout` writes a .npy or .zarr from a URI, "
        "`mtneuro-data export` the .npz of a task"
    )


def _loaded(path: Path, *, mmap_mode: Literal["r"] | None = None) -> Any:
    try:
        return np.load(path, mmap_mode=mmap_mode, allow_pickle=False)
    except (ValueError, EOFError, BadZipFile) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> ValueError:
    return ValueError(f"{path} must be .npz, .npy or Zarr, of plain arrays without Python objects: {error}")


def _is_zarr(path: Path) -> bool:
    return any((path / name).is_file() for name in ("zarr.json", ".zarray", ".zgroup"))


def _pictures(path: Path) -> np.ndarray:
    """Return the pages of a picture, or the pictures of a folder by the order of their names."""
    from PIL import Image, ImageSequence

    inside = sorted(path.iterdir()) if path.is_dir() else [path]
    files = [file for file in inside if file.suffix.lower() in PICTURES]
    if not files:
        raise ValueError(f"{path} must be a Zarr or hold pictures ({', '.join(PICTURES)}), got neither")
    pages: list[np.ndarray] = []
    try:
        for file in files:
            with Image.open(file) as picture:
                pages += [np.asarray(page) for page in ImageSequence.Iterator(picture)]
    except (OSError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} must hold pictures that can be read: {error}") from error
    shapes = {(page.shape, str(page.dtype)) for page in pages}
    if len(shapes) > 1 or pages[0].ndim != 2:
        raise ValueError(f"{path} must hold grey pictures of one size, got {sorted(shapes)}")
    return np.stack(pages)


def _zarr_node(path: Path) -> Any:
    import zarr

    node: Any = zarr.open(path, mode="r")
    if isinstance(node, zarr.Group):
        level = ome_level(dict(node.attrs), path)
        node = node[level]
    if not isinstance(node, zarr.Array):
        raise ValueError(f"{path} must be a Zarr array or an OME-Zarr group, got a group of groups")
    return node


def ome_level(attributes: dict[str, Any], path: Path) -> str:
    """Return the path of an OME-Zarr group's finest level.

    Raises
    ------
    ValueError
        If the attributes are no OME-Zarr image's.

    Examples
    --------
    >>> ome_level({"ome": {"multiscales": [{"datasets": [{"path": "s0"}]}]}}, Path("brain.zarr"))
    's0'
    """
    described = attributes.get("ome", attributes)
    try:
        return str(described["multiscales"][0]["datasets"][0]["path"])
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError(
            f"{path} must be a Zarr array or an OME-Zarr group, got a group without scales"
        ) from error
