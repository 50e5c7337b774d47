"""Read the task files of the original benchmark, unchanged: what each stands for in the authors' code."""

import difflib
import warnings
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt

from mtneuro_data._shared.settings import Settings
from mtneuro_data.paper import (
    ANNOTATED_Z,
    CLASSES,
    FOUR_CLASSES,
    REGIONS,
    ROI_MAP,
    THREE_CLASSES,
    VOXEL_SIZE_UM,
)
from mtneuro_data.task import CHANNELS, Cube, Range, SplitPart, TaskSpec


class UnusedKeysWarning(UserWarning):
    """A task file of the original benchmark has keys that change nothing; the message names them."""


Flag = Annotated[int, Field(ge=0, le=1)]


class _OriginalTask(Settings):
    """The keys of the original benchmark's task files."""

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
    z_train: Range | None = None
    z_val: Range | None = None
    z_test: Range | None = None
    volume_z: PositiveInt = 1
    tile_size: tuple[PositiveInt, PositiveInt] | None = None
    task_type: Literal["3class", "noZI", "normal"] = "normal"
    combine_ax_and_bg: Flag = 0
    noZI: Flag = 0  # noqa: N815 - the file's own key
    encoder_type: Literal["ssl", "supervised", "PCA", "NMF"] | None = None
    encoder_path: str | None = None


def task_from_original(values: Mapping[str, Any], /, *, where: str) -> TaskSpec:
    """Return the task that a file of the original benchmark stands for.

    Parameters
    ----------
    values
        The file's keys.
    where
        The file's name in messages.

    Raises
    ------
    ValueError
        If a key that the task needs is missing, or a value is wrong.

    Warns
    -----
    UnusedKeysWarning
        If there are keys that change nothing in this task, or that the original does not know.

    Notes
    -----
    As in the authors' code:

    - The z ranges are half-open as given, and need no buffer between them. A file that names an
      ``encoder_type`` is a task of semantics, whose only split ``all`` is ``z_train``; so is one whose name
      begins with ``task3``, and without an encoder ``all`` is its ``zrange``, which no other task reads.
    - A channel with ``roi`` in its name makes the task one of regions. An image's region is that of its most
      frequent raw label; beyond the slices that the benchmark's own channel has labels of, that of its cube.
    - ``tile_size``, ``[x, y]``, divides each range into tiles.
    - Axons become background by ``combine_ax_and_bg`` alone, whatever ``task_type`` says. The cube of the
      zona incerta is left out by ``noZI`` or by the ``task_type`` of that name, in tasks of regions too.
    - Subvolumes run from one region into the next, and the last is short: see `TaskSpec.across_cubes`.
    """
    of_regions = "roi" in str(values.get("annotation_chan")).rpartition("/")[2]
    splits = _splits(values, of_regions)
    unused = _unused(values, of_regions, tuple(splits.values()))
    task = _OriginalTask(
        **{key: value for key, value in values.items() if key not in unused and key in _KEYS}
    )
    if unused:
        warnings.warn(
            f"{where}: what these keys say changes nothing in this task: {', '.join(unused.values())}",
            UnusedKeysWarning,
            stacklevel=3,
        )
    ranges = {split: getattr(task, key) for split, key in splits.items()}
    for split, z in ranges.items():
        if z is None:
            raise ValueError(f"{splits[split]} must be given")
    without_zi = task.noZI == 1 or task.task_type == "noZI"
    cubes = _cubes(task, REGIONS[:3] if without_zi else REGIONS)
    common: dict[str, Any] = {
        "name": task.name,
        "image": task.image_chan,
        "annotation": task.annotation_chan,
        "cubes": cubes,
        "splits": {split: (SplitPart(cubes=tuple(cubes), z=z),) for split, z in ranges.items()},
        "z_buffer": 0,
        "depth": task.volume_z,
        "across_cubes": task.volume_z > 1,
        # The benchmark's volume is known; that of another channel states its own.
        "voxel_size_um": VOXEL_SIZE_UM if task.image_chan == CHANNELS["image"] else None,
    }
    if of_regions:
        return TaskSpec(
            kind="region",
            # An image may lie in a region that has no cube.
            regions=REGIONS,
            roi_map=ROI_MAP,
            region_vote="label",
            annotated_z=ANNOTATED_Z if task.annotation_chan == CHANNELS["roi_labels"] else None,
            **common,
        )
    label_map = THREE_CLASSES if task.combine_ax_and_bg else FOUR_CLASSES
    return TaskSpec(
        kind="semantics" if "all" in ranges else "segmentation",
        regions=REGIONS[:3] if without_zi else REGIONS,
        class_names=CLASSES[: max(label_map.values()) + 1],
        label_map=label_map,
        **common,
    )


_KEYS = tuple(_OriginalTask.model_fields)


def _splits(values: Mapping[str, Any], of_regions: bool) -> dict[str, str]:
    """Return the key of each split's slices."""
    if values.get("encoder_type") is not None:
        return {"all": "z_train"}
    # Task 3's file did not name an encoder at first, and the code then read another range of it.
    if str(values.get("name")).startswith("task3") and not of_regions:
        return {"all": "zrange"}
    return {"train": "z_train", "val": "z_val", "test": "z_test"}


def _unused(values: Mapping[str, Any], of_regions: bool, ranges: tuple[str, ...]) -> dict[str, str]:
    """Return the keys that change nothing, each in words."""
    unused = {key: key for key in ("zrange", "z_train", "z_val", "z_test") if key not in ranges}
    unused["encoder_path"] = "encoder_path"
    if of_regions:
        unused["combine_ax_and_bg"] = "combine_ax_and_bg"
    if values.get("task_type") == "3class" and (of_regions or values.get("combine_ax_and_bg") != 1):
        unused["task_type"] = "task_type (combine_ax_and_bg = 1 is what makes axons background)"
    for key in values:
        if key not in _KEYS:
            near = difflib.get_close_matches(key, _KEYS, n=1)
            unused[key] = f"{key} (did you mean {near[0]}?)" if near else key
    return {key: words for key, words in unused.items() if key in values}


def _cubes(task: _OriginalTask, regions: tuple[str, ...]) -> dict[str, Cube]:
    """Return the task's cubes: a region each, or its tiles, rows first."""
    faces = {
        "CTX": (task.yrange_cor, task.xrange_cor),
        "STR": (task.yrange_stri, task.xrange_stri),
        "VP": (task.yrange_vp, task.xrange_vp),
        "ZI": (task.yrange_zi, task.xrange_zi),
    }
    cubes: dict[str, Cube] = {}
    for region in regions:
        (y0, y1), (x0, x1) = faces[region]
        width, height = task.tile_size or (x1 - x0, y1 - y0)
        if (y1 - y0) % height or (x1 - x0) % width:
            raise ValueError(
                f"tile_size [x, y] must divide the ranges, got {list(task.tile_size or ())} where {region} "
                f"is {x1 - x0} wide and {y1 - y0} high"
            )
        tiles = [(y, x) for y in range(y0, y1, height) for x in range(x0, x1, width)]
        for y, x in tiles:
            name = f"A-{region}" if len(tiles) == 1 else f"A-{region}@{y},{x}"
            cubes[name] = Cube(region=region, y=(y, y + height), x=(x, x + width))
    return cubes
