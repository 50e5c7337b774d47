"""Read a task from a file: JSON or TOML of this package, or an unchanged JSON of the original benchmark."""

import glob
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mtneuro_data._shared.settings import read_values
from mtneuro_data._shared.words import one_line
from mtneuro_data.label_table import ENDINGS, read_label_table
from mtneuro_data.labels import WORDS
from mtneuro_data.original_task import task_from_original
from mtneuro_data.task import TaskSpec

_VOLUMES = ("image", "annotation", "image_chan", "annotation_chan")
_TABLES = ("label_map", "roi_map")
_OF_LABELS = ["annotation", "label_map"]
"""What a task needs unless it is of the kind ``region``."""


class TouchingCubesWarning(UserWarning):
    """A task file tests on voxels that are adjacent to those that it trains on.

    Some of the paper's tasks do so too; they are built in and give no warning. `TaskSpec.touching` lists the
    pairs of any task.
    """


def read_task(path: str | Path, /) -> TaskSpec:
    """Read a task from a JSON or TOML file.

    Parameters
    ----------
    path
        A ``.json`` or ``.toml`` file with the fields of `TaskSpec`, or one of the original
        benchmark's JSON task files, whose keys are read unchanged. In TOML ``"none"`` stands for null.
        Paths in it are relative to the file. ``label_map`` and ``roi_map`` may name a table of labels,
        ``.csv``, ``.tsv`` or ``.json``. A key ``$schema`` is for editors, and passed over.

    Raises
    ------
    FileNotFoundError
        If there is no such file, or no table of labels that it names.
    ValueError
        If the file does not have the format of its ending, or a key or a value is wrong.

    Warns
    -----
    TouchingCubesWarning
        For each pair of cubes that touch across the border between test and train or val.

    UnusedKeysWarning
        If a file of the original benchmark has keys that change nothing.

    Notes
    -----
    `mtneuro_data.original_task.task_from_original` says how the original's files are read.
    """
    path = Path(path)
    values = _beside(path, read_values(path))
    try:
        if "image_chan" in values or "xrange_cor" in values:
            task = task_from_original(values, where=str(path))
        else:
            task = TaskSpec(**values)
    except ValueError as error:
        raise ValueError(f"{path}: {one_line(error)}") from None
    for split, cube, other_split, other in task.touching():
        warnings.warn(
            f"{path}: the cube {cube} of {split} touches {other} of {other_split}: slices on either side of "
            "their common face are alike, so the score does not show how well a model generalises; "
            "move one of them away",
            TouchingCubesWarning,
            stacklevel=2,
        )
    return task


def task_schema() -> dict[str, Any]:
    """Return the JSON Schema of a task file, for editors that complete and check one while it is written.

    Examples
    --------
    >>> sorted(task_schema()["required"])
    ['cubes', 'image', 'kind', 'name', 'splits']
    """
    schema = TaskSpec.model_json_schema()
    for model in (schema, *schema["$defs"].values()):
        model["description"] = model["description"].partition("\n\nExamples")[0]
    fields = schema["properties"]
    words = "|".join(word.replace("*", r"\*") for word in WORDS)
    table = {
        "type": "object",
        "propertyNames": {"pattern": rf"^(-?[0-9]+|{words})$"},
        "additionalProperties": {"type": ["integer", "string"], "minimum": 0},
    }
    file = {"type": "string", "pattern": rf"\.({'|'.join(ending[1:] for ending in ENDINGS)})$"}
    for key in _TABLES:
        fields[key] = {"description": fields[key]["description"], "anyOf": [table, file]}
    labelled = {"if": {"properties": {"kind": {"const": "region"}}}, "else": {"required": _OF_LABELS}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "properties": {"$schema": {"type": "string", "description": "This schema, for editors."}, **fields},
        **labelled,
    }


def _beside(path: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a file's values with its paths resolved, and with the tables of labels that it names."""
    placed = {key: value for key, value in values.items() if key != "$schema"}
    for key in _VOLUMES:
        if isinstance(placed.get(key), str):
            placed[key] = _placed(path.parent, placed[key], f"{path}: {key}")
    for key in _TABLES:
        if isinstance(placed.get(key), str):
            placed[key] = read_label_table(path.parent / Path(placed[key]).expanduser())
    return placed


def _placed(folder: Path, uri: str, what: str) -> str:
    """Return the URI of a volume whose path is relative to a folder."""
    if "://" in uri or Path(uri).expanduser().is_absolute() or folder == Path():
        return uri
    there = str(folder / uri)
    if not _exists(there) and _exists(uri):
        nearer = os.path.relpath(uri, folder)
        raise FileNotFoundError(
            f"{what}: paths in a task file are relative to the file, and nothing is at {there}; "
            f'for {uri}, write "{nearer}"'
        )
    return there


def _exists(uri: str) -> bool:
    # Not Path.glob, which takes no absolute pattern.
    paths = [path for path in (uri, uri.rpartition("#")[0]) if path]
    return any(Path(path).exists() or glob.glob(path) for path in paths)  # noqa: PTH207
