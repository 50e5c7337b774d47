"""A task: which cubes of which volume it reads, how they are split, and what their labels mean."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from itertools import combinations
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from mtneuro_data._shared.intensity import GreyType, Level, checked_levels
from mtneuro_data._shared.settings import Settings
from mtneuro_data._shared.words import unknown_name
from mtneuro_data.cube import CubeSpec
from mtneuro_data.labels import BOUNDARIES, EVERY_OTHER, WORDS
from mtneuro_data.short_forms import in_full

CHANNELS = {
    "image": "bossdb://prasad/prasad2020/image",
    "roi_labels": "bossdb://prasad/prasad_analysis/roi_labels",
    "pixel_labels": "bossdb://prasad/prasad_analysis/pixel_labels",
}
"""The channels of the benchmark's volume in the public database."""


_LARGEST_INDEX = 1 << 31
_MOST_CLASSES = 256

_LATER = ("intensity", "image_type", "instances", "region_vote", "across_cubes")
"""Fields that count in a fingerprint only where they are set: results that carry one are older."""


def _half_open(value: tuple[int, int]) -> tuple[int, int]:
    lo, hi = value
    if not 0 <= lo < hi <= _LARGEST_INDEX:
        raise ValueError(f"range must satisfy 0 <= lower < upper <= {_LARGEST_INDEX}, got [{lo}, {hi})")
    return value


Range = Annotated[tuple[int, int], AfterValidator(_half_open)]
"""A half-open range of voxels along one axis."""


def _raw_label(raw: Any) -> int | str:
    if raw in WORDS:
        return raw
    try:
        label = int(raw)
    except (TypeError, ValueError, OverflowError):
        label = None
    if label is None or (not isinstance(raw, str) and label != raw):
        raise ValueError(unknown_name("a label that is no whole number", str(raw), WORDS))
    return label


# Any, so that a plain dict[int, int] is one of them for a type checker too.
RawLabel = Annotated[Any, BeforeValidator(_raw_label)]
"""A label of the label volume, or a word that stands for several: see `mtneuro_data.mapped_labels`."""

Length = Annotated[float, Field(gt=0, allow_inf_nan=False)]
"""A finite length above zero."""


class Cube(Settings):
    """A named column of the volume: its region of interest and its face, half-open.

    Examples
    --------
    >>> Cube(region="CTX", y=(900, 1156), x=(4600, 4856)).face
    (256, 256)
    """

    region: str = ""
    """Name of the region it lies in; one of the task's ``regions``. May be left out where there is one."""

    y: Range
    """Rows, half-open."""

    x: Range
    """Columns, half-open."""

    @property
    def face(self) -> tuple[int, int]:
        """Rows and columns."""
        return (self.y[1] - self.y[0], self.x[1] - self.x[0])


class SplitPart(Settings):
    """Some cubes over one range of slices.

    Examples
    --------
    >>> SplitPart(cubes=("A-CTX", "A-STR"), z=(110, 380)).z
    (110, 380)
    """

    cubes: tuple[str, ...] = Field(default=(), min_length=1)
    """Names of cubes, in the order in which they are loaded; all of the task's cubes if left out."""

    z: Range
    """Slices, half-open."""


