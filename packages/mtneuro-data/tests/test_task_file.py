import json
from pathlib import Path
from typing import Any

import pytest
from mtneuro_data import Cube, SplitPart, TaskSpec, TouchingCubesWarning, builtin_task, read_task, task_schema


def written(path: Path, values: Any) -> Path:
    path.write_text(json.dumps(values))
    return path


def test_our_json_comes_back_as_it_was(tmp_path: Path) -> None:
    task = builtin_task("seg-3d-3class")
    read = read_task(written(tmp_path / "task.json", task.model_dump(mode="json")))
    assert read == task
    assert read.fingerprint == task.fingerprint


def test_our_toml_is_read(tmp_path: Path) -> None:
    (tmp_path / "task.toml").write_text(
        """
        name = "one"
        kind = "region"
        image = "volume.zarr"
        regions = ["CTX"]
        [cubes]
        A-CTX = { region = "CTX", y = [0, 8], x = [0, 8] }
        [[splits.train]]
        cubes = ["A-CTX"]
        z = [0, 4]
        """
    )
    assert read_task(tmp_path / "task.toml").counts() == {"train": 4}


MINIMAL = """
    "$schema" = "task.schema.json"
    name = "one"
    kind = "segmentation"
    image = "em.zarr"
    annotation = "labels/ids.zarr#0"
    label_map = "classes.csv"
    cubes.A = { y = [0, 8], x = [0, 8] }
    splits.train = [{ z = [0, 4] }]
"""


def test_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/task.toml").write_text(MINIMAL)
    (tmp_path / "mine/classes.csv").write_text("id,class\n17,axon\n*,dendrite\n")
    for folder, name, seen in (
        (tmp_path, "mine/task.toml", Path("mine")),
        (tmp_path / "mine", "../mine/task.toml", Path("../mine")),
        (tmp_path, tmp_path / "mine/task.toml", tmp_path / "mine"),
    ):
        monkeypatch.chdir(folder)
        task = read_task(name)
        assert (task.image, task.annotation) == (str(seen / "em.zarr"), str(seen / "labels/ids.zarr#0"))
        assert task.label_map == {17: 1, "*": 2}
        assert task.class_names == ("background", "axon", "dendrite")
    monkeypatch.chdir(tmp_path / "mine")
    assert read_task("task.toml").image == "em.zarr"


@pytest.mark.parametrize(
    "uri", ["bossdb://lab/scan/em", "phantom://image", "/data/em.zarr", "file:///data/a.npy"]
)
def test_a_uri_and_an_absolute_path_stay_as_they_are(tmp_path: Path, uri: str) -> None:
    (tmp_path / "classes.csv").write_text("*,axon\n")
    (tmp_path / "task.toml").write_text(MINIMAL.replace('"em.zarr"', f'"{uri}"'))
    assert read_task(tmp_path / "task.toml").image == uri


def test_a_path_that_was_relative_to_the_working_folder_is_named_as_it_must_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "em.zarr").mkdir()
    (tmp_path / "tasks/task.toml").write_text(MINIMAL)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        FileNotFoundError, match=r'nothing is at tasks/em.zarr; for em.zarr, write "../em.zarr"'
    ):
        read_task("tasks/task.toml")


def test_an_absent_table_of_labels_is_named(tmp_path: Path) -> None:
    (tmp_path / "task.toml").write_text(MINIMAL)
    with pytest.raises(FileNotFoundError, match=r"no table of labels at .*classes\.csv"):
        read_task(tmp_path / "task.toml")


def test_the_schema_describes_every_field(task: TaskSpec) -> None:
    schema = task_schema()
    assert set(schema["properties"]) == {"$schema", *TaskSpec.model_fields}
    assert schema["additionalProperties"] is False
    assert all(field["description"] for field in schema["properties"].values())
    assert ">>>" not in json.dumps(schema)


def test_a_file_of_the_original_benchmark_is_read_with_its_paths_beside_it(tmp_path: Path) -> None:
    sides = {f"{axis}range_{region}": [0, 8] for axis in "xy" for region in ("cor", "stri", "vp", "zi")}
    values = {
        "name": "task",
        "image_chan": "image.zarr",
        "annotation_chan": "/data/pixel_labels",
        **sides,
        "z_train": [0, 4],
        "z_val": [4, 8],
        "z_test": [20, 21],
    }
    task = read_task(written(tmp_path / "task.json", values))
    assert (task.kind, task.image) == ("segmentation", str(tmp_path / "image.zarr"))
    with pytest.raises(ValueError, match=r"task\.json: name must be given"):
        read_task(written(tmp_path / "task.json", {"image_chan": "image.zarr", **sides}))


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("task.json", "{", "task.json must be JSON"),
        ("task.toml", "a = ", "task.toml must be TOML"),
        ("task.json", "[1]", "must hold a table of settings, got list"),
        ("task.json", "[" * 100_000, "task.json must be JSON"),
        ("task.yaml", "", "must end in .toml or .json"),
        ("task.json", '{"name": "x"}', "kind must be given"),
    ],
)
def test_a_file_that_is_no_task_is_refused(tmp_path: Path, name: str, content: str, text: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=text):
        read_task(tmp_path / name)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent"):
        read_task(tmp_path / "absent.json")


def test_a_task_whose_train_and_test_touch_warns_and_says_which(task: TaskSpec, tmp_path: Path) -> None:
    cubes = {**task.cubes, "B-CTX": Cube(region="CTX", y=(4, 36), x=(56, 104))}
    splits = {
        "train": (SplitPart(cubes=("A-CTX",), z=(0, 2)),),
        "test": (SplitPart(cubes=("B-CTX",), z=(0, 2)),),
    }
    path = tmp_path / "touching.json"
    path.write_text(task.replaced(cubes=cubes, splits=splits).model_dump_json())
    with pytest.warns(TouchingCubesWarning, match="the cube A-CTX of train touches B-CTX of test"):
        assert read_task(path).touching() == (("train", "A-CTX", "test", "B-CTX"),)
    path.write_text(task.model_dump_json())
    assert read_task(path) == task
