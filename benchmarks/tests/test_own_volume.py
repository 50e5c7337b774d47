"""A volume that is nothing like the benchmark's, taken from its files to the report as its owner would."""

import json
import re

import numpy as np
import pytest
from mtneuro_data import save_volume
from scipy import ndimage
from scipy.spatial import KDTree

CLASSES = ("background", "membrane", "mitochondrion")
FEATURES = ("membrane_density", "membrane_length_density", "mitochondrion_count", "mitochondrion_size")
SHAPE = (64, 96, 96)

MITOCHONDRION = 720575940621039145
TASK = """
name = "{name}"
kind = "{kind}"
image = "image.zarr"
annotation = "instances.zarr"
regions = ["neuropil"]
class_names = ["background", "membrane", "mitochondrion"]
label_map = {{ boundary = "membrane", {mitochondrion} = "mitochondrion" }}
cubes.block = {{ y = [0, 96], x = [0, 96] }}
"""


def electron_microscopy() -> tuple[np.ndarray, np.ndarray]:
    """Return thick slices of cells with dark membranes and mitochondria, and the instance at each voxel."""
    rng = np.random.default_rng(0)
    spacing = np.array([4.0, 1.0, 1.0])
    place = np.moveaxis(np.indices(SHAPE), 0, -1) * spacing
    wobble = ndimage.gaussian_filter(rng.normal(size=(3, *SHAPE)), (0, 2, 6, 6)) * 120
    seeds = rng.uniform(0, np.array(SHAPE) * spacing, (60, 3))
    cell = KDTree(seeds).query(place + np.moveaxis(wobble, 0, -1))[1]
    instances = np.add(cell, MITOCHONDRION + 1, dtype=np.uint64, casting="unsafe")
    grey = np.full(SHAPE, 170.0)
    for centre, radius in zip(
        rng.uniform(0, SHAPE, (90, 3)), rng.uniform([2, 4, 4], [5, 8, 8], (90, 3)), strict=True
    ):
        inside = (((place / spacing - centre) / radius) ** 2).sum(axis=-1) < 1
        instances[inside] = MITOCHONDRION
        grey[inside] = 110
    grey[(np.roll(cell, 1, 1) != cell) | (np.roll(cell, 1, 2) != cell)] = 60
    grey += rng.normal(0, 25, SHAPE)
    return ndimage.gaussian_filter(grey, (0, 0.7, 0.7)).clip(0, 255).astype(np.uint8), instances


@pytest.fixture
def tasks(tmp_path):
    """Write the volume and its two task files: features of its slices, and its segmentation."""
    for name, array in zip(("image", "instances"), electron_microscopy(), strict=True):
        save_volume(
            tmp_path / f"{name}.zarr", array, voxel_size_um=(0.04, 0.01, 0.01), labels=name == "instances"
        )
    more = {
        "semantics": f"features = {json.dumps(FEATURES)}\nsplits.all = [{{ z = [0, 64] }}]\n",
        "segmentation": "splits.train = [{ z = [0, 40] }]\nsplits.test = [{ z = [50, 64] }]\n",
    }
    files = []
    for kind, name in (("semantics", "neuropil"), ("segmentation", "organelles")):
        file = tmp_path / f"{name}.toml"
        file.write_text(TASK.format(name=name, kind=kind, mitochondrion=MITOCHONDRION) + more[kind])
        files += ["--task", str(file)]
    return files


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_every_word_of_tables_and_report_is_the_volumes_own(tasks, tmp_path, run_smoke):
    found, tables, report = run_smoke(tmp_path / "results", *tasks)
    rows = found.groupby("metric")
    scored = rows.get_group("f1")
    assert set(scored["class_name"]) == {*CLASSES, "average"}
    read = rows.get_group("r2_cross_validated")
    assert list(dict.fromkeys(read["class_name"])) == list(FEATURES)
    assert set(read["model"]) == {"byol", "pca", "mean-sd", "spectrum"}
    assert np.isfinite(np.asarray(read["value"], np.float64)).all()
    assert "Table 2. Microstructure, organelles: IoU" in tables
    assert "Table 3. Semantics, encoders from neuropil" in tables
    assert "Table 1" not in tables
    for text in (tables, report):
        assert not re.search(
            r"vessel|axon|cell (count|size)|\b(CTX|STR|VP|ZI)\b|ROI-C|paper's below|no membrane", text
        )
    drawn = json.loads(re.findall(r'class="umap-data">(.*?)</script>', report)[0])
    assert drawn["regionNames"] == ["neuropil"]
    assert [feature["label"] for feature in drawn["features"]] == [
        "membrane density",
        "membrane length density",
        "mitochondrion count",
        "mitochondrion size",
    ]
    assert re.findall(r'class="key"><i style="--c: #\w+"></i>(\w+)', report) == list(CLASSES[1:])
