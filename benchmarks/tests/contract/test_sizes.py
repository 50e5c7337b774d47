"""The size of a voxel, ids and names go through every file, from a 10 nm volume to the areas of its cells."""

import json
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mtneuro_data import TaskArrays, save_volume
from mtneuro_seg import Model, TrainSettings, build_network, open_volume_file

NM = 0.01
CELL_PX = 12
"""Edge of each cell, a square; even, so that the corners of a block of two are the same."""

AREA_UM2 = (CELL_PX * NM) ** 2

NETWORK = """
import torch


class Threshold(torch.nn.Module):
    \"\"\"Class 1 is what is brighter than the mean.\"\"\"

    def __init__(self):
        super().__init__()
        self.slope = torch.nn.Parameter(torch.ones(1))

    def forward(self, x):
        return torch.cat([-x * self.slope, x * self.slope], dim=1)


def threshold(classes):
    return Threshold()
"""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def checked(package: str, *words: object) -> None:
        (program,) = entry_points(group="console_scripts", name=f"mtneuro-{package}")
        monkeypatch.setattr(sys, "argv", [program.name, *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            program.load()()
        assert not stop.value.code

    return checked


@pytest.fixture
def task(tmp_path: Path) -> Path:
    """A task over a volume of 10 nm, of 16 bits, with cells of one size; it states neither size nor type."""
    image = np.full((12, 64, 128), 500, np.uint16)
    labels = np.zeros(image.shape, np.uint32)
    for y, x in ((4, 8), (40, 20), (20, 80), (44, 100)):
        labels[:, y : y + CELL_PX, x : x + CELL_PX] = 7000 + y
    image[labels > 0] = 3500
    image += np.random.default_rng(0).integers(0, 200, image.shape, dtype=np.uint16)
    for name, voxels in (("image", image), ("labels", labels)):
        save_volume(tmp_path / f"{name}.zarr", voxels, voxel_size_um=(NM, NM, NM), labels=name == "labels")
    label_map = {"0": 0} | {str(value): 1 for value in np.unique(labels) if value}
    spec = {
        "name": "em",
        "kind": "segmentation",
        "image": str(tmp_path / "image.zarr"),
        "annotation": str(tmp_path / "labels.zarr"),
        "regions": ["left", "right"],
        "cubes": {
            "L": {"region": "left", "y": [0, 64], "x": [0, 64]},
            "R": {"region": "right", "y": [0, 64], "x": [64, 128]},
        },
        "splits": {"all": [{"cubes": ["L", "R"], "z": [0, 12]}]},
        "class_names": ["background", "cell"],
        "label_map": label_map,
        "intensity": ["0%", "100%"],
    }
    (tmp_path / "em.json").write_text(json.dumps(spec))
    return tmp_path / "em.json"


@pytest.mark.parametrize("downsample", [1, 2])
def test_the_cells_of_a_10_nm_volume_have_their_area_in_square_micrometres(
    task: Path, run: Callable[..., None], tmp_path: Path, downsample: int
) -> None:
    images, table = tmp_path / "images.npz", tmp_path / "features.csv"
    run("data", "export", task, "--split", "all", "--downsample", downsample, "-o", images)
    exported = TaskArrays.read(images)
    edge = NM * downsample
    assert exported.voxel_size_um == pytest.approx((NM, edge, edge))
    assert exported.intensity == pytest.approx((500, 3699), abs=1)

    run("probe", "features", images, "-o", table)
    measured = pd.read_csv(table, index_col="sample_id")
    assert measured.index.tolist() == exported.sample_id.tolist()
    np.testing.assert_allclose(measured["cell_size"], AREA_UM2, rtol=1e-9)
    distance = {"L": np.hypot(36, 12), "R": np.hypot(24, 20)}
    expected = [NM * distance[name[0]] for name in measured.index]
    np.testing.assert_allclose(measured["nearest_neighbour_distance"], expected, rtol=1e-9)


def test_embeddings_keep_the_size_the_ids_and_the_regions_of_their_images(
    task: Path, run: Callable[..., None], tmp_path: Path
) -> None:
    images, model, embeddings = (tmp_path / name for name in ("images.npz", "pca", "e.npz"))
    run("data", "export", task, "--split", "all", "-o", images)
    run("ssl", "train", images, "--method", "pca", "--set", "components=2", "-o", model)
    run("ssl", "embed", model, images, "-o", embeddings)
    with np.load(embeddings) as held, np.load(images) as given:
        for name in ("voxel_size_um", "region", "region_names", "sample_id"):
            np.testing.assert_array_equal(held[name], given[name])
        assert held["region"].tolist() == [0] * 12 + [1] * 12
        assert held["region_names"].tolist() == ["left", "right"]
    # The model was trained on grey levels of the task's window, and sees the volume itself through it.
    run("ssl", "embed", model, tmp_path / "image.zarr", "--x", "0:64", "-o", tmp_path / "raw.npz")
    with np.load(tmp_path / "raw.npz") as raw, np.load(embeddings) as held:
        np.testing.assert_array_equal(raw["embeddings"], held["embeddings"][:12])
        np.testing.assert_array_equal(raw["voxel_size_um"], [NM, NM, NM])


@pytest.mark.parametrize("ending", [".npz", ".zarr"])
def test_predicted_cells_have_their_area_too(
    task: Path, run: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    (tmp_path / "nets_of_size.py").write_text(NETWORK)
    monkeypatch.syspath_prepend(str(tmp_path))
    settings = TrainSettings(model="nets_of_size:threshold", classes=2, mean=0.5, sd=0.25)
    names = ("background", "cell")
    Model(network=build_network(settings), settings=settings, class_names=names).save(tmp_path / "model")
    images, labels, table = tmp_path / "images.npz", tmp_path / f"found{ending}", tmp_path / "f.csv"
    run("data", "export", task, "--split", "all", "-o", images)
    words = ("predict", tmp_path / "model", images, "-o", labels, "--trust", "nets_of_size:threshold")
    run("seg", *words, "--window", 64, 64)
    found = open_volume_file(labels, key="masks")
    exported = TaskArrays.read(images)
    assert found.voxel_size_um == (NM, NM, NM)
    assert found.sample_id == tuple(exported.sample_id)
    assert (found.class_names, found.region_names) == (names, ("left", "right"))
    assert found.region is not None
    np.testing.assert_array_equal(found.region, exported.region)
    run("probe", "features", labels, "-o", table)
    np.testing.assert_allclose(pd.read_csv(table)["cell_size"], AREA_UM2, rtol=1e-9)
