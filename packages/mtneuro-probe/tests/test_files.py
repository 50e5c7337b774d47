from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import zarr
from matplotlib.figure import Figure
from mtneuro_probe._shared.terminal import Ranges
from mtneuro_probe.files import load_regions, open_embedding_map, open_volume, save_figure


@pytest.fixture
def volume() -> np.ndarray:
    return np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


def ome_zarr(path: Path, volume: np.ndarray, **level: Any) -> str:
    """Write an OME-Zarr group of one level, and return where."""
    group = zarr.create_group(str(path))
    group.create_array("0", data=volume)
    axes = [
        {"name": name, "type": "space", "unit": level.get("unit", "micrometer")}
        for name in level.get("axes", "zyx")
    ]
    scale = {"type": "scale", "scale": level.get("scale", [1, 1, 1])}
    datasets = [{"path": "0", "coordinateTransformations": [scale]}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    return str(path)


def test_a_scale_in_nanometres_is_a_size_in_micrometres(tmp_path, volume):
    path = ome_zarr(tmp_path / "a.zarr", volume, unit="nanometer", scale=[40, 4, 4])
    assert open_volume(path, key="masks").voxel_size_um == (0.04, 0.004, 0.004)


def test_axes_in_another_order_are_not_taken_for_z_y_x(tmp_path, volume):
    path = ome_zarr(tmp_path / "a.zarr", volume, axes="xyz")
    with pytest.raises(ValueError, match=r"axes .*x, y, z"):
        open_volume(path, key="masks")


@pytest.mark.parametrize("scale", [[1, 1], [1, 1, 1, 1]])
def test_a_scale_of_other_than_three_factors_is_refused(tmp_path, volume, scale):
    path = ome_zarr(tmp_path / "a.zarr", volume, scale=scale)
    with pytest.raises(ValueError, match=r"OME-Zarr metadata of .*a\.zarr are not valid"):
        open_volume(path, key="masks")


def test_ids_are_made_of_the_file_s_name_and_the_slices(tmp_path, volume):
    np.save(tmp_path / "A-ZI.v2.npy", volume)
    assert open_volume(str(tmp_path / "A-ZI.v2.npy"), key="masks").sample_id == ("A-ZI/z0", "A-ZI/z1")


def test_ids_of_part_of_a_volume_count_from_its_first_slice(tmp_path, volume):
    np.save(tmp_path / "a.npy", volume)
    part = open_volume(
        str(tmp_path / "a.npy"), key="masks", cube="A", first_z=110, ranges=Ranges(z="1:2", x="0:3")
    )
    assert part.sample_id == ("A/z111",)
    np.testing.assert_array_equal(part.loaded(), volume[1:2, :, :3])


def test_ids_of_the_file_go_before_those_that_are_made(export):
    ids = open_volume(str(export), key="masks", cube="B").sample_id
    assert ids is not None
    assert ids[0] == "A-CTX/z110"


def test_any_address_that_an_installed_package_opens_is_a_volume(monkeypatch, volume):
    class Opened(np.ndarray):
        voxel_size_um = (0.03, 0.004, 0.004)

    point = SimpleNamespace(load=lambda: lambda uri: volume.view(Opened))
    monkeypatch.setattr("mtneuro_probe._shared.volume_file.entry_points", lambda group: [point])
    part = open_volume("lab://mouse/em?level=1", key="masks", ranges=Ranges(z="1:2"))
    np.testing.assert_array_equal(part.loaded(), volume[1:])
    assert part.voxel_size_um == (0.03, 0.004, 0.004)
    assert part.sample_id == ("em/z1",)


@pytest.mark.parametrize("key", ["masks", "images"])
def test_the_array_that_is_asked_for_is_given(export, labels, key):
    expected = labels if key == "masks" else 50 * labels
    np.testing.assert_array_equal(open_volume(str(export), key=key).loaded(), expected)


@pytest.mark.parametrize(
    ("places", "size", "step"),
    [
        ((2, 3, 4), [1.17, 10, 20], (1.17, 10, 20)),
        ((3, 4), [1.17, 10, 20], (10, 20)),
        ((3, 4), [10, 20], (10, 20)),
        ((3, 4), None, None),
    ],
)
def test_a_map_has_the_step_that_its_attributes_say(tmp_path, places, size, step):
    array = zarr.create_array(str(tmp_path / "m.zarr"), data=np.zeros((*places, 5), np.float32))
    array.attrs["voxel_size_um"] = size
    found, step_um = open_embedding_map(tmp_path / "m.zarr")
    assert found.shape == (*places, 5)
    assert step_um == step


@pytest.mark.parametrize("size", [[10], [10, 20], [1, 10, -20], 3])
def test_a_step_that_is_no_length_for_each_axis_is_refused(tmp_path, size):
    array = zarr.create_array(str(tmp_path / "m.zarr"), data=np.zeros((2, 3, 4, 5), np.float32))
    array.attrs["voxel_size_um"] = size
    with pytest.raises(ValueError, match="must be three positive numbers"):
        open_embedding_map(tmp_path / "m.zarr")


def test_a_map_may_be_a_numpy_array(tmp_path):
    np.save(tmp_path / "m.npy", np.ones((2, 3, 4, 5), np.float32))
    found, step_um = open_embedding_map(tmp_path / "m.npy")
    np.testing.assert_array_equal(np.asarray(found[...]), np.ones((2, 3, 4, 5)))
    assert step_um is None


def test_a_group_is_no_map(tmp_path):
    zarr.create_group(str(tmp_path / "m.zarr"))
    with pytest.raises(ValueError, match="must be a Zarr array, got a group"):
        open_embedding_map(tmp_path / "m.zarr")


def test_regions_are_those_of_an_export(export):
    ids, region, names = load_regions(export)
    assert ids[[0, -1]].tolist() == ["A-CTX/z110", "A-STR/z139"]
    assert region.tolist() == [0] * 30 + [1] * 30
    assert names == ["CTX", "STR"]


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"sample_id": np.array(["A/z0"])}, "region is not a file in the archive"),
        ({"sample_id": np.array(["A/z0"]), "region": np.zeros(2, int)}, "integers, one a sample_id"),
        ({"sample_id": np.array(["A/z0"]), "region": np.zeros(1)}, "integers, one a sample_id"),
    ],
)
def test_regions_that_do_not_fit_the_ids_are_refused(tmp_path, arrays, told):
    np.savez(tmp_path / "r.npz", **arrays)
    with pytest.raises(ValueError, match=told):
        load_regions(tmp_path / "r.npz")


@pytest.mark.parametrize("name", ["f.png", "f.pdf", "f.svg"])
def test_a_figure_is_written_whole_in_the_format_of_its_name(tmp_path, name):
    save_figure(tmp_path / "new" / name, Figure())
    first = (tmp_path / "new" / name).read_bytes()[:5]
    assert first == {"f.png": b"\x89PNG\r", "f.pdf": b"%PDF-", "f.svg": b"<?xml"}[name]
    assert [path.name for path in (tmp_path / "new").iterdir()] == [name]
