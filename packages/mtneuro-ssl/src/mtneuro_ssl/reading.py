"""Images and labels from files: what the command line takes for VOLUME."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Int64, UInt8


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
    """Return the images in an ``.npz`` export, an ``.npy`` file, a Zarr array or an OME-Zarr group.

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
    ids = np.array([f"volume/z{i}" for i in range(len(images))]) if ids is None else np.asarray(ids, str)
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


def _slice_id(name: str, offset: int) -> str:
    cube, _, first = name.rpartition("/z")
    return f"{cube}/z{int(first) + offset}" if first.isdecimal() and cube else f"{name}/z{offset}"


def _arrays(path: Path, key: str) -> dict[str, np.ndarray]:
    if not path.exists():
        raise FileNotFoundError(f"no file or folder at {path}")
    if path.is_dir():
        return {key: _zarr_array(path)}
    try:
        loaded: Any = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, BadZipFile) as error:
        raise ValueError(f"{path} must be .npz, .npy or Zarr, and hold no Python objects: {error}") from error
    if isinstance(loaded, np.ndarray):
        return {key: loaded}
    with loaded:
        if key not in loaded.files:
            raise ValueError(f"{path} must have the key {key!r}, got {', '.join(loaded.files) or 'no keys'}")
        return {
            name: loaded[name]
            for name in (key, "sample_id", "region", "region_names")
            if name in loaded.files
        }


def _zarr_array(path: Path) -> np.ndarray:
    import zarr
    from zarr.errors import NodeNotFoundError

    try:
        node = zarr.open(path, mode="r")
    except (FileNotFoundError, NodeNotFoundError) as error:
        raise ValueError(
            f"{path} must be a Zarr array or group, got a folder without its metadata"
        ) from error
    if isinstance(node, zarr.Group):
        level = ome_level(dict(node.attrs), path)
        node = node[level]
    if not isinstance(node, zarr.Array):
        raise ValueError(f"{path} must be a Zarr array or an OME-Zarr group, got a group of groups")
    return np.asarray(node[...])


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
