"""All three tasks on a folder of real files: one slice, and one small labelled cutout.

The slice is z=159 of the benchmark's own volume; images are cut from it at the paper's cube sets and
shifted about them. The cutout is another X-ray microtomography volume of mouse cortex, at 0.65 um, with
cells and vessels labelled.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool
from mtneuro_data import Cube, SplitPart, TaskSpec, builtin_task
from PIL import Image, ImageDraw

from mtneuro_suite.plan.inputs import Inputs, RegionInput, joined_splits, parts
from mtneuro_suite.plan.own_tasks import task_inputs
from mtneuro_suite.preset.model import Preset

FILES = ("prasad2020/image_z159.png", "prasad2020/calibration.json", "dyer2017/v2.npz")
AREAS = {"CTX": ("CTX",), "STR": ("STR", "CC"), "VP": ("VP", "TRN"), "ZI": ("ZI", "IC", "HYP")}
"""Outlined areas that make up each region, as the ROI labels are grouped."""

SIDE = 256
SLICE_SHAPE = (1420, 5805)
MOST_TILES = 40
"""Training tiles a region at most, those nearest to the cube first, so that the regions stay balanced."""

COLUMNS_TASK = "dyer2017"
"""The columns from which encoders of the cutout learn."""

Corner = tuple[int, int]


def _overlap(a: Corner, b: Corner) -> bool:
    return abs(a[0] - b[0]) < SIDE and abs(a[1] - b[1]) < SIDE


def _outlines(path: Path) -> dict[str, list[tuple[float, float]]]:
    """Return the outline of each area, ``(x, y)``, drawn at z=309."""
    try:
        drawn = json.loads(path.read_text(encoding="utf-8"))["roi_polygons_z309_xy"]
        return {
            area: [(float(x), float(y)) for x, y in drawn[area]] for areas in AREAS.values() for area in areas
        }
    except (ValueError, KeyError, TypeError) as error:
        wanted = ", ".join(area for areas in AREAS.values() for area in areas)
        raise ValueError(
            f"{path} must hold roi_polygons_z309_xy, points (x, y) of {wanted}; "
            f"got {type(error).__name__}: {error}"
        ) from None


def _region_masks(outlines: Mapping[str, list[tuple[float, float]]]) -> dict[str, Bool[np.ndarray, "y x"]]:
    masks: dict[str, Bool[np.ndarray, "y x"]] = {}
    for region, areas in AREAS.items():
        canvas = Image.new("1", (SLICE_SHAPE[1], SLICE_SHAPE[0]))
        for area in areas:
            ImageDraw.Draw(canvas).polygon(outlines[area], fill=1)
        masks[region] = np.asarray(canvas)
    return masks


def _shifted(corner: Corner, mask: Bool[np.ndarray, "y x"], *, reach: int, step: int) -> list[Corner]:
    """Return the tiles about a cube that lie nine tenths or more in its region, the cube's own first."""
    shifts = range(-reach, reach + 1, step)
    found: list[tuple[int, Corner]] = []
    for dy in shifts:
        for dx in shifts:
            y, x = corner[0] + dy, corner[1] + dx
            if y < 0 or x < 0 or y + SIDE > SLICE_SHAPE[0] or x + SIDE > SLICE_SHAPE[1]:
                continue
            if (dy, dx) == (0, 0) or mask[y : y + SIDE, x : x + SIDE].mean() >= 0.9:
                found.append((dy * dy + dx * dx, (y, x)))
    return [tile for _, tile in sorted(found)]


def _within(mask: Bool[np.ndarray, "y x"], *, step: int) -> list[Corner]:
    """Return the tiles that lie nine tenths or more in a region, row by row."""
    height, width = mask.shape
    corners = product(range(0, height - SIDE + 1, step), range(0, width - SIDE + 1, step))
    return [(y, x) for y, x in corners if mask[y : y + SIDE, x : x + SIDE].mean() >= 0.9]


def region_task(folder: Path) -> TaskSpec:
    """Return Task 1 on the slice: trained on set A and about it, tested on B, C and D and the rest of it.

    Tiles but those of the sets lie nine tenths or more within their region's outline, which was drawn at
    z=309. Test tiles share no pixel with one another, so that each is a cube of its own; no training tile
    shares one with a test tile, which :class:`mtneuro_data.TaskSpec` refuses.
    """
    masks = _region_masks(_outlines(folder / FILES[1]))
    paper = {**builtin_task("roi-c3").cubes, **builtin_task("roi-c2").cubes}
    corners = {name: (cube.y[0], cube.x[0]) for name, cube in paper.items()}
    held_out = {name: corner for name, corner in corners.items() if not name.startswith("A-")}

    cubes: dict[str, Cube] = {}
    names: dict[str, list[str]] = {"train": [], "test": []}

    def add(split: str, name: str, region: str, tile: Corner) -> None:
        cubes[name] = Cube(region=region, y=(tile[0], tile[0] + SIDE), x=(tile[1], tile[1] + SIDE))
        names[split].append(name)

    train: list[Corner] = []
    for region in AREAS:
        about = _shifted(corners[f"A-{region}"], masks[region], reach=128, step=32)
        kept = [tile for tile in about if not any(_overlap(tile, other) for other in held_out.values())]
        for tile in kept[:MOST_TILES]:
            train.append(tile)
            add("train", f"A-{region}@{tile[0]},{tile[1]}", region, tile)
    tested = list(held_out.values())
    for name, (y, x) in sorted(held_out.items()):
        add("test", f"{name}@{y},{x}", name.split("-")[1], (y, x))
    for region, mask in masks.items():
        number = 0
        for tile in _within(mask, step=32):
            if not any(_overlap(tile, other) for other in (*train, *tested)):
                number += 1
                tested.append(tile)
                add("test", f"rest{number}-{region}@{tile[0]},{tile[1]}", region, tile)
    return TaskSpec(
        name="z159",
        kind="region",
        image=str(folder / FILES[0]),
        annotation=None,
        regions=tuple(AREAS),
        cubes=cubes,
        splits={split: (SplitPart(cubes=tuple(found), z=(0, 1)),) for split, found in names.items()},
        voxel_size_um=(1.17, 1.17, 1.17),
    )


