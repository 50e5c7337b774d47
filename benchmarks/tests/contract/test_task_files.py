"""The page on task files: its examples load, the schema accepts them, and it names every field."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from mtneuro_data import (
    Cube,
    SplitPart,
    TaskSpec,
    builtin_task,
    load,
    read_task,
    save_volume,
    task_names,
    task_schema,
)

PAGE = (Path(__file__).parents[3] / "docs/task-files.md").read_text()
EXAMPLES = {
    (tomllib.loads if kind == "toml" else json.loads)(text)["name"]: (kind, text)
    for kind, text in re.findall(r"```(toml|json)\n(.*?)```", PAGE, re.DOTALL)
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the volumes and the table that the page's examples name."""
    rng = np.random.default_rng(0)
    shape = (30, 128, 128)
    tiles = rng.permutation(64).reshape(1, 8, 8).repeat(16, 1).repeat(16, 2).repeat(30, 0)
    instances = tiles.astype(np.uint64) + np.uint64(720575940621039145 - tiles[0, 0, 0])
    instances[:, 64:80, :16] = 720575940628857210
    instances[:, :16, 16:32] = 0
    atlas = np.where(tiles % 3 == 0, 1089, 315).astype(np.uint32)
    volumes: dict[str, tuple[np.ndarray, tuple[float, float, float]]] = {
        "em": (rng.integers(0, 256, shape, dtype=np.uint8), (0.04, 0.004, 0.004)),
        "instances": (instances, (0.04, 0.004, 0.004)),
        "classes": ((tiles % 3).astype(np.uint8), (0.04, 0.004, 0.004)),
        "nuclei": (rng.integers(0, 256, shape, dtype=np.uint8), (5.0, 1.8, 1.8)),
        "atlas": (atlas, (5.0, 1.8, 1.8)),
    }
    for name, (voxels, size) in volumes.items():
        labels = name in ("instances", "classes", "atlas")
        save_volume(tmp_path / f"{name}.zarr", voxels, voxel_size_um=size, labels=labels)
    (table,) = re.findall(r"```csv\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "segments.csv").write_text(table)
    return tmp_path


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_of_the_page_loads(folder: Path, name: str) -> None:
    kind, text = EXAMPLES[name]
    file = folder / f"task.{kind}"
    file.write_text(text)
    task = read_task(file)
    seen = np.empty(0)
    for split, count in task.counts().items():
        arrays = load(task, split)
        assert len(arrays) == count > 0
        if arrays.masks is not None:
            seen = np.unique(arrays.masks)
            assert seen.max() < len(arrays.class_names)
            assert len(seen) > 1
    if "membrane" in task.class_names:
        assert seen.tolist() == [0, 1, 2, 3]


def test_the_shortest_examples_take_ten_lines() -> None:
    short = [EXAMPLES[name][1].strip().splitlines() for name in ("neurons", "counts", "unlabelled")]
    assert max(map(len, short)) <= 10


def checked(values: Any) -> None:
    schema = task_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(values, schema, cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_schema_accepts_the_examples(name: str) -> None:
    kind, text = EXAMPLES[name]
    checked((tomllib.loads if kind == "toml" else json.loads)(text))


@pytest.mark.parametrize("name", task_names())
def test_the_schema_accepts_the_papers_tasks(name: str) -> None:
    checked(builtin_task(name).model_dump(mode="json"))


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "segmantation"},
        {"z_stp": 2},
        {"label_map": {"boundry": 1}},
        {"label_map": {"*": -1}},
        {"label_map": "classes.xlsx"},
        {"splits": {"train": [{"z": [0]}]}},
        {"cubes": {}},
        {"annotation": ...},
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(folder: Path, change: dict[str, Any]) -> None:
    values = {**tomllib.loads(EXAMPLES["neurons"][1]), **change}
    values = {key: value for key, value in values.items() if value is not ...}
    with pytest.raises(jsonschema.ValidationError):
        checked(values)
    (folder / "task.json").write_text(json.dumps(values))
    with pytest.raises(ValueError):
        read_task(folder / "task.json")


def test_the_page_names_every_field() -> None:
    table = PAGE.partition("## Every field")[2].partition("##")[0]
    fields = set(re.findall(r"`([a-z_]+)`", " ".join(re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE))))
    assert fields == set(TaskSpec.model_fields)
    inner = set(re.findall(r"(?:cubes|splits)\.NAME\.([a-z]+)", table))
    assert inner == {*Cube.model_fields, *SplitPart.model_fields}
