"""Read a task from a file: JSON or TOML of this package, or an unchanged JSON of the original benchmark."""

import warnings
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, ValidationError

from mtneuro_data._shared.settings import Settings, read_values
from mtneuro_data._shared.words import one_line
from mtneuro_data.paper import CLASSES, FOUR_CLASSES, REGIONS, ROI_MAP, THREE_CLASSES
from mtneuro_data.task import Cube, Range, SplitPart, TaskSpec


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

    Raises
    ------
    FileNotFoundError
        If there is no such file.
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
    values = read_values(path)
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
