import json
from pathlib import Path
from typing import Any

import pytest
from mtneuro_data import Cube, SplitPart, TaskSpec, TouchingCubesWarning, builtin_task, read_task, task_schema


@pytest.fixture
def original() -> dict[str, Any]:
    """A task file of the original benchmark."""
    return {
        "name": "task2_2D_4class",
        "image_chan": "bossdb://prasad/prasad2020/image",
        "annotation_chan": "bossdb://prasad/prasad_analysis/pixel_labels",
        "xrange_cor": [4600, 4856],
        "yrange_cor": [900, 1156],
        "zrange": [110, 471],
        "xrange_stri": [3700, 3956],
        "yrange_stri": [500, 756],
        "xrange_vp": [3063, 3319],
        "yrange_vp": [850, 1106],
        "xrange_zi": [1543, 1799],
        "yrange_zi": [650, 906],
        "z_train": [110, 379],
        "z_val": [380, 409],
        "z_test": [420, 470],
        "volume_z": 1,
        "tile_size": [256, 256],
        "task_type": "noZI",
        "combine_ax_and_bg": 0,
        "noZI": 1,
    }


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


def test_an_original_segmentation_task_is_read(tmp_path: Path, original: dict[str, Any]) -> None:
    task = read_task(written(tmp_path / "task.json", original))
    ours = builtin_task("seg-2d-4class", reading="original")
    assert task == ours.replaced(name="task2_2D_4class", z_buffer=0)


def test_an_original_region_task_is_read(tmp_path: Path, original: dict[str, Any]) -> None:
    keys = ("task_type", "combine_ax_and_bg", "noZI")
    region = {key: value for key, value in original.items() if key not in keys}
    region["annotation_chan"] = "bossdb://prasad/prasad_analysis/roi_labels"
    task = read_task(written(tmp_path / "task.json", region))
    assert task == builtin_task("roi-c1", reading="original").replaced(name="task2_2D_4class", z_buffer=0)


def test_an_original_three_class_subvolume_task_is_read(tmp_path: Path, original: dict[str, Any]) -> None:
    original |= {"task_type": "3class", "combine_ax_and_bg": 1, "noZI": 0, "volume_z": 8}
    task = read_task(written(tmp_path / "task.json", original))
    assert (task.depth, task.label_map[3], len(task.cubes)) == (8, 0, 4)
    assert task.class_names == ("background", "vessel", "cell")


def test_an_original_task_with_an_encoder_is_one_of_semantics(
    tmp_path: Path, original: dict[str, Any]
) -> None:
    original |= {"task_type": "normal", "noZI": 0, "encoder_type": "ssl", "z_train": [110, 470]}
    task = read_task(written(tmp_path / "task.json", original))
    assert (task.kind, task.counts()) == ("semantics", {"all": 1440})


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"z_trian": [0, 1]}, "got 'z_trian'; did you mean 'z_train'"),
        ({"z_train": [379, 110]}, r"z_train: range must satisfy .* got \[379, 110\)"),
        ({"z_train": [-5, 110]}, "z_train"),
        ({"z_train": [0, 10**30]}, "z_train: range must satisfy"),
        ({"volume_z": 10**12}, r"depth must be less than or equal to 2147483648, got 1000000000000"),
        ({"z_test": [400, 470]}, "splits must share no voxel"),
        ({"tile_size": [128, 256]}, r"tile_size .* got \[128, 256\]"),
        ({"task_type": "4class"}, "task_type"),
        ({"noZI": 2}, "noZI"),
    ],
)
def test_a_wrong_original_key_is_refused(
    tmp_path: Path, original: dict[str, Any], change: dict[str, Any], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        read_task(written(tmp_path / "task.json", original | change))


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
