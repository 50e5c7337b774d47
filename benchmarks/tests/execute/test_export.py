import csv
import json

import numpy as np
import pytest
from mtneuro_data import TaskArrays, builtin_task
from PIL import Image

from mtneuro_suite.execute.export import Form, check_export, write_export
from mtneuro_suite.plan.asked import Asked
from mtneuro_suite.runs.run import Run
from mtneuro_suite.runs.store import Store
from mtneuro_suite.steps import Arrays
from mtneuro_suite.steps.embedder import Samples
from mtneuro_suite.steps.reading import View

TASK = builtin_task("roi-c1").with_source("phantom")
CUBES = ("A-CTX", "A-VP")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results")


@pytest.fixture
def loaded(store):
    """A finished ``arrays`` run of a part of two cubes, each image of its own random numbers."""

    def load(z=(420, 422), **changes):
        task = TASK.replaced(
            splits={"all": ({"cubes": CUBES, "z": z},)},
            cubes={name: TASK.cubes[name] for name in CUBES},
            **{"downsample": 4, **changes},
        )
        run = Run(step=Arrays(task=task, files={}), title="")
        names = [f"{cube}/z{z}" for cube, z in task.samples("all")]
        side = 256 // task.downsample
        shape = (*([task.depth] if task.depth > 1 else []), side, side)
        draws = [np.random.default_rng([*name.encode()]) for name in names]
        folder = store.folder(run)
        folder.mkdir(parents=True)
        TaskArrays(
            images=np.stack([one.integers(0, 256, shape, np.uint8) for one in draws]),
            region=np.zeros(len(names), np.int64),
            masks=None,
            sample_id=np.array(names),
            region_names=("CTX",),
            class_names=(),
            voxel_size_um=(1.0, 4.0, 4.0),
            fingerprint="",
        ).save(folder / "arrays.npz")
        (folder / "result.json").write_text(json.dumps({"settings": run.step.model_dump(mode="json")}))
        return run

    return load


def asked(run, view: View = "corners", downsample=1, uses=("roi-c1:test",)):
    return Asked(arrays=run, view=view, downsample=downsample, resampling="area", uses=uses)


@pytest.fixture
def some(loaded):
    """Corners, wholes at half of that, and subvolumes; the second part has a slice of the first one."""
    first, deep = loaded(), loaded((420, 436), depth=8)
    overlapping = asked(loaded((421, 423)), uses=("roi-c1:train",))
    return [asked(first), overlapping, asked(first, "whole", 2, ("semantics:all",)), asked(deep)]


def write(asked, store, folder, form: Form = "npy"):
    return write_export(asked, store, folder, preset="smoke", form=form)


