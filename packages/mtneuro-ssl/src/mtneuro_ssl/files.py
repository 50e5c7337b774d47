"""Read images and labels from files, and write embeddings."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64

from mtneuro_ssl._shared.bounds import check_memory
from mtneuro_ssl._shared.files import written_beside
from mtneuro_ssl._shared.intensity import Window, Windowed
from mtneuro_ssl._shared.ome import voxel_size
from mtneuro_ssl._shared.volume_file import (
    BoundedArray,
    Ranges,
    is_zarr,
    mapped,
    open_volume_file,
    opened_archive,
)
from mtneuro_ssl.subvolumes import Subvolumes, subvolume_rows
from mtneuro_ssl.types import Volume

log = logging.getLogger(__name__)

FORMAT_VERSION = 1
"""Version of the .npz files of embeddings."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageFile:
    """Images that are read when they are sliced, and what their file says about them."""

    images: Volume
    """``(n, y, x)``, or subvolumes ``(n, z, y, x)``."""

    sample_id: np.ndarray
    """Unicode, one per image: the ids in the file, or ``volume/z<z>``, as the slices of a plain volume follow
    one another along z; of subvolumes without ids, the slices are ``subvolume-<n>/z<z>``. The id of a
    subvolume is that of its first slice.
    """

    named: bool = True
    """Whether the file itself has ids."""

    labels: Int64[np.ndarray, " n"] | None = None
    """The class of each image."""

    class_names: tuple[str, ...] | None = None
    """Names of the classes."""

    voxel_size_um: tuple[float, float, float] | None = None
    """Edges of a voxel ``(z, y, x)`` in micrometres, where the file says."""

    intensity: Window | None = None
    """Intensities that became black and white, where the file says."""

    lower: tuple[int, int, int] = (0, 0, 0)
    """First voxel ``(z, y, x)`` of the part of the volume that was asked for."""


def open_images(
    uri: Path | str,
    *,
    ranges: Ranges | None = None,
    intensity: Window | None = None,
    depth: int | None = None,
) -> ImageFile:
    """Return the images at a path or a URI, or with a ``depth`` the subvolumes.

    Without it, subvolumes ``(n, z, y, x)`` are taken slice by slice; a slice's id counts on from its
    subvolume's.

    Parameters
    ----------
    uri
        An ``.npz`` export, an ``.npy`` array, a Zarr array, an OME-Zarr group, an ``.npz`` of clouds of
        points, whose images are vectors ``(n, points x 4)``, or whatever an installed package opens through
        the entry point ``mtneuro.volumes``, as `mtneuro-data` does.
    ranges
        The part of a volume to read.
    intensity
        Intensities that become black and white; the images are then uint8.
    depth
        Slices of a subvolume. A volume, or images, are cut into subvolumes of so many consecutive slices of
        one cube by their ids, which do not overlap; the label of most of its slices is a subvolume's.

    Raises
    ------
    FileNotFoundError
        If nothing is found there.
    ValueError
        If it is none of these, or has no subvolumes of that depth.
    """
    _check_no_embeddings(uri)
    if is_point_file(uri):
        return _open_points(uri, ranges=ranges, depth=depth)
    found = open_volume_file(uri, ranges=ranges)
    images: Any = found.array if intensity is None else Windowed(found.array, intensity)
    names = found.sample_id or _assumed_ids(images.shape, found.lower[0])
    labels = None if found.region is None else found.region.astype(np.int64)
    if len(images.shape) == 4:
        held = images.shape[1]
        if depth is None:
            names = [_slice_id(name, z) for name in names for z in range(held)]
            labels = None if labels is None else np.repeat(labels, held)
            images = np.asarray(images[...]).reshape(-1, *images.shape[2:])
        elif depth != held:
            raise ValueError(f"its subvolumes must have depth={depth} slices, got {held}: set depth={held}")
    elif depth is not None:
        if found.sample_id is None and labels is not None and np.ptp(labels):
            raise ValueError(
                "depth needs the ids of slices (sample_id, '<cube>/z<z>'), got several regions without any, "
                "whose images may not follow one another; set depth to none, or give subvolumes"
            )
        rows = subvolume_rows(names, depth=depth)
        if rows.size < len(names):
            log.warning(
                "%d of %d slices of %s are left over from subvolumes of %d",
                len(names) - rows.size, len(names), found.name, depth,
            )  # fmt: skip
        names = [names[row] for row in rows[:, 0]]
        labels = None if labels is None else np.array([np.bincount(part).argmax() for part in labels[rows]])
        images = Subvolumes(images, rows)
    return ImageFile(
        images=images,
        sample_id=np.array(names),
        named=found.sample_id is not None,
        labels=labels,
        class_names=found.region_names,
        voxel_size_um=found.voxel_size_um,
        intensity=found.intensity,
        lower=found.lower,
    )


def is_point_file(uri: Path | str) -> bool:
    """Return whether a file holds clouds of points, as `mtneuro-probe points` writes them."""
    path = Path(uri).expanduser()
    if path.suffix.lower() != ".npz" or not path.is_file():
        return False
    with opened_archive(path) as archive:
        return "points" in archive and "images" not in archive


