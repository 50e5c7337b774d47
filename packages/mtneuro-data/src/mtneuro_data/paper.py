"""The tasks of the paper, built from its tables."""

import tomllib
from collections.abc import Iterable
from importlib.resources import files
from typing import Literal, get_args

from mtneuro_data._shared.words import unknown_name
from mtneuro_data.task import CHANNELS, Cube, SplitPart, TaskSpec

Reading = Literal["text", "original"]
"""How the paper is read: by its text, or by the authors' code."""

REGIONS = ("CTX", "STR", "VP", "ZI")
CLASSES = ("background", "vessel", "cell", "axon")
# Raw region-of-interest labels: 0 unlabelled, 1 cortex, 2 striatum, 3 reticular thalamus, 4 VP,
# 5 zona incerta, 6 internal capsule, 7 hypothalamus, 8 corpus callosum.
ROI_MAP = {0: 0, 1: 0, 2: 1, 8: 1, 3: 2, 4: 2, 5: 3, 6: 3, 7: 3}
THREE_CLASSES = {0: 0, 1: 1, 2: 2, 3: 0}
FOUR_CLASSES = {0: 0, 1: 1, 2: 2, 3: 3}
VOXEL_SIZE_UM = (1.17, 1.17, 1.17)
"""Edges of a voxel of the benchmark's volume."""
EXTRA = "B"
"""The cube set that ROI-C3 adds to training, as the authors' site for the benchmark says."""
ANNOTATED_Z = (109, 460)
"""Slices of the benchmark's volume that have region labels."""
_WHOLE = (110, 470)
_SUBVOLUME = 8
"""Slices of a subvolume in the paper."""

_RANGES: dict[str, dict[str, tuple[int, int]]] = {
    "text": {"train": (110, 380), "val": (380, 410), "test": (420, 470)},
    "original": {"train": (110, 379), "val": (380, 409), "test": (420, 470)},
}
_NAMES = (
    "roi-c1",
    "roi-c2",
    "roi-c3",
    "roi-c1-3d",
    "roi-c2-3d",
    "roi-c3-3d",
    "seg-2d-3class",
    "seg-2d-4class",
    "seg-3d-3class",
    "seg-3d-4class",
    "semantics",
)


def task_names() -> tuple[str, ...]:
    """Return the names of the tasks that are built in.

    Examples
    --------
    >>> task_names()[0]
    'roi-c1'
    """
    return _NAMES


def builtin_task(name: str, *, reading: Reading = "text", extra: str = EXTRA) -> TaskSpec:
    """Return one of the paper's tasks over the public database's volume.

    Parameters
    ----------
    name
        One of `task_names`. ``roi-c1`` to ``roi-c3`` are Task 1, whose samples are subvolumes of 8
        slices where the name ends in ``-3d``; ``seg-…`` are Task 2 and ``semantics`` is Task 3.
    reading
        ``"text"`` gives the counts of the paper's text, 270, 30 and 50 slices a cube. ``"original"`` is
        what the authors' code does: 269, 29 and 50 slices, an image's region by its most frequent raw label,
        and subvolumes that run from one region into the next, the last of them short.
    extra
        The cube set (B, C or D) that ROI-C3 adds to training. ROI-C2 and ROI-C3 test on the other
        two. The paper does not name it; the authors' site for the benchmark does: B.

    Raises
    ------
    ValueError
        If a name is unknown.

    Notes
    -----
    Tables A1 and A2 of the paper. With ``train`` and ``val`` together the counts of the text
    follow: 1200 images for training and 200 for testing in ROI-C1, 2880 for testing in ROI-C2,
    2640 for training in ROI-C3, and 900 and 150 where the zona incerta is left out. ROI-C3's
    extra cubes train on all of their 360 slices.

    Examples
    --------
    >>> builtin_task("seg-2d-4class").counts()
    {'train': 810, 'val': 90, 'test': 150}
    """
    if name not in _NAMES:
        raise ValueError(unknown_name("the task", name, _NAMES))
    if reading not in get_args(Reading):
        raise ValueError(unknown_name("reading", reading, get_args(Reading)))
    if extra not in ("B", "C", "D"):
        raise ValueError(unknown_name("extra", extra, "BCD"))
    ranges = _RANGES[reading]
    if name.startswith("roi-"):
        return _region_task(name, ranges, extra, original=reading == "original")
    if name == "semantics":
        return _pixel_task(name, REGIONS, {"all": _WHOLE}, FOUR_CLASSES)
    three, deep = name.endswith("3class"), "-3d-" in name
    return _pixel_task(
        name,
        REGIONS if three else REGIONS[:3],
        ranges,
        THREE_CLASSES if three else FOUR_CLASSES,
        depth=_SUBVOLUME if deep else 1,
        across_cubes=deep and reading == "original",
    )


def _region_task(name: str, ranges: dict[str, tuple[int, int]], extra: str, *, original: bool) -> TaskSpec:
    column = name.removesuffix("-3d")
    others = [letter for letter in "BCD" if letter != extra]
    splits = {split: [_part("A", z)] for split, z in ranges.items()}
    if column != "roi-c1":
        splits["test"] = [_part(letter, _WHOLE) for letter in others]
    if column == "roi-c3":
        splits["train"].append(_part(extra, _WHOLE))
    used = {"roi-c1": "A", "roi-c2": ["A", *others], "roi-c3": "ABCD"}[column]
    return TaskSpec(
        name=name,
        kind="region",
        image=CHANNELS["image"],
        annotation=CHANNELS["roi_labels"],
        regions=REGIONS,
        cubes=_cubes(used, REGIONS),
        splits={split: tuple(parts) for split, parts in splits.items()},
        roi_map=ROI_MAP,
        annotated_z=ANNOTATED_Z,
        region_vote="label" if original else "region",
        depth=1 if name == column else _SUBVOLUME,
        across_cubes=original and name != column,
        voxel_size_um=VOXEL_SIZE_UM,
    )


def _pixel_task(
    name: str,
    regions: tuple[str, ...],
    ranges: dict[str, tuple[int, int]],
    label_map: dict[int, int],
    *,
    depth: int = 1,
    across_cubes: bool = False,
) -> TaskSpec:
    return TaskSpec(
        name=name,
        kind="semantics" if name == "semantics" else "segmentation",
        image=CHANNELS["image"],
        annotation=CHANNELS["pixel_labels"],
        regions=regions,
        cubes=_cubes("A", regions),
        splits={split: (_part("A", z, regions),) for split, z in ranges.items()},
        class_names=CLASSES[: max(label_map.values()) + 1],
        label_map=label_map,
        depth=depth,
        across_cubes=across_cubes,
        voxel_size_um=VOXEL_SIZE_UM,
    )


def _cubes(letters: Iterable[str], regions: tuple[str, ...]) -> dict[str, Cube]:
    table = tomllib.loads(files("mtneuro_data").joinpath("paper_cubes.toml").read_text("utf-8"))
    return {
        f"{letter}-{region}": Cube(region=region, **table[letter][region])
        for letter in letters
        for region in regions
    }


def _part(letter: str, z: tuple[int, int], regions: tuple[str, ...] = REGIONS) -> SplitPart:
    return SplitPart(cubes=tuple(f"{letter}-{region}" for region in regions), z=z)