def index(folder):
    with (folder / "index.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def wanted(asked, store):
    """Return the image of each name, as a run would embed it."""
    found = {}
    for one in asked:
        samples = Samples(folders=[store.folder(one.arrays)], view=one.view, downsample=one.downsample)
        found |= dict(zip(samples.names.tolist(), samples.arrays.images, strict=True))
    return found


@pytest.mark.parametrize("form", ["npy", "png"])
def test_each_name_is_of_the_image_that_a_run_would_embed(some, store, tmp_path, form):
    folder = tmp_path / "export"
    images = wanted(some, store)
    assert write(some, store, folder, form) == len(images)
    lines = index(folder)
    assert [line["id"] for line in lines] == list(images)
    for line in lines:
        path = folder / line["file"]
        if form == "npy":
            found = np.load(path, mmap_mode="r")[int(line["row"])]
        elif path.is_dir():
            slices = sorted(path.iterdir(), key=lambda one: int(one.stem[1:]))
            found = np.stack([np.asarray(Image.open(one)) for one in slices])
        else:
            found = np.asarray(Image.open(path))
        np.testing.assert_array_equal(found, images[line["id"]])
        size = tuple(int(line[key]) for key in ("slices", "height", "width"))
        assert size == (found.shape if found.ndim == 3 else (1, *found.shape))
    assert "index.csv has a line for each sample" in (folder / "README.txt").read_text()


def test_the_index_says_where_a_sample_lies_and_what_it_is_for(some, store, tmp_path):
    write(some, store, tmp_path / "export")
    lines = {line["id"]: line for line in index(tmp_path / "export")}
    name = next(name for name in lines if name.startswith("A-CTX/z421/br@x4-"))
    line = lines[name]
    y, x = (TASK.cubes["A-CTX"].y[0] + 128, TASK.cubes["A-CTX"].x[0] + 128)
    assert [line[key] for key in ("cube", "z", "y", "x", "reduction")] == [
        "A-CTX",
        "421",
        str(y),
        str(x),
        "4",
    ]
    assert line["used_for"] == "roi-c1:test; roi-c1:train"
    whole = next(line for name, line in lines.items() if name.startswith("A-CTX/z420@x8-"))
    assert [whole[f"voxel_{axis}_um"] for axis in "zyx"] == ["1.0", "8.0", "8.0"]
    assert (whole["y"], whole["height"]) == (str(TASK.cubes["A-CTX"].y[0]), "32")


def test_an_export_is_repeated_without_harm_and_mended_where_it_was_cut_off(some, store, tmp_path):
    folder = tmp_path / "export"
    assert not check_export(some, folder, form="npy")
    write(some, store, folder)
    assert check_export(some, folder, form="npy")
    (folder / "mine.npz").write_bytes(b"embeddings")
    whole = (folder / "32x32.npy").read_bytes()
    (folder / "32x32.npy").write_bytes(whole[:100])
    assert not check_export(some, folder, form="npy")
    write(some, store, folder)
    assert check_export(some, folder, form="npy")
    assert (folder / "32x32.npy").read_bytes() == whole
    assert (folder / "mine.npz").read_bytes() == b"embeddings"
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_an_export_that_was_stopped_is_known_again_and_made_whole(some, store, tmp_path, monkeypatch):
    folder = tmp_path / "export"
    monkeypatch.setattr(TaskArrays, "read", lambda path: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write(some, store, folder)
    monkeypatch.undo()
    assert [path.name for path in folder.iterdir()] == ["export.json"]
    assert not check_export(some, folder, form="npy")
    write(some, store, folder)
    assert check_export(some, folder, form="npy")


def test_a_folder_of_something_else_is_refused_and_left_as_it_is(some, store, tmp_path):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    assert not check_export(some, theirs, form="npy")
    (theirs / "index.csv").write_text("mine")
    with pytest.raises(
        FileExistsError, match=r"a new folder, or one that it wrote, got .*theirs, which has no"
    ):
        check_export(some, theirs, form="npy")
    with pytest.raises(FileExistsError, match="a new folder, or one that it wrote"):
        check_export(some, theirs / "index.csv", form="npy")
    ours = tmp_path / "ours"
    write(some[:1], store, ours)
    others: list[tuple[list[Asked], Form]] = [(some, "npy"), (some[:1], "png")]
    for other, form in others:
        with pytest.raises(FileExistsError, match=r"must be of the same samples .*give another folder"):
            check_export(other, ours, form=form)
    (ours / "export.json").write_text("{}")
    with pytest.raises(FileExistsError, match="must be of the same samples"):
        check_export(some[:1], ours, form="npy")


def test_what_cannot_be_exported_is_refused(loaded, tmp_path):
    with pytest.raises(ValueError, match=r"--export-images needs a preset with encoders"):
        check_export([], tmp_path / "export", form="npy")
    grey = loaded(intensity=(0, 255), image_type="float32")
    assert not check_export([asked(grey)], tmp_path / "export", form="npy")
    with pytest.raises(ValueError, match=r"images are float32: leave --export-png out"):
        check_export([asked(grey)], tmp_path / "export", form="png")


def test_one_run_is_in_memory_at_a_time(some, store, tmp_path, monkeypatch):
    read: list[int] = []
    joined = TaskArrays.joined
    monkeypatch.setattr(TaskArrays, "joined", lambda parts: read.append(len(parts)) or joined(parts))
    write(some, store, tmp_path / "export")
    assert set(read) == {1}
