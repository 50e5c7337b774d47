"""What the three tasks read: the paper's cubes in any source, or a folder of real files."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from mtneuro_data import TaskSpec, builtin_task

from mtneuro_suite.preset.model import (
    PAPERS_EXTRA,
    Factor,
    Preset,
    RegionPreset,
    RegionTask,
    SegmentationPreset,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionInput:
    """One column of Table 1."""

    name: str
    trained_in: str
    """Name of the task whose models it scores: its own, but for ROI-C2, which trains nothing."""

    train: tuple[TaskSpec, ...]
    training_set: str
    """Name of the training images in a result's key."""

    test: tuple[TaskSpec, ...]
    """Empty where there is nothing to score: its encoders serve Task 3 alone."""

    column: str
    """Heading in our tables."""

    downsample: Factor

    paper_column: str
    """The paper's column that stands beside it; one of subvolumes is not in the paper."""

    table: Literal["1", "A3"] = "1"
    """The table that it is a column of; that of half the resolution stands in both."""

    several: bool = True
    """Whether its training images have two regions or more to tell apart."""

    @property
    def depth(self) -> int:
        """Slices of a sample: 1, or those of a subvolume."""
        return self.train[0].depth


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentationInput:
    """One half of Table 2: a class setting, for networks of one dimension."""

    name: str
    classes: str
    """``3class``, ``4class``, or the task's name where it is one's own."""

    class_names: tuple[str, ...]

    dimensions: Literal[2, 3]
    train: tuple[TaskSpec, ...]
    training_set: str
    test: tuple[TaskSpec, ...]
    searched: tuple[TaskSpec, ...] = ()
    """Where a search trains."""

    searched_set: str = ""
    val: tuple[TaskSpec, ...] = ()
    """Where a search chooses."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Everything that the runs read."""

    regions: tuple[RegionInput, ...]
    segmentation: tuple[SegmentationInput, ...]
    semantics: tuple[TaskSpec, ...]
    label_values: Mapping[str, int]
    """Label of each annotated class in the semantics task's masks."""

    features: tuple[str, ...]
    """What is measured of them: the columns of Table 3."""

    caveat: str
    """One line on why the figures are not comparable with the paper's; empty if they are."""

    semantics_learnt: tuple[TaskSpec, ...] = ()
    """Samples that readouts are fitted to, and others are scored; without any they are cross-validated."""

    papers_data: bool = False
    """Whether it is the paper's volume, or one's own in its place."""

    @property
    def scored_regions(self) -> tuple[RegionInput, ...]:
        """The columns of Table 1."""
        return tuple(region for region in self.regions if region.test)

    def tested(self, name: str) -> tuple[RegionInput, ...]:
        """Return the columns of Table 1 on which the encoders of a sub-task are scored."""
        return tuple(region for region in self.scored_regions if region.trained_in == name)

    def region(self, name: str) -> RegionInput:
        """Return the column of Table 1 of this name in a result's key."""
        return next(region for region in self.regions if region.name == name)

    @cached_property
    def fingerprints(self) -> dict[str, str]:
        """Digest of each local file that is read, so that another file of the same name is another input."""
        groups = (*self.regions, *self.segmentation)
        tasks = [task for group in groups for task in (*group.train, *group.test)]
        return local_fingerprints([*tasks, *self.semantics, *self.semantics_learnt])


def parts(task: TaskSpec, splits: Sequence[str], *, downsample: Factor, z_step: int) -> tuple[TaskSpec, ...]:
    """Return one task for each part of the splits, named alike, so that equal parts are loaded once."""
    return tuple(
        task.replaced(
            name="part",
            features=(),
            splits={"all": (part,)},
            cubes={name: task.cubes[name] for name in part.cubes},
            downsample=downsample,
            z_step=z_step,
        )
        for split in splits
        for part in task.splits[split]
    )


