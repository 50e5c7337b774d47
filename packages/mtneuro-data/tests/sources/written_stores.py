"""Write stores with tensorstore, and what it reads of them; run in a process of its own.

In the tests' own process tensorstore would end every process that other tests fork.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore as ts

SHAPE = (40, 70, 90)
"""Voxels ``(z, y, x)`` of most of them."""

SHARDED = {
    "@type": "neuroglancer_uint64_sharded_v1",
    "preshift_bits": 1,
    "minishard_bits": 2,
    "shard_bits": 1,
    "hash": "murmurhash3_x86_128",
    "minishard_index_encoding": "gzip",
    "data_encoding": "gzip",
}


def precomputed(
    folder: Path, dtype: str, kind: str, *, channels: int = 1, scale: int = 0, **about: Any
) -> np.ndarray:
    """Write one scale, and return what is in it ``(z, y, x)``."""
    z, y, x = SHAPE
    factor = 2**scale
    rng = np.random.default_rng(scale)
    size = (x // factor, y // factor, z)
    if about.get("encoding") == "jpeg":
        planes = np.add.outer(np.add.outer(np.arange(size[0]), np.arange(size[1])), np.arange(size[2])) + 20
        voxels = planes[..., None].astype(np.uint8)
    elif dtype == "float32":
        voxels = rng.normal(size=(*size, channels)).astype(dtype)
    else:
        voxels = rng.integers(0, min(np.iinfo(dtype).max, 2**62), (*size, channels)).astype(dtype)
    if kind == "segmentation":
        voxels //= np.array(np.iinfo(dtype).max // 5, dtype)
        voxels *= np.array(np.iinfo(dtype).max // 7, dtype)
    spec = {
        "driver": "neuroglancer_precomputed",
        "kvstore": {"driver": "file", "path": f"{folder}/"},
        "multiscale_metadata": {"type": kind, "data_type": dtype, "num_channels": channels},
        "scale_metadata": {
            "size": size,
            "resolution": [4 * factor, 4 * factor, 40],
            "voxel_offset": [100 // factor, 200 // factor, 30],
            "chunk_size": [32, 32, 16],
            "encoding": "raw",
            **about,
        },
    }
    store = ts.open(spec, create=True).result()
    with ts.Transaction() as transaction:
        store.with_transaction(transaction)[...] = voxels
    return np.asarray(store.read().result())[..., 0].transpose(2, 1, 0)


def array(folder: Path, driver: str, voxels: np.ndarray, **about: Any) -> None:
    """Write an array of one level, chunked by 16."""
    chunk = [16] * voxels.ndim
    if driver == "zarr3":
        grid = {"name": "regular", "configuration": {"chunk_shape": chunk}}
        metadata: dict[str, Any] = {"chunk_grid": grid, "data_type": str(voxels.dtype), **about}
    elif driver == "zarr":
        metadata = {"chunks": chunk, "dtype": voxels.dtype.str, **about}
    else:
        metadata = {
            "blockSize": chunk,
            "dataType": str(voxels.dtype),
            "compression": {"type": "gzip"},
            "dimensions": voxels.shape,
            **about,
        }
    spec = {"driver": driver, "kvstore": {"driver": "file", "path": f"{folder}/"}, "metadata": metadata}
    if driver != "n5":
        metadata["shape"] = voxels.shape
    store = ts.open(spec, create=True).result()
    store[...] = voxels


def main(root: Path) -> None:
    """Write all of them below a folder, and ``truth.npz``."""
    block: dict[str, Any] = {
        "compressed_segmentation_block_size": [8, 8, 8],
        "encoding": "compressed_segmentation",
    }
    truth = {
        "raw8": precomputed(root / "raw8", "uint8", "image"),
        "raw16": precomputed(root / "raw16", "uint16", "image"),
        "float": precomputed(root / "float", "float32", "image"),
        "ids64": precomputed(root / "ids64", "uint64", "segmentation", **block),
        "ids32": precomputed(root / "ids32", "uint32", "segmentation", **block, sharding=SHARDED),
        "shards": precomputed(root / "shards", "uint8", "image", sharding=SHARDED),
        "jpeg": precomputed(root / "jpeg", "uint8", "image", encoding="jpeg"),
        "scales#0": precomputed(root / "scales", "uint8", "image"),
        "scales#1": precomputed(root / "scales", "uint8", "image", scale=1),
    }
    precomputed(root / "colours", "uint8", "image", channels=3)
    voxels = np.random.default_rng(5).integers(0, 1 << 16, SHAPE).astype(np.uint16)
    for name, driver, stored, about in (
        ("v2.zarr", "zarr", voxels, {}),
        ("v3.zarr", "zarr3", voxels, {"attributes": {"voxel_size_um": [3, 2, 1]}}),
        ("named.zarr", "zarr3", voxels.T[None], {"dimension_names": ["c", "x", "y", "z"]}),
        ("colours.zarr", "zarr3", np.stack([voxels] * 2), {"dimension_names": ["c", "z", "y", "x"]}),
        ("flat.zarr", "zarr", voxels[0], {}),
        ("a.n5", "n5", voxels.T, {"units": ["nm", "nm", "nm"], "resolution": [4.0, 4.0, 40.0]}),
        ("bare.n5", "n5", voxels.T, {}),
        ("many.n5/s0", "n5", voxels.T, {}),
        ("many.n5/s1", "n5", voxels.T[::2, ::2], {"downsamplingFactors": [2, 2, 1]}),
        ("ome.zarr/fine", "zarr", voxels, {"dimension_separator": "/"}),
        ("ome.zarr/coarse", "zarr", voxels[:, ::2, ::2], {"dimension_separator": "/"}),
        ("labels.zarr/0", "zarr3", voxels, {}),
    ):
        array(root / name, driver, stored, **about)
    (root / "many.n5/attributes.json").write_text(
        json.dumps({"pixelResolution": {"dimensions": [4.0, 4.0, 40.0], "unit": "nm"}})
    )
    axes = [{"name": axis, "type": "space", "unit": "nanometer"} for axis in "zyx"]
    scales = ([40, 4, 4], [40, 8, 8])
    levels = [
        {"path": path, "coordinateTransformations": [{"type": "scale", "scale": scale}]}
        for path, scale in zip(("fine", "coarse"), scales, strict=True)
    ]
    about = {"multiscales": [{"version": "0.4", "axes": axes, "datasets": levels}]}
    (root / "ome.zarr/.zgroup").write_text(json.dumps({"zarr_format": 2}))
    (root / "ome.zarr/.zattrs").write_text(json.dumps(about))
    image = {"version": "0.5", "image-label": {}, "multiscales": [{"axes": axes, "datasets": levels[:1]}]}
    levels[0]["path"] = "0"
    group = {"zarr_format": 3, "node_type": "group", "attributes": {"ome": image}}
    (root / "labels.zarr/zarr.json").write_text(json.dumps(group))
    truth["array"] = voxels
    np.savez(root / "truth.npz", allow_pickle=False, **truth)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
