"""Volumes in the precomputed format of Neuroglancer, in which most public connectomics data stand.

The format: https://github.com/google/neuroglancer/tree/master/src/datasource/precomputed
"""

import math
import re
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError

from mtneuro_data._shared.words import one_line
from mtneuro_data.sources.base import File, Location
from mtneuro_data.sources.stores import Store, StoredSource

LOSSY = ("jpeg", "webp")
"""Encodings whose voxels are near those that were written, not the same."""

_UM_PER_NM = 1000

_Size = Annotated[int, Field(gt=0, lt=1 << 48)]
_Edge = Annotated[float, Field(gt=0, lt=math.inf)]


class _Scale(BaseModel):
    key: str
    size: tuple[_Size, _Size, _Size]
    resolution: tuple[_Edge, _Edge, _Edge]
    voxel_offset: tuple[int, int, int] = (0, 0, 0)
    encoding: str


class _Info(BaseModel):
    type: Literal["image", "segmentation"]
    num_channels: int
    scales: Annotated[list[_Scale], Field(min_length=1)]


def located(uri: str, _server: object, /) -> Location:
    """Return the location of a volume by ``precomputed://ADDRESS``; the number of a scale follows a ``#``.

    Raises
    ------
    ValueError
        If the address is none that is read.
    """
    address, _, level = uri.removeprefix("precomputed://").partition("#")
    store = Store(uri, address)
    key = store.cache_key
    return Location(
        uri,
        partial(opened, store, level or None),
        key and ("precomputed", "-".join(map(str, key[:2])), key[2], "scale", _number(uri, level)),
        remote=key is not None,
    )


def open_folder(file: File, /) -> StoredSource:
    """Return the volume in a folder that holds an ``info``; the key is the number of a scale."""
    return opened(Store(str(file.path), str(file.path)), file.key)


def opened(store: Store, level: str | None, /) -> StoredSource:
    """Return one scale of a volume, the finest by default.

    Raises
    ------
    FileNotFoundError
        If there is no ``info``.
    ValueError
        If it describes something else, several channels, or no such scale.
    """
    (about,) = store.described("info")
    if about is None:
        raise FileNotFoundError(f"{store.uri}: there is no info at {store.address}; check the address")
    info = _checked(store, about)
    at = _number(store.uri, level or "")
    if at >= len(info.scales):
        raise ValueError(f"the level of {store.uri} must lie within [0, {len(info.scales)}), got #{at}")
    scale = info.scales[at]
    array = store.array({"driver": "neuroglancer_precomputed", "scale_index": at})
    x, y, z = scale.resolution
    start_x, start_y, start_z = scale.voxel_offset
    return StoredSource(
        array,
        (2, 1, 0),
        voxel_size_um=(z / _UM_PER_NM, y / _UM_PER_NM, x / _UM_PER_NM),
        kind="image" if info.type == "image" else "annotation",
        offset=(start_z, start_y, start_x),
        encoding=f"{scale.encoding} (lossy)" if scale.encoding in LOSSY else scale.encoding,
    )


def _checked(store: Store, about: dict[str, Any]) -> _Info:
    kind = about.get("@type", "neuroglancer_multiscale_volume")
    if kind != "neuroglancer_multiscale_volume":
        raise ValueError(
            f"{store.uri} must be a volume, got {str(kind)[:80]!r}; name the volume's own address"
        )
    try:
        info = _Info.model_validate(about)
    except ValidationError as error:
        raise ValueError(f"{store.uri}: its info does not describe a volume: {one_line(error)}") from None
    if info.num_channels != 1:
        raise ValueError(
            f"{store.uri}: a volume has one channel, got {info.num_channels}; copy one of them apart"
        )
    return info


def _number(uri: str, level: str) -> int:
    if not re.fullmatch(r"\d{0,3}", level):
        raise ValueError(f"the level of {uri} must be the number of a scale, got #{level}")
    return int(level or 0)