def _open_points(uri: Path | str, *, ranges: Ranges | None, depth: int | None) -> ImageFile:
    """Return the clouds in a file as vectors ``(n, points x 4)``."""
    if ranges is not None or depth is not None:
        raise ValueError(
            f"{uri} holds clouds of points, which have no {'ranges' if depth is None else 'depth'}: leave "
            f"{'--z, --y and --x' if depth is None else 'depth'} out"
        )
    with opened_archive(Path(uri).expanduser(), what="a file of clouds of points") as archive:
        points, ids, region = archive["points"], archive["sample_id"], archive.get("region")
        regions, size = archive.get("region_names"), archive.get("voxel_size_um")
    if points.ndim != 3 or points.dtype.newbyteorder("=") != np.float32 or len(ids) != len(points):
        raise ValueError(
            f"points of {uri} must be float32 (n, points, 4) with a sample_id each, got {points.dtype} of "
            f"shape {points.shape} for {len(ids)} ids"
        )
    return ImageFile(
        images=points.astype(np.float32, copy=False).reshape(len(points), -1),
        sample_id=ids,
        labels=None if region is None else region.astype(np.int64),
        class_names=None if regions is None else tuple(map(str, regions)),
        voxel_size_um=voxel_size(size, name=str(uri)),
    )


def _check_no_embeddings(uri: Path | str) -> None:
    """Raise ``ValueError`` where a file of embeddings stands in the place of images."""
    path = Path(uri).expanduser()
    if path.suffix.lower() == ".npz" and path.is_file():
        with opened_archive(path, what="a file of images") as archive:
            if "embeddings" in archive and "images" not in archive:
                raise ValueError("it holds embeddings and no images; give the images that were embedded")


def _assumed_ids(shape: tuple[int, ...], first: int) -> list[str]:
    """Return ids of images that their file does not name; only slices of one volume follow one another."""
    if len(shape) == 4:
        return [f"subvolume-{n}/z0" for n in range(shape[0])]
    return [f"volume/z{first + z}" for z in range(shape[0])]


def _slice_id(name: str, offset: int) -> str:
    cube, _, first = name.rpartition("/z")
    return f"{cube}/z{int(first) + offset}" if first.isdecimal() and cube else f"{name}/z{offset}"


def absolute(uri: Path | str) -> str:
    """Return a URI as it is, or a path made absolute, so that a worker in another folder finds the same file.

    Examples
    --------
    >>> absolute("bossdb://lab/scan/em")
    'bossdb://lab/scan/em'
    """
    return str(uri) if "://" in str(uri) else str(Path(uri).resolve())


def read_labels(path: Path | str) -> Int64[np.ndarray, " n"]:
    """Return the labels in an ``.npz`` file (its ``region``), an ``.npy`` file or a Zarr array.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it does not hold one integer per image.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"no file or folder at {path}; check the path")
    labels = _labels_in(path)
    if labels.dtype.kind not in "iu" or labels.ndim != 1:
        raise ValueError(f"{path} must hold an integer per image, got {labels.dtype} of shape {labels.shape}")
    check_memory(f"the labels of {path}", labels.size * np.dtype(np.int64).itemsize)
    return labels.astype(np.int64)


def _labels_in(path: Path) -> np.ndarray:
    if is_zarr(path):
        import zarr

        return np.asarray(BoundedArray(zarr.open_array(path, mode="r"), name=str(path))[...])
    if path.suffix == ".npz":
        with opened_archive(path) as archive:
            if "region" not in archive:
                raise ValueError(f"it must hold the array 'region', got {', '.join(archive) or 'none'}")
            return archive["region"]
    try:
        return mapped(path)
    except ValueError as error:
        raise ValueError(f"labels must be .npz, .npy or Zarr, of plain numbers: {error}") from None


def save_embeddings(
    path: Path | str,
    embeddings: Float32[np.ndarray, "n features"],
    *,
    sample_id: np.ndarray,
    about: ImageFile | None = None,
) -> None:
    """Write embeddings, and the id of each row's sample, as an ``.npz`` file, whole or not at all.

    Its keys are ``format_version`` (1), ``embeddings`` and ``sample_id`` (fixed-width unicode), and
    ``voxel_size_um``, ``region`` and ``region_names`` where ``about``, the images that were embedded or whose
    corners were, has them.

    Raises
    ------
    ValueError
        If there is not one sample_id per row, or a value is not finite.
    """
    ids = np.asarray(sample_id)
    if ids.shape != (len(embeddings),) or ids.dtype.kind != "U":
        raise ValueError(
            f"sample_id must be text of shape ({len(embeddings)},), one per row, "
            f"got {ids.dtype} of shape {ids.shape}"
        )
    if not np.isfinite(embeddings).all():
        rows = np.flatnonzero(~np.isfinite(embeddings).all(axis=1))
        raise ValueError(
            f"embeddings must be finite, got nan or inf for {len(rows)} sample(s), the first {ids[rows[0]]}"
        )
    with written_beside(path) as beside, beside.open("wb") as file:
        np.savez(
            file,
            format_version=np.int64(FORMAT_VERSION),
            embeddings=embeddings.astype(np.float32, copy=False),
            sample_id=ids,
            **({} if about is None else _described(about, rows=len(ids))),
        )


def _described(about: ImageFile, *, rows: int) -> dict[str, Any]:
    """Return what a file of images says of them, with an entry for each row that was made of an image."""
    found: dict[str, Any] = {}
    if about.voxel_size_um is not None:
        found["voxel_size_um"] = np.array(about.voxel_size_um)
    if about.labels is not None:
        found["region"] = np.repeat(about.labels, rows // len(about.labels))
    if about.class_names is not None:
        found["region_names"] = np.array(about.class_names)
    return found
