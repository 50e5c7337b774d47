"""N5 arrays, and N5 groups of resolution levels, whose axes are x, y, z.

The format: https://github.com/saalfeldlab/n5. Voxel sizes are read where its users state them: ``resolution``
and ``units``, ``pixelResolution``, or a ``transform``, of the array or of its group.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from mtneuro_data._shared.ome import voxel_size
from mtneuro_data.sources.base import File
from mtneuro_data.sources.lengths import stated_size
from mtneuro_data.sources.stores import Store, StoredSource, axes_of


def open_folder(file: File, /) -> StoredSource:
    """Return the array in a folder that holds an ``attributes.json``; the key is the number of a level."""
    store = Store(str(file.path), str(file.path))
    (about,) = store.described("attributes.json")
    if about is None:
        raise FileNotFoundError(f"{store.uri}: there is no attributes.json; check the path")
    return opened(store, about, file.key)


def opened(store: Store, about: Mapping[str, Any], level: str | None, /) -> StoredSource:
    """Return an array, or a level of a group, the finest by default.

    Parameters
    ----------
    store
        Where it lies.
    about
        Its ``attributes.json``.
    level
        Number of the level, as text, of a group whose arrays are ``s0``, ``s1``, ...

    Raises
    ------
    ValueError
        If there is no such array, or it is no volume.
    """
    group: Mapping[str, Any] = {}
    path, at = "", 0
    if "dimensions" not in about:
        if level is not None and not re.fullmatch(r"\d{1,3}", level):
            raise ValueError(f"the level of {store.uri} must be a number, got #{level}")
        at = int(level or 0)
        path, group = f"s{at}", about
        (found,) = store.described(f"{path}/attributes.json")
        if found is None or "dimensions" not in found:
            first = "" if at == 0 else f", or has no level {at}"
            raise ValueError(
                f"{store.uri} must be an array or a group of levels s0, s1, ..., got neither{first}; "
                "name the array's own folder"
            )
        about = found
    elif level is not None:
        raise ValueError(f"{store.uri} is one array and has no levels, got #{level}")
    array = store.array({"driver": "n5"}, path=path)
    names = _axes(about) or _axes(group) or (["x", "y", "z"][: len(array.shape)])
    if len(array.shape) > 3 and len(names) != len(array.shape):
        raise ValueError(
            f"{store.uri}: a volume has the axes x, y, z, got the dimensions {list(array.shape)}"
        )
    return StoredSource(
        array, axes_of(names, array.shape, uri=store.uri), voxel_size_um=_size(about, group, at, store.uri)
    )


def _axes(about: Mapping[str, Any]) -> list[str] | None:
    axes = about.get("axes")
    if not isinstance(axes, list) or not axes or not all(isinstance(axis, str) for axis in axes):
        return None
    return [str(axis) for axis in axes]


def _size(
    about: Mapping[str, Any], group: Mapping[str, Any], at: int, uri: str
) -> tuple[float, float, float] | None:
    """Return the edges of a voxel ``(z, y, x)`` in micrometres, where a convention states them."""
    own = _edges(about)
    if own is None:
        own, whole = _edges(group), about.get("downsamplingFactors")
        if whole is None:
            factors = group.get("downsamplingFactors", group.get("scales"))
            whole = factors[at] if isinstance(factors, list) and at < len(factors) else None
        if whole is None and at:
            return None
        if own is not None and whole is not None:
            if not _numbers(whole):
                raise ValueError(f"{uri}: downsamplingFactors must be three numbers, got {whole}")
            own = [edge * factor for edge, factor in zip(own, whole, strict=False)]
    return None if own is None else voxel_size(own[::-1], name=uri)


def _edges(about: Mapping[str, Any]) -> list[float] | None:
    """Return the edges along x, y and z in micrometres."""
    transform, pixel = about.get("transform"), about.get("pixelResolution")
    if isinstance(transform, Mapping) and _numbers(transform.get("scale")):
        axes, units = transform.get("axes"), transform.get("units")
        if isinstance(axes, list) and isinstance(units, list) and sorted(map(str, axes)) == ["x", "y", "z"]:
            # This convention alone states its axes, in an order of its own.
            by_axis = dict(zip(map(str, axes), zip(transform["scale"], units, strict=False), strict=False))
            if len(by_axis) == len(axes) == len(units):
                return _scaled([by_axis[axis][0] for axis in "xyz"], [by_axis[axis][1] for axis in "xyz"])
    if isinstance(pixel, Mapping) and _numbers(pixel.get("dimensions")):
        return _scaled(pixel["dimensions"], [pixel.get("unit")] * 3)
    if _numbers(about.get("resolution")):
        units = about.get("units")
        return _scaled(about["resolution"], units if isinstance(units, list) else [units] * 3)
    return None


def _numbers(values: Any) -> bool:
    return (
        isinstance(values, list)
        and len(values) == 3
        and all(isinstance(value, int | float) and math.isfinite(value) and value > 0 for value in values)
    )


def _scaled(edges: Sequence[float], units: Sequence[Any]) -> list[float] | None:
    size = stated_size(edges, units)
    return None if size is None else list(size)
