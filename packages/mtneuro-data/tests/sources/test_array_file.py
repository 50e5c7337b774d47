from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from mtneuro_data import open_volume
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


def test_a_key_names_an_array_of_an_npz(tmp_path: Path, volume: np.ndarray) -> None:
    path = stored(tmp_path, "npz", volume)
    np.testing.assert_array_equal(open_volume(path + "#label")[0:1, 0:2, 0:2], volume[0:1, 0:2, 0:2] + 1)
    with pytest.raises(ValueError, match="it has no array 'lable', only image, label"):
        open_volume(path + "#lable")


def test_pickles_are_never_loaded(tmp_path: Path) -> None:
    objects = np.array([{"a": 1}], dtype=object)
    np.save(tmp_path / "a.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "a.npz", image=objects)
    for name in ("a.npy", "a.npz"):
        with pytest.raises(ValueError, match="is not a readable"):
            open_volume(tmp_path / name)


def test_an_array_file_shorter_than_its_header_states_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((10, 20, 30), np.uint8))
    content = (tmp_path / "a.npy").read_bytes().replace(b"(10, 20, 30), }    ", b"(10000, 20, 30), } ")
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(ValueError, match=r"is not a readable \.npy file"):
        open_volume(tmp_path / "a.npy")
