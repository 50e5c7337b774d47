"""Image and label files that the command line reads and writes."""

import os
import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Integer, UInt8

from mtneuro_seg.disk import disk_named

FORMAT_VERSION = 1
_MICROMETRES = {"nanometer": 1e-3, "micrometer": 1.0, "millimeter": 1e3}
"""Units of OME-Zarr that a voxel is measured in, in micrometres."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Volume:
    """An array from a file, with what the file says about it."""

    array: Any
    """Images or labels: a NumPy array, or a Zarr array that is read as it is cut."""

    class_names: tuple[str, ...] | None = None
    """Names of the labels, where the file has them."""

    voxel_size_um: tuple[float, ...] | None = None
    """Voxel size ``(z, y, x)`` in micrometres, where the file has it."""

    sample_id: tuple[str, ...] | None = None
    """Ids of the images, where the file has them."""


def load_volume(path: str | os.PathLike[str], *, key: str = "images") -> Volume:
    """Return the array of a ``.npz``, a ``.npy``, a Zarr array or an OME-Zarr group (its level 0).

    Parameters
    ----------
    path
        File or folder.
    key
        The array's name in an ``.npz``: ``images``, ``masks`` or ``region``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not what its name says, or lacks the key.
    """
    opened = open_volume(path, key=key)
    return replace(opened, array=np.asarray(opened.array[...]))


def open_volume(path: str | os.PathLike[str], *, key: str = "images") -> Volume:
    """Return a file's array without reading it whole, where it is a Zarr or a ``.npy``.

    The parameters and errors are those of `load_volume`.
    """
    source = Path(path)
    if not source.exists():
        raise FileNotFoundError(f"the file must exist, got {str(source)!r}{_uri_hint(source)}")
    if source.suffix not in {".npz", ".npy"} and not source.is_dir():
        raise ValueError(f"a volume must be a .npz, a .npy or a Zarr folder, got {str(source)!r}")
    try:
        if source.suffix == ".npz":
            return _from_npz(source, key)
        if source.is_file():
            return Volume(array=np.load(source, mmap_mode="r", allow_pickle=False))
        return _from_zarr(source)
    except (EOFError, zipfile.BadZipFile, KeyError, OSError, ValueError) as error:
        raise ValueError(
            f"{str(source)!r} is not a file that can be read here (plain arrays, no Python objects): {error}"
        ) from error


def _uri_hint(source: Path) -> str:
    # A path holds one slash of a URI's two.
    if ":/" not in str(source):
        return ""
    return (
        "; .npz, .npy and Zarr are read here: `mtneuro-data cutout` writes a .npy or .zarr from a URI, "
        "`mtneuro-data export` the .npz of a task"
    )


def load_region(path: str | os.PathLike[str]) -> np.ndarray | None:
    """Return which region each image of an ``.npz`` is from; None where it does not say.

    Raises
    ------
    ValueError
        If the region is no plain array.
    """
    with np.load(path, allow_pickle=False) as held:
        try:
            return held.get("region")
        except ValueError as error:
            raise ValueError(f"'region' in {str(path)!r} must be a plain array: {error}") from error


def _from_npz(source: Path, key: str) -> Volume:
    with np.load(source, allow_pickle=False) as held:
        if "format_version" in held and int(held["format_version"]) != FORMAT_VERSION:
            raise ValueError(f"format_version must be {FORMAT_VERSION}, got {held['format_version']}")
        if key not in held:
            raise ValueError(f"it must hold the array {key!r}, got {', '.join(held.files)}")
        names = tuple(str(name) for name in held["class_names"]) if "class_names" in held else None
        size = tuple(float(um) for um in held["voxel_size_um"]) if "voxel_size_um" in held else None
        ids = tuple(str(name) for name in held["sample_id"]) if "sample_id" in held else None
        return Volume(array=held[key], class_names=names, voxel_size_um=size, sample_id=ids)


def _from_zarr(source: Path) -> Volume:
    import zarr

    node = zarr.open(source, mode="r")
    scaled: tuple[float, ...] | None = None
    axes: Any = None
    if isinstance(node, zarr.Group):
        found = dict(node.attrs)
        ome: Any = found.get("ome", found)
        if "multiscales" not in ome:
            raise ValueError("it must be a Zarr array or an OME-Zarr group, got another group")
        multiscale = ome["multiscales"][0]
        axes = [axis["name"] for axis in multiscale.get("axes", [])]
        scaled = _ome_voxel_size_um(multiscale)
        node = node[multiscale["datasets"][0]["path"]]
    if not isinstance(node, zarr.Array):
        raise ValueError("level 0 must be an array, got a group")
    _check_axes(axes or getattr(node.metadata, "dimension_names", None))
    size: Any = node.attrs.get("voxel_size_um") or scaled
    names: Any = node.attrs.get("class_names")
    ids: Any = node.attrs.get("sample_id")
    return Volume(
        array=node,
        class_names=tuple(names) if names else None,
        voxel_size_um=tuple(size) if size else None,
        sample_id=tuple(ids) if ids else None,
    )


def _check_axes(names: Sequence[str | None] | None) -> None:
    """Raise if a file says that its axes are those of a volume in another order."""
    space = [name for name in names or () if name in {"z", "y", "x"}]
    if space != sorted(space, reverse=True):
        raise ValueError(f"its axes must be in the order z, y, x, got {', '.join(map(str, names or ()))}")


def _ome_voxel_size_um(multiscale: Any) -> tuple[float, ...] | None:
    """Return the voxel size of level 0 along its axes of space, where the metadata give it with its unit."""
    factors = next(
        (
            change["scale"]
            for change in multiscale["datasets"][0].get("coordinateTransformations", [])
            if change.get("type") == "scale"
        ),
        [],
    )
    pairs = zip(multiscale.get("axes", []), factors, strict=False)
    space = [(axis.get("unit"), factor) for axis, factor in pairs if axis.get("type") == "space"]
    if len(space) != 3 or any(unit not in _MICROMETRES for unit, _ in space):
        return None
    return tuple(_MICROMETRES[unit] * factor for unit, factor in space)


def save_labels(
    path: str | os.PathLike[str],
    labels: UInt8[np.ndarray, "..."],
    *,
    class_names: tuple[str, ...],
    voxel_size_um: tuple[float, ...] | None = None,
    sample_id: Sequence[str] | None = None,
) -> None:
    """Write labels as ``.npy``, ``.npz`` (key ``masks``) or ``.zarr``, in one step.

    A ``.npz`` and a ``.zarr`` keep the names, voxel size and ids too.

    Raises
    ------
    ValueError
        If the name ends otherwise.
    """
    target = check_output(path)
    with (
        disk_named(target, then="begins anew"),
        tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder,
    ):
        beside = Path(folder) / target.name
        if target.suffix == ".npy":
            np.save(beside, labels, allow_pickle=False)
        elif target.suffix == ".npz":
            extra: dict[str, Any] = {}
            if voxel_size_um is not None:
                extra["voxel_size_um"] = np.array(voxel_size_um)
            if sample_id is not None:
                extra["sample_id"] = np.array(sample_id)
            np.savez_compressed(
                beside,
                format_version=FORMAT_VERSION,
                masks=labels,
                class_names=np.array(class_names),
                **extra,
            )
        else:
            _write_zarr(beside, labels, class_names, voxel_size_um, sample_id)
            if target.exists():
                shutil.rmtree(target)
        beside.replace(target)


def check_output(path: str | os.PathLike[str]) -> Path:
    """Return the path that labels are to be written to, its folder made.

    Raises
    ------
    ValueError
        If labels cannot be written under such a name.
    FileExistsError
        If a ``.zarr`` folder would replace something else than a Zarr array.
    """
    target = Path(path)
    if target.suffix not in {".npy", ".npz", ".zarr"}:
        raise ValueError(f"labels must be written to a .npy, .npz or .zarr, got {str(target)!r}")
    if target.suffix == ".zarr" and target.exists() and not (target / "zarr.json").is_file():
        raise FileExistsError(f"{str(target)!r} must be new or a Zarr array, got something else in its place")
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _write_zarr(
    path: Path,
    labels: Integer[np.ndarray, "..."],
    class_names: tuple[str, ...],
    voxel_size_um: tuple[float, ...] | None,
    sample_id: Sequence[str] | None,
) -> None:
    import zarr

    attributes: dict[str, Any] = {"class_names": list(class_names)}
    if voxel_size_um is not None:
        attributes["voxel_size_um"] = list(voxel_size_um)
    if sample_id is not None:
        attributes["sample_id"] = list(sample_id)
    array = zarr.create_array(
        path,
        shape=labels.shape,
        dtype=labels.dtype,
        chunks=(*(1,) * (labels.ndim - 3), *(min(64, n) for n in labels.shape[-3:])),
        dimension_names=("n", "z", "y", "x")[-labels.ndim :],
        attributes=attributes,
    )
    array[...] = labels
