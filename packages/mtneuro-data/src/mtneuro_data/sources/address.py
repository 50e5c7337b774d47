"""Arrays at an address: Zarr of version 2 and 3, OME-Zarr and N5, on S3, Google's storage or the web."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from mtneuro_data._shared.ome import is_of_labels, level_number, levels_of, voxel_size
from mtneuro_data.sources import n5
from mtneuro_data.sources.base import Location
from mtneuro_data.sources.stores import Store, StoredArray, StoredSource, axes_of

_FILES = ("zarr.json", ".zarray", ".zgroup", ".zattrs", "attributes.json", "info")


def located(uri: str, _server: object, /) -> Location:
    """Return the location of a Zarr or an N5 at an address; the number of a level follows a ``#``.

    Raises
    ------
    ValueError
        If the address is malformed.
    """
    address, mark, level = uri.partition("#")
    store = Store(uri, address)
    key = store.cache_key
    return Location(
        uri,
        partial(opened, store, level if mark else None),
        key and ("address", "-".join(map(str, key[:2])), key[2], "level", level or 0),
        remote=True,
    )


def opened(store: Store, level: str | None, /) -> StoredSource:
    """Return the array that lies at an address, or a level of a group of arrays.

    Raises
    ------
    FileNotFoundError
        If there is none.
    ValueError
        If it is no volume, or has no such level.
    """
    v3, array, group, attributes, n5_about, info = store.described(*_FILES)
    if v3 is not None and v3.get("node_type") == "array":
        return _zarr(store, v3, _dictionary(v3.get("attributes")), level)
    if v3 is not None:
        return _ome(store, _dictionary(v3.get("attributes")), level)
    if array is not None:
        return _zarr(store, array, attributes or {}, level)
    if group is not None or (attributes is not None and "multiscales" in attributes):
        return _ome(store, attributes or {}, level)
    if n5_about is not None:
        return n5.opened(store, n5_about, level)
    if info is not None:
        raise ValueError(
            f"{store.uri} must be a Zarr or an N5, got a precomputed volume; write precomputed://{store.uri}"
        )
    raise FileNotFoundError(
        f"{store.uri}: there is no Zarr and no N5 at this address; check the address, and for what "
        "Neuroglancer calls precomputed write precomputed:// before it"
    )


def _zarr(
    store: Store, about: Mapping[str, Any], attributes: Mapping[str, Any], level: str | None
) -> StoredSource:
    if level is not None:
        raise ValueError(f"{store.uri} is one array and has no levels, got #{level}")
    array = store.array({"driver": _driver(about)})
    names = attributes.get("_ARRAY_DIMENSIONS") or about.get("dimension_names")
    return _source(store, array, names, attributes)


def _ome(store: Store, attributes: Mapping[str, Any], level: str | None) -> StoredSource:
    levels = levels_of(attributes, name=store.uri)
    at = level_number(levels, level, name=store.uri)
    chosen = levels[at]
    names = [f"{chosen.path}/{name}" for name in ("zarr.json", ".zarray", ".zattrs")]
    v3, v2, own = store.described(*names)
    about = v3 if v3 is not None else v2
    if about is None:
        raise ValueError(f"{store.uri}: the array {chosen.path!r} of its level {at} is not there")
    array = store.array({"driver": _driver(about)}, path=chosen.path)
    more = _dictionary(about.get("attributes")) | (own or {})
    return _source(
        store, array, chosen.axes, more, size=chosen.voxel_size_um, labels=is_of_labels(attributes)
    )


def _source(
    store: Store,
    array: StoredArray,
    names: Any,
    attributes: Mapping[str, Any],
    *,
    size: tuple[float, float, float] | None = None,
    labels: bool = False,
) -> StoredSource:
    axes: Sequence[str | None] | None = (
        names if isinstance(names, Sequence) and not isinstance(names, str) else None
    )
    return StoredSource(
        array,
        axes_of(axes, array.shape, uri=store.uri),
        voxel_size_um=size or voxel_size(attributes.get("voxel_size_um"), name=store.uri),
        kind="annotation" if labels or "class_names" in attributes else None,
    )


def _driver(about: Mapping[str, Any]) -> str:
    return "zarr3" if about.get("zarr_format") == 3 else "zarr"


def _dictionary(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}
