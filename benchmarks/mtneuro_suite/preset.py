"""Presets: what to run, as validated values read from TOML."""

import difflib
import tomllib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from mtneuro_suite.paper import METHOD_ROWS

RegionTask = Literal["roi-c1", "roi-c2", "roi-c3"]
Settings = dict[str, Any]
"""Fields of a package's ``TrainSettings``; checked against it when the runs are planned."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names or len(set(names)) != len(names):
        raise ValueError(f"must name at least one, and each once, got {list(names)}")
    return names


class RegionPreset(_Frozen):
    """Task 1: which methods learn, from how much, and where they are scored."""

    methods: tuple[str, ...] = (*METHOD_ROWS, "untrained")
    """Names from ``mtneuro-ssl methods``. ``untrained``, random weights, is the floor under the table."""

    tasks: tuple[RegionTask, ...] = ("roi-c1", "roi-c2", "roi-c3")
    """Columns of Table 1. Ignored by the real sample, which has one task of its own."""

    downsample: Literal[1, 2, 4] = 2
    """Factor by which images are reduced; the paper's default is 2."""

    z_step: int = Field(default=1, ge=1)
    """Every how many slices of the training cubes one is taken; 1 is the paper's."""

    test_z_step: int = Field(default=1, ge=1)
    """The same for the test slices."""

    mixup_probabilities: tuple[float, ...] = (0.5,)
    """Probabilities that mixup is tried with; the best mean is the table's, and the table says which."""

    settings: Settings = {}
    """Training settings of every method."""

    per_method: dict[str, Settings] = {}
    """Training settings of one method, over ``settings``."""

    _each_once = field_validator("methods", "tasks")(_distinct)


class SegmentationPreset(_Frozen):
    """Task 2: which networks learn, and in which class settings."""

    models: tuple[str, ...] = (
        "unet",
        "manet",
        "fpn",
        "unetplusplus",
        "pan",
        "pspnet",
        "unet3d",
        "vnetlight",
        "highresnet",
    )
    """Names from ``mtneuro-seg models``."""

    classes: tuple[Literal["3class", "4class"], ...] = ("3class", "4class")
    """``3class`` counts axons as background; ``4class`` leaves the region ZI out."""

    downsample: Literal[1, 2, 4] = 1
    z_step: int = Field(default=1, ge=1)
    """Every how many training slices (3D: subvolumes) one is taken; 1 is the paper's."""

    test_z_step: int = Field(default=1, ge=1)
    paper_settings: bool = True
    """Whether learning rate and batch size are Table A4's, where it has them."""

    settings: Settings = {}
    per_model: dict[str, Settings] = {}

    _each_once = field_validator("models", "classes")(_distinct)


class SemanticsPreset(_Frozen):
    """Task 3: which encoders are read out, and on what."""

    encoders: tuple[Literal["roi-c1", "roi-c3"], ...] = ("roi-c1", "roi-c3")
    """Halves of Table 3, by the task in which the encoder was trained."""

    view: Literal["whole", "corners"] = "whole"
    """Whether a sample is an image (the paper's) or one of its four corners."""

    downsample: Literal[1, 2, 4] | None = None
    """Reduction of the images that are embedded; by default Task 1's."""

    z_step: int = Field(default=1, ge=1)
    umap_method: str = "byol"
    """The method whose embedding is drawn, as in Figure 4."""

    umap_neighbours: int = Field(default=100, ge=2)

    _each_once = field_validator("encoders")(_distinct)