def of_depth(task: TaskSpec, depth: int) -> TaskSpec:
    """Return a task whose samples have another depth, and begin as far apart as they did if none overlap.

    Examples
    --------
    >>> sliced = builtin_task("semantics").replaced(z_step=16)
    >>> of_depth(sliced, 8).z_step, of_depth(sliced, 32).z_step, of_depth(sliced, 1) == sliced
    (2, 1, True)
    """
    if depth == task.depth:
        return task
    z_step = max(1, task.z_step * task.depth // depth)
    return task.replaced(depth=depth, z_step=z_step, across_cubes=False)


def joined_splits(name: str, splits: Sequence[str]) -> str:
    """Return the name of training images in a result's key.

    Examples
    --------
    >>> joined_splits("roi-c1", ("train", "val"))
    'roi-c1:train+val'
    """
    return f"{name}:{'+'.join(splits)}"


def source_of(source: str) -> str | dict[str, str]:
    """Return what ``TaskSpec.with_source`` takes for a preset's ``source``."""
    base, _, query = source.partition("?")
    if base in {"phantom", "bossdb"}:
        return source
    channels = ("image", "roi_labels", "pixel_labels")
    query = f"?{query}" if query else ""
    if "://" in base:
        return {channel: f"{base.rstrip('/')}/{channel}{query}" for channel in channels}
    folder = Path(base).expanduser().resolve()
    found = {
        name: path for name in channels for path in (folder / name, folder / f"{name}.zarr") if path.exists()
    }
    if len(found) < len(channels):
        raise ValueError(
            "source must be phantom, bossdb, or a folder or URI with the channels image, roi_labels and "
            f"pixel_labels (or image.zarr, …), got {source!r}, which has {', '.join(found) or 'none of them'}"
        )
    return {name: str(path) for name, path in found.items()}


def local_fingerprints(tasks: Iterable[TaskSpec]) -> dict[str, str]:
    """Return the digest of every local file that the tasks name."""
    uris = {uri for task in tasks for uri in (task.image, task.annotation) if uri}
    found: dict[str, str] = {}
    for uri in sorted(uris):
        path = Path(uri.partition("#")[0])
        if "://" in uri or not path.exists():
            continue
        hasher = hashlib.sha256()
        if path.is_file():
            with path.open("rb") as file:
                hasher = hashlib.file_digest(file, "sha256")
        else:
            # A Zarr store may be huge: names, sizes and times stand for its bytes.
            for file in sorted(p for p in path.rglob("*") if p.is_file()):
                stat = file.stat()
                hasher.update(f"{file.relative_to(path)} {stat.st_size} {stat.st_mtime_ns}\n".encode())
        found[uri] = hasher.hexdigest()[:16]
    return found


def paper_inputs(preset: Preset) -> Inputs:
    """Return the paper's tasks over the preset's source."""
    from mtneuro_probe import FEATURES, LABEL_VALUES

    source = source_of(preset.source)

    def task(name: str, extra: str = PAPERS_EXTRA) -> TaskSpec:
        return builtin_task(name, reading=preset.reading, extra=extra).with_source(source)

    # The original's own reading trains on its train range alone; the paper counts train and validation.
    train = ("train", "val") if preset.reading == "text" else ("train",)
    regions = _region_inputs(preset.task1, task, train) if preset.task1 else []
    segmentation: list[SegmentationInput] = []
    if two := preset.task2:
        segmentation = [
            segmentation_input(task(f"seg-{dimensions}d-{classes}"), two, classes=classes, learnt=train)
            for classes in two.classes
            for dimensions in (2, 3)
        ]
    semantics: tuple[TaskSpec, ...] = ()
    if preset.task1 and (three := preset.task3):
        semantics = parts(task("semantics"), ("all",), downsample=1, z_step=three.z_step)
    return Inputs(
        regions=tuple(regions),
        segmentation=tuple(segmentation),
        semantics=semantics,
        label_values=dict(LABEL_VALUES),
        features=FEATURES,
        caveat=_caveat(preset),
        papers_data=preset.source.partition("?")[0] != "phantom",
    )


def segmentation_input(
    task: TaskSpec, two: SegmentationPreset, *, classes: str, learnt: tuple[str, ...]
) -> SegmentationInput:
    """Return what the networks of one task read; a search trains without the split that it chooses by.

    Parameters
    ----------
    task
        The task.
    two
        How it is run.
    classes
        The paper's class setting, or a name of one's own.
    learnt
        Splits to train on; for a search, once it has chosen.
    """
    searched, val = (("train",), ("val",)) if two.search else ((), ())
    return SegmentationInput(
        name=task.name,
        classes=classes,
        class_names=task.class_names,
        dimensions=3 if task.depth > 1 else 2,
        train=parts(task, learnt, downsample=two.downsample, z_step=two.z_step),
        training_set=joined_splits(task.name, learnt),
        test=parts(task, ("test",), downsample=two.downsample, z_step=two.test_z_step),
        searched=parts(task, searched, downsample=two.downsample, z_step=two.z_step),
        searched_set=joined_splits(task.name, searched),
        val=parts(task, val, downsample=two.downsample, z_step=two.z_step),
    )


def _region_inputs(
    one: RegionPreset, task: Callable[[str, str], TaskSpec], train: tuple[str, ...]
) -> list[RegionInput]:
    """Return a column for each sub-task, and for each resolution and extra cube set that is asked for."""
    found: list[RegionInput] = []
    columns: list[tuple[Factor, tuple[RegionTask, ...], Literal["1", "A3"]]] = [
        *((factor, one.tasks, "1") for factor in one.downsample),
        *((factor, ("roi-c1",), "A3") for factor in one.resolutions),
    ]
    for factor, tasks, table in columns:
        scale = f"/{factor}" if len(one.downsample) > 1 or table == "A3" else ""
        for name in tasks:
            deep = name.endswith("-3d")
            steps, depth = (one.subvolumes, one.subvolumes.depth) if deep else (one, 1)
            for extra in one.extra[:1] if name.startswith("roi-c1") else one.extra:
                key, heading = _named(name, extra)
                learnt = name.replace("roi-c2", "roi-c1")
                trained_in = f"{_named(learnt, extra)[0]}{scale}"
                learning, testing = (task(each, extra).replaced(depth=depth) for each in (learnt, name))
                found.append(
                    RegionInput(
                        name=f"{key}{scale}",
                        trained_in=trained_in,
                        train=parts(learning, train, downsample=factor, z_step=steps.z_step),
                        training_set=joined_splits(trained_in, train),
                        test=parts(testing, ("test",), downsample=factor, z_step=steps.test_z_step),
                        column=heading + (f" at 1/{factor}" if scale else ""),
                        paper_column=name,
                        downsample=factor,
                        table=table,
                    )
                )
    return found


def _named(name: str, extra: str) -> tuple[str, str]:
    """Return a sub-task's name in a result's key, and its heading.

    Results are older than the knowledge of the paper's choice: in a key the set that was taken until then is
    the one that is not named.

    Examples
    --------
    >>> _named("roi-c3", "B"), _named("roi-c3", "D"), _named("roi-c1", "B")
    (('roi-c3[B]', 'ROI-C3'), ('roi-c3', 'ROI-C3[D]'), ('roi-c1', 'ROI-C1'))
    >>> _named("roi-c1-3d", "B")
    ('roi-c1-3d', 'ROI-C1 in 3D')
    """
    title = name.upper().replace("-3D", " in 3D")
    if name.startswith("roi-c1"):
        return name, title
    key, heading = ("" if extra == plain else f"[{extra}]" for plain in ("D", PAPERS_EXTRA))
    return f"{name}{key}", f"{title}{heading}"


def _caveat(preset: Preset) -> str:
    """Return in one line why our figures are not comparable with the paper's; empty if they are."""
    if preset.source.partition("?")[0] == "phantom":
        return (
            "The phantom is not the brain: these figures show that the benchmark runs, and are not to be "
            "compared with the paper's as results."
        )
    if preset.source != "bossdb":
        return f"Not the paper's volume ({preset.source}): the paper's figures are for orientation only."
    if not preset.follows_the_paper:
        return f"The paper's volume, not its settings ({preset.name}): its figures are for orientation only."
    return ""
