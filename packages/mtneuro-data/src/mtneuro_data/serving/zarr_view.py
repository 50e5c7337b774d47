"""The files of an OME-Zarr view of each served channel, which viewers in a browser open."""

import json
import re
from typing import Any
from urllib.parse import quote

import numpy as np

from mtneuro_data._shared.ome import BACKGROUND, multiscales
from mtneuro_data.box import Box, Corner
from mtneuro_data.serving.catalogue import Catalogue

CHUNK = (16, 128, 128)

NEUROGLANCER = "https://neuroglancer-demo.appspot.com"
"""The origin of the viewer that `neuroglancer_link` opens."""


def zarr_file(catalogue: Catalogue, parts: tuple[str, ...], /) -> bytes | None:
    """Return the content of one file of the OME-Zarr 0.5 view, or ``None`` if there is no such file.

    Parameters
    ----------
    catalogue
        What is served.
    parts
        ``C, E, CH`` and then ``zarr.json``, ``<level>/zarr.json`` or ``<level>/c/<z>/<y>/<x>``.
    """
    path = "/".join(parts[:3])
    rest = parts[3:]
    if path not in catalogue.volumes or not rest:
        return None
    if rest == ("zarr.json",):
        return json.dumps(_group(catalogue, path)).encode()
    if not re.fullmatch(r"\d{1,2}", rest[0]) or int(rest[0]) >= catalogue.levels:
        return None
    level = int(rest[0])
    shape = catalogue.shape(path, level)
    if rest[1:] == ("zarr.json",):
        return json.dumps(_array(shape, catalogue.datatype(path))).encode()
    if len(rest) != 5 or rest[1] != "c" or not all(re.fullmatch(r"\d{1,9}", part) for part in rest[2:]):
        return None
    z, y, x = (int(part) * size for part, size in zip(rest[2:], CHUNK, strict=True))
    chunk = Box((z, y, x), (z + CHUNK[0], y + CHUNK[1], x + CHUNK[2])).intersection(Box((0, 0, 0), shape))
    if chunk is None:
        return None
    voxels = catalogue.cutout(path, level, chunk)
    full = np.zeros(CHUNK, voxels.dtype)
    full[tuple(slice(size) for size in voxels.shape)] = voxels
    return full.tobytes()


def neuroglancer_link(catalogue: Catalogue, address: str, /) -> str:
    """Return a link that opens all channels of a served catalogue in Neuroglancer.

    Parameters
    ----------
    catalogue
        What is served.
    address
        Its address, such as ``http://127.0.0.1:8000``.
    """
    layers = [
        {
            "name": path.rpartition("/")[2],
            "type": "segmentation" if catalogue.kind(path) == "annotation" else "image",
            "source": f"zarr://{address}/zarr/{path}",
        }
        for path in catalogue.volumes
    ]
    state = json.dumps({"layers": layers}, separators=(",", ":"))
    return f"{NEUROGLANCER}/#!{quote(state, safe='')}"


def _group(catalogue: Catalogue, path: str) -> dict[str, Any]:
    size = catalogue.voxel_size_um(path)
    z, y, x = size or (1.0, 1.0, 1.0)
    scales = [(z, y * 2**level, x * 2**level) for level in range(catalogue.levels)]
    labels = None if catalogue.kind(path) == "image" else [BACKGROUND]
    about = multiscales(path.rpartition("/")[2], scales, unit=size is not None, labels=labels)
    return {"zarr_format": 3, "node_type": "group", "attributes": {"ome": about}}


def _array(shape: Corner, datatype: str) -> dict[str, Any]:
    endian: dict[str, Any] = {} if datatype == "uint8" else {"configuration": {"endian": "little"}}
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(shape),
        "data_type": datatype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(CHUNK)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": [{"name": "bytes", **endian}],
        "dimension_names": ["z", "y", "x"],
        "attributes": {},
    }