def _cutout_task(folder: Path, name: str, kind: str, cubes: Mapping[str, Cube], **fields: Any) -> TaskSpec:
    return TaskSpec.model_validate(
        {
            "name": name,
            "kind": kind,
            "image": f"{folder / FILES[2]}#image",
            "annotation": f"{folder / FILES[2]}#label",
            "regions": ("CTX",),
            "cubes": cubes,
            "label_map": {0: 0, 1: 1, 2: 2},
            "class_names": ("background", "vessel", "cell"),
            "voxel_size_um": (0.65, 0.65, 0.65),
            **fields,
        }
    )


def segmentation_task(folder: Path, *, depth: int) -> TaskSpec:
    """Return Task 2 on the cutout, split in z with a gap of 12 slices."""
    # 192 of the 200 pixels: every network takes it.
    cubes = {"V2": Cube(region="CTX", y=(4, 196), x=(4, 196))}
    ranges = {"train": (0, 64), "test": (76, 100)}
    splits = {split: (SplitPart(cubes=tuple(cubes), z=z),) for split, z in ranges.items()}
    name = f"real-{3 if depth > 1 else 2}d-3class"
    return _cutout_task(folder, name, "segmentation", cubes, splits=splits, depth=depth)


COLUMNS = 4
"""Columns of the cutout along each side."""

COLUMN_SIDE = 48
"""Pixels of a column along each side, 31 um: a cell is 10 to 15 um wide."""


def semantics_task(folder: Path, *, held_out: bool) -> TaskSpec:
    """Return Task 3 on disjoint columns of the cutout, through all of its slices.

    The columns are those of a chessboard: encoders and readouts learn from one colour, and the other, which
    neither has seen, is scored.

    Parameters
    ----------
    folder
        The real files.
    held_out
        Which colour.
    """
    first = (200 - COLUMNS * COLUMN_SIDE) // 2
    cubes: dict[str, Cube] = {}
    for row in range(COLUMNS):
        for column in range(COLUMNS):
            if (row + column) % 2 == held_out:
                y, x = (first + COLUMN_SIDE * at for at in (row, column))
                side = {"y": (y, y + COLUMN_SIDE), "x": (x, x + COLUMN_SIDE)}
                cubes[f"V2-{row + 1}-{column + 1}"] = Cube(region="CTX", **side)
    splits = {"all": (SplitPart(cubes=tuple(cubes), z=(0, 100)),)}
    name = "real-semantics" if held_out else COLUMNS_TASK
    return _cutout_task(folder, name, "semantics", cubes, splits=splits)


def real_sample_inputs(preset: Preset, folder: Path) -> Inputs:
    """Return the three tasks on a folder of real files.

    Raises
    ------
    FileNotFoundError
        If one of :data:`FILES` is missing.
    """
    folder = folder.expanduser().resolve()
    for name in FILES:
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"--data must be a folder that holds {', '.join(FILES)}; {folder / name} is missing"
            )
    tasks: list[TaskSpec] = []
    if preset.task1:
        tasks.append(region_task(folder))
    if preset.task2:
        tasks += (segmentation_task(folder, depth=1), segmentation_task(folder, depth=8))
    if preset.task3:
        tasks.append(semantics_task(folder, held_out=True))
    from mtneuro_probe import FEATURES

    inputs = task_inputs(
        preset,
        tasks,
        caveat="One slice and one small cutout of real tissue: few samples, many of them overlapping or "
        "neighbours, so the figures are rough and are not the paper's tasks.",
    )
    column = {"column": "z=159: A to the rest", "paper_column": "roi-c2"}
    regions = [replace(region, **column) for region in inputs.regions]
    learnt: tuple[TaskSpec, ...] = ()
    if preset.task3:
        columns = semantics_task(folder, held_out=False)
        learnt = parts(columns, ("all",), downsample=1, z_step=preset.task3.z_step)
        regions.append(
            RegionInput(
                name=COLUMNS_TASK,
                trained_in=COLUMNS_TASK,
                train=learnt,
                training_set=joined_splits(COLUMNS_TASK, ("all",)),
                test=(),
                column=COLUMNS_TASK,
                downsample=1,
                paper_column="",
                several=False,
            )
        )
    return replace(
        inputs,
        semantics_learnt=learnt,
        # As in the paper: the cutout has no axons, and its table says so.
        features=FEATURES,
        regions=tuple(regions),
        segmentation=tuple(replace(half, classes="3class") for half in inputs.segmentation),
    )
