"""Read a task from a file: JSON or TOML of this package, or an unchanged JSON of the original benchmark."""

import glob
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, ValidationError

from mtneuro_data._shared.settings import Settings, read_values
from mtneuro_data._shared.words import one_line
from mtneuro_data.label_table import ENDINGS, read_label_table
from mtneuro_data.labels import WORDS
from mtneuro_data.paper import CLASSES, FOUR_CLASSES, REGIONS, ROI_MAP, THREE_CLASSES, VOXEL_SIZE_UM
from mtneuro_data.task import CHANNELS, Cube, Range, SplitPart, TaskSpec

_VOLUMES = ("image", "annotation", "image_chan", "annotation_chan")
_TABLES = ("label_map", "roi_map")
_OF_LABELS = ["annotation", "label_map"]
"""What a task needs unless it is of the kind ``region``."""


class TouchingCubesWarning(UserWarning):
    """A task file tests on voxels that are adjacent to those that it trains on.

    Some of the paper's tasks do so too; they are built in and give no warning. `TaskSpec.touching` lists the
    pairs of any task.
    """


Flag = Annotated[int, Field(ge=0, le=1)]


class _OriginalTask(Settings):
    """The keys of the original benchmark's task files, unchanged."""

    name: str
    image_chan: str
    annotation_chan: str
    xrange_cor: Range
    yrange_cor: Range
    xrange_stri: Range
    yrange_stri: Range
    xrange_vp: Range
    yrange_vp: Range
    xrange_zi: Range
    yrange_zi: Range
    zrange: Range | None = None
    z_train: Range
    z_val: Range
    z_test: Range
    volume_z: PositiveInt = 1
    tile_size: tuple[PositiveInt, PositiveInt] | None = None
    task_type: Literal["3class", "noZI", "normal"] = "normal"
    combine_ax_and_bg: Flag = 0
    noZI: Flag = 0  # noqa: N815 - the file's own key
    encoder_type: Literal["ssl", "supervised", "PCA", "NMF"] | None = None
    encoder_path: str | None = None


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

    Notes
    -----
    In an original file the z ranges are half-open as given, ``zrange`` is ignored (as in the original
    code), and the splits may share no voxel, but no buffer between them is required. A
    channel with ``roi`` in its name makes the task one of regions. A file that names an ``encoder_type`` is
    a task of semantics, whose only split ``all`` is the range ``z_train``.
    """
    path = Path(path)
    values = _beside(path, read_values(path))
    try:
        if "image_chan" in values or "xrange_cor" in values:
            task = _from_original(_OriginalTask(**values), str(path))
        else:
            task = TaskSpec(**values)
    except ValidationError as error:
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


def _from_original(task: _OriginalTask, path: str) -> TaskSpec:
    faces = {
        "CTX": (task.yrange_cor, task.xrange_cor),
        "STR": (task.yrange_stri, task.xrange_stri),
        "VP": (task.yrange_vp, task.xrange_vp),
        "ZI": (task.yrange_zi, task.xrange_zi),
    }
    region = "roi" in task.annotation_chan.rpartition("/")[2]
    without_zi = task.noZI == 1 or task.task_type == "noZI"
    merged = task.combine_ax_and_bg == 1 or task.task_type == "3class"
    regions = REGIONS[:3] if without_zi and not region else REGIONS
    cubes = {f"A-{name}": Cube(region=name, y=faces[name][0], x=faces[name][1]) for name in regions}
    if task.tile_size is not None:
        wanted = (task.tile_size[1], task.tile_size[0])
        for name, cube in cubes.items():
            if cube.face != wanted:
                raise ValueError(
                    f"{path}: tile_size [x, y] must be the size of the ranges, got {list(task.tile_size)} "
                    f"where {name} has (y, x) {cube.face}"
                )
    ranges = {"train": task.z_train, "val": task.z_val, "test": task.z_test}
    if task.encoder_type is not None:
        ranges = {"all": task.z_train}
    common: dict[str, Any] = {
        "name": task.name,
        "image": task.image_chan,
        "annotation": task.annotation_chan,
        "regions": regions,
        "cubes": cubes,
        "splits": {split: (SplitPart(cubes=tuple(cubes), z=z),) for split, z in ranges.items()},
        "z_buffer": 0,
        "depth": task.volume_z,
        # The benchmark's volume is known; that of another channel states its own.
        "voxel_size_um": VOXEL_SIZE_UM if task.image_chan == CHANNELS["image"] else None,
    }
    if region:
        return TaskSpec(kind="region", roi_map=ROI_MAP, annotated_z=(109, 460), **common)
    label_map = THREE_CLASSES if merged else FOUR_CLASSES
    return TaskSpec(
        kind="segmentation" if task.encoder_type is None else "semantics",
        class_names=CLASSES[: max(label_map.values()) + 1],
        label_map=label_map,
        **common,
    )
