import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from mtneuro_data import downsampled_images, open_volume, save_volume
from mtneuro_data._shared.ome import multiscales
from PIL import Image


def stored(folder: Path, kind: str, voxels: np.ndarray) -> str:
    """Write voxels as one kind of file, and return its URI."""
    path = folder / f"volume.{kind}"
    if kind == "npy":
        np.save(path, voxels)
    elif kind == "npz":
        np.savez(path, image=voxels, label=voxels + 1)
    elif kind == "tif":
        tifffile.imwrite(path, voxels)
    elif kind == "tiff":
        tifffile.imwrite(path, voxels, compression="zlib")
    elif kind in ("v2.zarr", "v3.zarr"):
        zarr.create_array(
            str(path), data=voxels, chunks=(8, 32, 32), zarr_format=2 if kind == "v2.zarr" else 3
        )
    elif kind == "ome.zarr":
        group = zarr.open_group(str(path), mode="w")
        group.create_array("s0", data=voxels)
        axes = [{"name": axis, "type": "space", "unit": "nanometer"} for axis in "zyx"]
        scale = [{"type": "scale", "scale": [3000.0, 2000.0, 1000.0]}]
        levels = [{"path": "s0", "coordinateTransformations": scale}]
        group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": levels}]}
    else:
        path.mkdir()
        for z, plane in enumerate(voxels):
            Image.fromarray(plane).save(path / f"z{z}.png")
        return str(path / "z*.png") if kind == "glob" else str(path)
    return str(path)


def test_a_zarr_whose_metadata_do_not_match_its_chunks_is_refused_when_read(
    tmp_path: Path, volume: np.ndarray
) -> None:
    path = Path(stored(tmp_path, "v3.zarr", volume))
    about = json.loads((path / "zarr.json").read_text())
    grid = about["chunk_grid"]["configuration"]
    for changes, box in (
        (
            {"chunk_grid": {"name": "regular", "configuration": grid | {"chunk_shape": [8, 32, 64]}}},
            np.s_[0:1, 0:1, 0:1],
        ),
        ({"shape": [10**6, 10**6, 10**6]}, np.s_[:, :, :]),
    ):
        (path / "zarr.json").write_text(json.dumps(about | changes))
        with pytest.raises(
            ValueError, match=r"volume.v3.zarr(: the box .* cannot be read: | must fit into memory, got )"
        ):
            open_volume(path)[box]


def test_a_zarr_with_an_impossible_shape_is_refused_when_opened(tmp_path: Path, volume: np.ndarray) -> None:
    path = Path(stored(tmp_path, "v3.zarr", volume))
    text = (path / "zarr.json").read_text()
    for shape, words in (("-40", "readable Zarr store|axes"), ("4" + 20 * "0", r"less than 2\^63 bytes")):
        (path / "zarr.json").write_text(text.replace("40", shape, 1))
        with pytest.raises(ValueError, match=words):
            open_volume(path)


def test_levels_of_an_ome_zarr_are_read_with_their_voxel_size(tmp_path: Path) -> None:
    voxels = np.random.default_rng(0).integers(0, 256, (9, 300, 520), dtype=np.uint8)
    path = tmp_path / "a.zarr"
    save_volume(path, voxels, voxel_size_um=(3.0, 2.0, 1.0))
    coarse = open_volume(f"{path}#1")
    assert (coarse.shape, coarse.voxel_size_um) == ((9, 150, 260), (3.0, 4.0, 2.0))
    np.testing.assert_array_equal(coarse[:, :, :], downsampled_images(voxels, 2))
    np.testing.assert_array_equal(open_volume(f"{path}#0")[:, :, :], voxels)
    for uri, text in (
        (f"{path}#2", r"the level of .* must lie within \[0, 2\), got #2"),
        (f"{path}#fine", r"must lie within \[0, 2\), got #fine"),
        (f"{path}/0#1", "is one array and has no levels, got #1"),
    ):
        with pytest.raises(ValueError, match=text):
            open_volume(uri)


def test_a_scale_of_a_whole_ome_zarr_and_its_unit_count(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    save_volume(path, np.ones((2, 3, 4), np.uint8), voxel_size_um=(3.0, 2.0, 1.0))
    about = json.loads((path / "zarr.json").read_text())
    scale = about["attributes"]["ome"]["multiscales"][0]
    scale["coordinateTransformations"] = [{"type": "scale", "scale": [1, 1, 10]}]
    scale["axes"][0]["unit"] = "nanometer"
    (path / "zarr.json").write_text(json.dumps(about))
    assert open_volume(path).voxel_size_um == pytest.approx((0.003, 2.0, 10.0))


def test_a_zarr_is_an_annotation_if_its_metadata_say_so(tmp_path: Path, volume: np.ndarray) -> None:
    about = multiscales("a", [(1, 1, 1)], labels=[{"value": 1, "name": "vessel", "rgba": (255, 0, 0, 255)}])
    kinds = {"array": None, "group": "annotation", "classes": "annotation"}
    zarr.open_group(str(tmp_path / "group.zarr"), mode="w", attributes={"ome": about})
    arrays: dict[str, dict[str, Any]] = {
        "array.zarr": {},
        "group.zarr/0": {},
        "classes.zarr": {"class_names": ["background", "cell"]},
    }
    for name, attributes in arrays.items():
        zarr.create_array(str(tmp_path / name), data=volume, attributes=attributes)
    assert {name: open_volume(tmp_path / f"{name}.zarr").kind for name in kinds} == kinds