class TaskSpec(Settings):
    """Everything that decides which arrays a task's split consists of.

    The splits ``train``, ``val`` and ``test`` share no voxel. Where two of their cubes overlap in rows and
    columns, those of test stay at least ``z_buffer`` slices away from those of train and val (train and
    val may be adjacent). Splits of other names are not checked against each other.

    Examples
    --------
    >>> from mtneuro_data import builtin_task
    >>> builtin_task("roi-c1").counts()
    {'train': 1080, 'val': 120, 'test': 200}
    """

    name: str
    """The task's name, for people."""

    kind: Literal["region", "segmentation", "semantics"]
    """What is to be predicted: an image's region, each pixel's class, or semantic features."""

    image: str
    """URI of the image volume."""

    annotation: str | None = None
    """URI of the label volume: pixel labels, or region labels for the kind ``region``. With ``None``, an
    image of that kind belongs to its cube's region."""

    regions: tuple[str, ...] = Field(default=(), min_length=1)
    """Names of the regions; a region's position here is its class. If left out, those that the cubes name, in
    order; where none does, one region called ``volume``."""

    cubes: dict[str, Cube] = Field(min_length=1)
    """The cubes by name."""

    splits: dict[str, tuple[SplitPart, ...]] = Field(min_length=1)
    """The parts of each split."""

    z_buffer: int = Field(default=10, ge=0, le=_LARGEST_INDEX)
    """Smallest number of slices between train or val and test in the same rows and columns."""

    class_names: tuple[str, ...] = ()
    """Names of the pixel classes; a class's position here is its value in the masks. If left out,
    ``background`` and then the names that ``label_map`` gives, in order."""

    label_map: dict[RawLabel, int] = Field(default_factory=dict)
    """Raw pixel label -> class, by its number or its name. ``"*"`` is every other label except 0, and
    ``"boundary"`` and ``"boundary_3d"`` the boundaries of those: see `mtneuro_data.mapped_labels`."""

    features: tuple[str, ...] = ()
    """What is measured of the classes, for the kind ``semantics``: a class's name and a measure each, such as
    ``mitochondrion_count`` or ``membrane_length_density``, as the benchmark's suite reads them. Left out, the
    suite takes what suits the classes."""

    instances: str | None = None
    """The class whose objects the labels tell apart by an id each, for the kind ``semantics``: `load` then
    keeps the ids, and the suite counts and measures them, not the connected components of the class."""

    roi_map: dict[RawLabel, int] = Field(default_factory=dict)
    """Raw region-of-interest label -> index into ``regions``, or its name; ``"*"`` is every other label
    except 0."""

    annotated_z: Range | None = None
    """Slices that have region-of-interest labels; other images belong to their cube's region."""

    depth: int = Field(default=1, ge=1, le=_LARGEST_INDEX)
    """Slices of one image: 1 for images, more for subvolumes."""

    region_vote: Literal["region", "label"] = "region"
    """What an image's voxels vote for. ``region``: the region that most of them lie in, labels of one region
    together. ``label``: the region of the most frequent label, as in the authors' code."""

    across_cubes: bool = False
    """Whether subvolumes run from the end of each cube of a part into the next, as in the authors' code. What
    the last one then lacks is black, and 255 in the masks, unlabelled. By default slices that do not fill a
    subvolume are left out."""

    downsample: Literal[1, 2, 4] = 1
    """Factor by which rows and columns are reduced; never slices."""

    z_step: int = Field(default=1, ge=1, le=_LARGEST_INDEX)
    """Keep every ``z_step``-th image of each part, for small runs."""

    voxel_size_um: tuple[Length, Length, Length] | None = None
    """Edges of a voxel of the volume in micrometres, ``(z, y, x)``. By default what the volume states; where
    both state it, they must agree to 1 in 1000."""

    intensity: tuple[float | str, float | str] | None = None
    """The intensities that become black and white, as numbers, or as percentiles of the training images,
    ``("0.5%", "99.5%")``; those beyond become the same. Without it an image must be uint8, and is taken as it
    is."""

    image_type: GreyType = "uint8"
    """What the images become in a window of intensities: ``uint8``, 0 to 255, or ``float32``, 0 to 1."""

    @model_validator(mode="before")
    @classmethod
    def _filled_in(cls, values: Any) -> Any:
        return in_full(values) if isinstance(values, Mapping) else values

    @field_validator("intensity")
    @classmethod
    def _window(cls, levels: tuple[Level, Level] | None) -> tuple[Level, Level] | None:
        return None if levels is None else checked_levels(levels)

    @field_validator("regions", "class_names", "features")
    @classmethod
    def _no_repeats(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f'names must differ, got "{name}" {names.count(name)} times')
        return names

    @model_validator(mode="after")
    def _consistent(self) -> "TaskSpec":
        if self.image_type != "uint8" and self.intensity is None:
            raise ValueError(f"image_type {self.image_type} needs intensity, the levels of black and white")
        if self.across_cubes:
            self._check_across()
        self._check_names()
        self._check_faces()
        self._check_label_maps()
        self._check_splits()
        return self

    def _check_across(self) -> None:
        if self.depth == 1:
            raise ValueError("across_cubes is about subvolumes: depth must be more than 1, got 1")
        if self.instances is not None or BOUNDARIES.keys() & self.label_map.keys():
            raise ValueError(
                "across_cubes puts slices of two cubes together, where instances and their boundaries mean "
                "nothing: leave one of them out"
            )
        if len(self.class_names) == _MOST_CLASSES:
            raise ValueError(
                f"class_names must be {_MOST_CLASSES - 1} at most with across_cubes, as one value of a mask "
                f"means unlabelled, got {_MOST_CLASSES}"
            )

    def _check_names(self) -> None:
        for name, cube in self.cubes.items():
            if not cube.region:
                names = ", ".join(filter(None, self.regions))
                raise ValueError(f'the cube "{name}" must name its region, one of {names}')
            if cube.region not in self.regions:
                what = f'the region of the cube "{name}"'
                raise ValueError(unknown_name(what, cube.region, self.regions))
        for split, parts in self.splits.items():
            for part in parts:
                for name in part.cubes:
                    if name not in self.cubes:
                        raise ValueError(unknown_name(f'a cube of the split "{split}"', name, self.cubes))
                    if part.cubes.count(name) > 1:
                        raise ValueError(f'split "{split}" names the cube "{name}" twice in one part')

    def _check_faces(self) -> None:
        first, face = next((name, cube.face) for name, cube in self.cubes.items())
        for name, cube in self.cubes.items():
            if cube.face != face:
                raise ValueError(
                    f'cubes must have one shape (y, x): "{first}" has {face}, "{name}" has {cube.face}'
                )
        if face[0] % self.downsample or face[1] % self.downsample:
            raise ValueError(f"downsample {self.downsample} must divide the cubes' shape (y, x), got {face}")

    def _check_label_maps(self) -> None:
        if self.kind == "region":
            if self.annotation is not None and not self.roi_map:
                raise ValueError(
                    "roi_map must not be empty if the task has an annotation of regions; "
                    "without an annotation, images have their cube's region"
                )
        elif self.annotation is None or not self.class_names or not self.label_map:
            given = {
                "annotation": self.annotation,
                "class_names": self.class_names,
                "label_map": self.label_map,
            }
            missing = " and ".join(key for key, value in given.items() if not value)
            raise ValueError(
                f'the kind "{self.kind}" needs annotation, class_names and label_map, got no {missing}; '
                'images without labels are of the kind "region", ids of instances a label_map of '
                '{"*": "cell"}'
            )
        if len(self.class_names) > _MOST_CLASSES:
            raise ValueError(
                f"class_names must be {_MOST_CLASSES} at most, as a mask holds bytes, "
                f"got {len(self.class_names)}"
            )
        if len(self.label_map.keys() & BOUNDARIES.keys()) > 1:
            raise ValueError(f"label_map must name one of {', '.join(BOUNDARIES)}, got both")
        if misplaced := self.roi_map.keys() & BOUNDARIES.keys():
            raise ValueError(f"roi_map takes labels and {EVERY_OTHER}, got {min(map(str, misplaced))}")
        if self.features and self.kind != "semantics":
            raise ValueError(f'features are measured by the kind "semantics", got them in "{self.kind}"')
        if self.instances is not None:
            self._check_instances(self.instances)
        for key, table, size in (
            ("label_map", self.label_map, len(self.class_names)),
            ("roi_map", self.roi_map, len(self.regions)),
        ):
            for raw, value in table.items():
                if not 0 <= value < size:
                    raise ValueError(f"{key} must map labels to classes in [0, {size}), got {raw} -> {value}")

    def _check_instances(self, name: str) -> None:
        if self.kind != "semantics":
            raise ValueError(f'instances are measured by the kind "semantics", got them in "{self.kind}"')
        edges = {value for raw, value in self.label_map.items() if raw in BOUNDARIES}
        choice = [
            known
            for value, known in enumerate(self.class_names)
            if value and value not in edges and value in self.label_map.values()
        ]
        if name not in choice:
            raise ValueError(unknown_name("instances, a class that label_map gives to ids", name, choice))

    def _check_splits(self) -> None:
        for split in self.splits:
            if not self._count(split):
                raise ValueError(f'split "{split}" holds no image of {self.depth} slices')
            boxes = self.boxes(split)
            for (name, a), (other, b) in combinations(boxes, 2):
                # Shifted tiles may overlap within a split; the same cube twice would repeat sample ids.
                if name == other and a.shares_voxels(b):
                    raise ValueError(
                        f'split "{split}" holds slices twice: {_place(name, a)}, {_place(other, b)}'
                    )
        for one, two in combinations([s for s in ("train", "val", "test") if s in self.splits], 2):
            for name, a in self.boxes(one):
                for other, b in self.boxes(two):
                    self._check_pair((one, name, a), (two, other, b))

    def _check_pair(self, one: tuple[str, str, CubeSpec], two: tuple[str, str, CubeSpec]) -> None:
        (split, name, a), (other_split, other, b) = one, two
        places = f"{split} has {_place(name, a)}, {other_split} has {_place(other, b)}"
        if a.shares_voxels(b):
            raise ValueError(f"splits must share no voxel: {places}")
        gap, *across = a.box.gaps(b.box)
        if max(across) < 0 and other_split == "test" and gap < self.z_buffer:
            raise ValueError(
                f"{split} and test must lie at least {self.z_buffer} slices apart along z, got {gap}: "
                + places
            )

    def boxes(self, split: str) -> tuple[tuple[str, CubeSpec], ...]:
        """Return the name and the voxel box of every cube of a split, in loading order.

        Raises
        ------
        ValueError
            If the task has no such split.
        """
        return tuple(
            (
                name,
                CubeSpec(
                    channel=self.image,
                    lower=(part.z[0], self.cubes[name].y[0], self.cubes[name].x[0]),
                    upper=(part.z[1], self.cubes[name].y[1], self.cubes[name].x[1]),
                ),
            )
            for part in self._parts(split)
            for name in part.cubes
        )

    def samples(self, split: str) -> tuple[tuple[str, int], ...]:
        """Return the cube and the first slice of every image of a split, in loading order.

        Raises
        ------
        ValueError
            If the task has no such split.

        Examples
        --------
        >>> from mtneuro_data import builtin_task
        >>> builtin_task("roi-c1").samples("test")[:2]
        (('A-CTX', 420), ('A-CTX', 421))
        """
        return tuple((name, z) for name, box in self.boxes(split) for z in self.first_slices(box))

    def first_slices(self, box: CubeSpec) -> range:
        """Return the first slices of the images that one box of the task is cut into."""
        end = box.upper[0] if self.across_cubes else box.upper[0] - self.depth + 1
        return range(box.lower[0], end, self.depth * self.z_step)

    def counts(self) -> dict[str, int]:
        """Return the number of images of each split."""
        return {split: self._count(split) for split in self.splits}

    def _count(self, split: str) -> int:
        # Counted without listing them: a hostile file may ask for billions.
        return sum(len(self.first_slices(box)) for _, box in self.boxes(split))

    def with_labels(self, fraction: float, *, splits: str | Sequence[str] = "train") -> "TaskSpec":
        """Return the task with a part of the labelled images of some splits, to learn from fewer labels.

        Of each cube, one block of neighbouring slices is kept: the first of all that the splits hold of it.
        A random choice would leave most left-out slices a neighbour that is kept, and almost their copy. A
        smaller fraction's images are among a larger one's, and each cube keeps one image at least, so that
        no region is lost. Other splits stay as they are.

        Parameters
        ----------
        fraction
            Part of each cube's images to keep, above 0 and at most 1; rounded to whole images, halves up.
            ``counts`` says how many they are.
        splits
            One or several splits that are cut together. One that keeps nothing is left out.

        Raises
        ------
        ValueError
            If the fraction is not in that range, or the task has no such split.

        Examples
        --------
        >>> from mtneuro_data import builtin_task
        >>> task = builtin_task("roi-c1")
        >>> task.with_labels(0.1).counts(), task.with_labels(0.001).counts()["train"]
        ({'train': 108, 'val': 120, 'test': 200}, 4)
        >>> task.with_labels(0.95, splits=("train", "val")).counts()
        {'train': 1080, 'val': 60, 'test': 200}
        """
        if not 0 < fraction <= 1:
            raise ValueError(f"the fraction of the labels must be above 0 and at most 1, got {fraction:g}")
        chosen = self.split_names(splits)
        if fraction == 1:
            return self
        boxes = sorted((box.lower[0], name, box) for split in chosen for name, box in self.boxes(split))
        there: dict[str, int] = {}
        for _, name, box in boxes:
            there[name] = there.get(name, 0) + len(self.first_slices(box))
        left = {name: max(1, int(fraction * count + 0.5)) for name, count in there.items()}
        # By cube and first slice: where the kept block ends.
        ends: dict[tuple[str, int], int] = {}
        for lower, name, box in boxes:
            if count := min(left[name], len(self.first_slices(box))):
                last = self.first_slices(box)[count - 1]
                ends[name, lower] = min(box.upper[0], last + self.depth)
                left[name] -= count
        cut = {
            split: tuple(part for one in self.splits[split] for part in _shortened(one, ends))
            for split in chosen
        }
        return self.replaced(
            splits={name: parts for name, old in self.splits.items() if (parts := cut.get(name, old))}
        )

    def touching(self) -> tuple[tuple[str, str, str, str], ...]:
        """Return the pairs of cubes that touch across the border between test and train or val.

        Some pairs of the paper's own tasks do. Each item is ``(split, cube, other split, other cube)``.

        Examples
        --------
        >>> from mtneuro_data import builtin_task
        >>> builtin_task("roi-c3").touching()[0]
        ('train', 'A-STR', 'test', 'D-STR')
        """
        if "test" not in self.splits:
            return ()
        return tuple(
            (split, name, "test", other)
            for split in ("train", "val")
            if split in self.splits
            for name, a in self.boxes(split)
            for other, b in self.boxes("test")
            if a.touches(b)
        )

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that identify the resolved task.

        They are the start of the SHA-256 of its canonical JSON, together with the phantom's version
        where the voxels are the phantom's.
        """
        # What is measured of the labels changes no array.
        content: dict[str, Any] = {"task": self.model_dump(mode="json", exclude={"features"})}
        for name in _LATER:
            if getattr(self, name) == type(self).model_fields[name].default:
                del content["task"][name]
        if self.image.startswith("phantom://"):
            # Imported by name and only here: reading other volumes does not execute the phantom.
            content["phantom_version"] = import_module("mtneuro_data.phantom").PHANTOM_VERSION
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def replaced(self, **changes: Any) -> "TaskSpec":
        """Return the task with some fields changed; the result is validated again.

        Examples
        --------
        >>> from mtneuro_data import builtin_task
        >>> builtin_task("roi-c1").replaced(z_step=10, downsample=4).counts()
        {'train': 108, 'val': 12, 'test': 20}
        """
        # Attributes rather than model_dump: the parts are validated models already.
        fields = {key: getattr(self, key) for key in type(self).model_fields}
        return TaskSpec(**{**fields, **changes})

    def with_source(self, source: str | Mapping[str, str]) -> "TaskSpec":
        """Return the task over another volume with the same coordinates.

        Parameters
        ----------
        source
            ``"bossdb"``, ``"phantom"`` (also ``"phantom?seed=7"``), or the URIs of the channels by
            name: ``image``, and ``roi_labels`` or ``pixel_labels`` as the task needs. A region task
            without ``roi_labels`` takes its regions from the cubes.

        Raises
        ------
        ValueError
            If the source is unknown or lacks a channel that the task needs.

        Examples
        --------
        >>> from mtneuro_data import builtin_task
        >>> builtin_task("roi-c1").with_source("phantom?seed=7").annotation
        'phantom://roi_labels?seed=7'
        """
        channels = _channels(source)
        needed = "roi_labels" if self.kind == "region" else "pixel_labels"
        if "image" not in channels or (self.kind != "region" and needed not in channels):
            raise ValueError(
                f"task {self.name} needs the channels image and {needed}, got {', '.join(channels) or 'none'}"
            )
        return self.replaced(image=channels["image"], annotation=channels.get(needed))

    def _parts(self, split: str) -> tuple[SplitPart, ...]:
        if split not in self.splits:
            raise ValueError(unknown_name(f"a split of the task {self.name}", split, self.splits))
        return self.splits[split]

    def split_names(self, split: str | Sequence[str]) -> tuple[str, ...]:
        """Return one or several split names as a tuple, each checked.

        Raises
        ------
        ValueError
            If none is given, one is given twice, or the task has no such split.
        """
        names = (split,) if isinstance(split, str) else tuple(split)
        if not names or len(set(names)) < len(names):
            raise ValueError(f"splits must be named once each, got {list(names)}")
        for name in names:
            self._parts(name)
        return names


def _shortened(part: SplitPart, ends: Mapping[tuple[str, int], int]) -> list[SplitPart]:
    """Return a part up to where each of its cubes ends, by cube and first slice."""
    cubes: dict[int, list[str]] = {}
    for name in part.cubes:
        if end := ends.get((name, part.z[0])):
            cubes.setdefault(end, []).append(name)
    return [SplitPart(cubes=tuple(names), z=(part.z[0], end)) for end, names in cubes.items()]


def _channels(source: str | Mapping[str, str]) -> dict[str, str]:
    if not isinstance(source, str):
        for name in source:
            if name not in CHANNELS:
                raise ValueError(unknown_name("a channel", name, CHANNELS))
        return dict(source)
    name, mark, query = source.partition("?")
    if name == "phantom":
        return {channel: f"phantom://{channel}{mark}{query}" for channel in CHANNELS}
    if source == "bossdb":
        return dict(CHANNELS)
    raise ValueError(unknown_name("the source", source, ("bossdb", "phantom")))


def _place(name: str, box: CubeSpec) -> str:
    axes: Iterator[tuple[str, int, int]] = zip("zyx", box.lower, box.upper, strict=True)
    return f"{name} " + " ".join(f"{axis} [{lo}, {hi})" for axis, lo, hi in axes)