class Preset(_Frozen):
    """Everything that decides which runs there are.

    Examples
    --------
    >>> preset = read_preset("demo")
    >>> preset.source, preset.inputs
    ('phantom', 'paper')
    """

    name: str
    description: str
    inputs: Literal["paper", "real-sample"] = "paper"
    """``paper``: the paper's cubes in ``source``; ``real-sample``: the files in a folder of real data."""

    source: str = "phantom"
    """``phantom`` (or ``phantom?seed=7``), ``bossdb``, or a folder or URI under which ``image``,
    ``roi_labels`` and ``pixel_labels`` lie."""

    reading: Literal["text", "original"] = "text"
    """Which reading of the paper's z ranges: its text's counts, or the original code's."""

    seeds: tuple[int, ...] = (1,)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    task1: RegionPreset | None = None
    task2: SegmentationPreset | None = None
    task3: SemanticsPreset | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "Preset":
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds must be distinct and at least one, got {list(self.seeds)}")
        if self.task1 is None and self.task2 is None:
            raise ValueError("a preset needs [task1] or [task2], got neither")
        if self.task3 and not self.task1:
            raise ValueError("[task3] reads out the encoders of [task1], which is missing")
        if self.task1 and "roi-c2" in self.task1.tasks and "roi-c1" not in self.task1.tasks:
            raise ValueError("roi-c2 scores the models of roi-c1: add roi-c1 to task1.tasks")
        if self.inputs == "paper" and self.task1 and self.task3:
            for task in self.task3.encoders:
                if task not in self.task1.tasks:
                    raise ValueError(f"task3.encoders asks for {task}, which task1.tasks lacks: add it there")
        for section, keys in _NOT_OF_THE_SAMPLE.items() if self.inputs == "real-sample" else ():
            ignored = keys & getattr(getattr(self, section), "model_fields_set", set())
            if ignored:
                raise ValueError(f"{section}.{min(ignored)} does nothing with the real sample: leave it out")
        return self

    @property
    def follows_the_paper(self) -> bool:
        """Whether what is run is run as the paper ran it: all slices, its resolution, its settings."""
        kept = {"methods", "tasks", "models", "classes", "encoders", "mixup_probabilities", "umap_method"}
        sections = (
            (self.task1, RegionPreset()),
            (self.task2, SegmentationPreset()),
            (self.task3, SemanticsPreset()),
        )
        return all(
            one is None or one.model_dump(exclude=kept) == own.model_dump(exclude=kept)
            for one, own in sections
        )


_NOT_OF_THE_SAMPLE = {
    "task1": {"tasks", "z_step", "test_z_step"},
    "task2": {"classes", "z_step", "test_z_step"},
    "task3": {"encoders"},
}
"""Fields that the real sample has no use for."""


def _folder() -> Path:
    return Path(str(files("mtneuro_suite"))).parent / "presets"


def preset_names() -> tuple[str, ...]:
    """Return the names of the presets that come with the suite.

    Examples
    --------
    >>> "demo" in preset_names()
    True
    """
    return tuple(sorted(path.stem for path in _folder().glob("*.toml")))


def did_you_mean(name: str, allowed: Sequence[str]) -> str:
    """Return the end of an error about an unknown name: the nearest allowed one, if any is near.

    Examples
    --------
    >>> did_you_mean("byoll", ["byol", "pca"])
    "; did you mean 'byol'?"
    >>> did_you_mean("x", ["byol", "pca"])
    ''
    """
    near = difflib.get_close_matches(name, allowed, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def one_line(error: ValidationError, where: str, allowed: Sequence[str]) -> str:
    """Return a validation error as one line: the first offending key, the rule and the value."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if first["type"] == "extra_forbidden":
        hint = did_you_mean(key.rpartition(".")[2], allowed) or f"; allowed: {', '.join(allowed)}"
        return f"{where}: unknown key {key!r}{hint}{more}"
    got = "" if isinstance(first["input"], dict) else f", got {first['input']!r}"
    return f"{where}: {key + ': ' if key else ''}{first['msg'].removeprefix('Value error, ')}{got}{more}"


_SECTIONS: dict[str, type[_Frozen]] = {
    "task1": RegionPreset,
    "task2": SegmentationPreset,
    "task3": SemanticsPreset,
}


def read_preset(name_or_path: str) -> Preset:
    """Return a preset by name, or from a TOML file.

    Parameters
    ----------
    name_or_path
        One of :func:`preset_names`, or a path that ends in ``.toml``.

    Raises
    ------
    ValueError
        If the name is unknown, the file is not TOML, or a key or value in it is not allowed.
    FileNotFoundError
        If the file does not exist.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = _folder() / f"{name_or_path}.toml"
        if name_or_path not in preset_names():
            raise ValueError(
                f"preset must be one of {', '.join(preset_names())}, or a .toml file, "
                f"got {name_or_path!r}{did_you_mean(name_or_path, preset_names())}"
            )
    elif not path.is_file():
        raise FileNotFoundError(f"no preset file at {path}")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not valid TOML: {error}") from None
    try:
        return Preset.model_validate({"name": path.stem, **values})
    except ValidationError as error:
        section = _SECTIONS.get(str(next(iter(error.errors()[0]["loc"]), "")), Preset)
        raise ValueError(one_line(error, path.name, list(section.model_fields))) from None
