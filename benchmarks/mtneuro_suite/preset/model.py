"""Presets: what to run, as validated values read from TOML."""

from collections.abc import Collection, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import parse_qsl

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, field_validator, model_validator

from mtneuro_suite._shared.settings import Settings, read_values
from mtneuro_suite._shared.words import one_line, unknown_name
from mtneuro_suite.preset.paper import METHOD_ROWS, NETWORK_ROWS

RegionTask = Literal["roi-c1", "roi-c2", "roi-c3", "roi-c1-3d", "roi-c2-3d", "roi-c3-3d"]
Factor = Literal[1, 2, 4]
"""By how much images are reduced."""

CubeSet = Literal["B", "C", "D"]
PAPERS_EXTRA: CubeSet = "B"
"""The cube set that the paper's ROI-C3 adds to training, as the authors' site for the benchmark says."""

TrainingValues = dict[str, Any]
"""Fields of a package's ``TrainSettings``; checked against it when the runs are planned."""

Head = Literal["linear", "convolutional"]
"""What reads the classes of pixels off the feature maps of a frozen encoder."""

OwnRows = dict[str, TrainingValues]
"""A user's own rows by name: training settings, ``{folder = "..."}``, a trained model's folder, or
``{embeddings = "..."}``, a file of embeddings, which stand in place of an encoder. With
``like = "supervised"``, a method or network of the paper, settings are added to that one's own, and the
paper's numbers of it stand beside the row's."""


def _distinct(names: tuple[Any, ...]) -> tuple[Any, ...]:
    if not names or len(set(names)) != len(names):
        raise ValueError(f"must name at least one, and each once, got {list(names)}")
    return names


def _no_twice(names: tuple[Any, ...]) -> tuple[Any, ...]:
    return _distinct(names) if names else names


def _in_a_tuple(value: object) -> object:
    """Let a file say ``2`` for ``[2]``."""
    return (value,) if isinstance(value, int | float | str) else value


def _in_order(fractions: tuple[float, ...]) -> tuple[float, ...]:
    if len(set(fractions)) != len(fractions):
        raise ValueError(f"must be named once each, got {list(fractions)}")
    return tuple(sorted(fractions))


Fractions = Annotated[
    tuple[Annotated[float, Field(gt=0, le=1)], ...],
    BeforeValidator(_in_a_tuple),
    AfterValidator(_in_order),
]
"""Parts of the labels, above 0 and at most 1, kept in order."""


PhantomSeed = Annotated[int, Field(ge=0, lt=2**63)]


class SubvolumePreset(Settings):
    """The columns of Task 1 whose samples are subvolumes, and whose encoders have three dimensions."""

    depth: int = Field(default=8, ge=2)
    """Slices of a subvolume."""

    methods: tuple[str, ...] | None = None
    """Those of ``task1.methods`` that learn from subvolumes; by default all."""

    z_step: int = Field(default=1, ge=1)
    """Every how many subvolumes of the training cubes one is taken."""

    test_z_step: int = Field(default=1, ge=1)
    """The same for the test subvolumes."""

    settings: TrainingValues = Field(default={})
    """Training settings, over those of all methods and of one. A ``batch_size`` that nothing sets has as many
    slices as that of images: 32 subvolumes of 8."""


POINT_ROWS = ("points", "counts")
"""Rows of clouds of points."""

Floor = Literal["mean-sd", "histogram", "spectrum"]
FloorOfFeatures = Literal["region", "mean-sd", "histogram", "spectrum"]
FLOORS: tuple[FloorOfFeatures, ...] = get_args(FloorOfFeatures)
"""Rows of what any encoder should beat: one statistic of each image, or its region alone."""


class PointsPreset(Settings):
    """Two rows of Tables 1 and 3 that see no pixels, but a cloud of the cells and vessels in each image.

    ``points`` is a DeepSets encoder, trained on the regions of whole images; ``counts`` is its floor, a
    regression on the number of objects of each class alone.
    """

    labels: str = "truth"
    """Where the objects come from: ``truth``, the pixel labels, or the name of one of Task 2's networks, from
    whose prediction they are taken."""

    minimum_area_px: int = Field(default=1, ge=1)
    """Smaller objects are left out."""

    settings: TrainingValues = Field(default={})
    """Training settings of the encoder, over its own; those of ``task1.settings`` are of images."""


class RegionPreset(Settings):
    """Task 1: which methods learn, from how much, and where they are scored."""

    methods: tuple[str, ...] = (*METHOD_ROWS, "untrained")
    """Names from ``mtneuro-ssl methods``. ``untrained``, random weights, is what any method should beat."""

    tasks: tuple[RegionTask, ...] = ("roi-c1", "roi-c2", "roi-c3")
    """Columns of Table 1; the samples of those that end in ``-3d`` are subvolumes. Ignored by the real
    sample, which has one task of its own."""

    extra: Annotated[tuple[CubeSet, ...], BeforeValidator(_in_a_tuple)] = (PAPERS_EXTRA,)
    """Cube sets that ROI-C3 adds to training. Each is a column of ROI-C3 and one of ROI-C2, which test on the
    two sets that it leaves."""

    downsample: Annotated[tuple[Factor, ...], BeforeValidator(_in_a_tuple)] = (2,)
    """Factors by which images are reduced, each a column; the paper's is 2, and its Table A3 has all. A task
    file's own stands unless this is set, as for ``z_step`` and ``test_z_step``, and in Tasks 2 and 3."""

    z_step: int = Field(default=1, ge=1)
    """Every how many slices of the training cubes one is taken; 1 is the paper's."""

    test_z_step: int = Field(default=1, ge=1)
    """The same for the test slices."""

    resolutions: Annotated[tuple[Factor, ...], BeforeValidator(_in_a_tuple)] = ()
    """Further factors, at which ROI-C1 alone is run: the other columns of the paper's Table A3."""

    readout: Literal["corners", "original"] = "corners"
    """How regions are read off what learnt without them: ``corners``, by a logistic regression on the corners
    of images; ``original``, as the authors' code does: a linear layer is trained on whole images, which are
    not normalised, while the encoder's batch normalisation follows them, and is tested on corners."""

    linear_stage: dict[str, TrainingValues] = Field(default={})
    """Training settings of that layer by method, for ``readout = "original"``."""

    balanced_accuracy: bool = False
    """Whether Table 1 has a second column for each sub-task: the mean of the regions' own accuracies."""

    probes: Annotated[tuple[Literal["linear", "knn", "attentive"], ...], BeforeValidator(_in_a_tuple)] = (
        "linear",
    )
    """What reads regions off encoders. The paper's, ``linear``, is always there; ``knn`` (nearest neighbours
    by cosine) and ``attentive`` (a learnt pooling of feature maps) are further columns."""

    neighbours: int = Field(default=5, ge=1)
    """Neighbours that ``knn`` asks."""

    labels: Fractions = ()
    """Parts of the labels that everything is also taught with, such as ``[0.01, 0.05, 0.1, 0.25, 1.0]``: a
    block of neighbouring slices at the start of each training cube, one slice at least. What learns without
    labels is trained once, on all images."""

    also_test: Annotated[tuple[str, ...], BeforeValidator(_in_a_tuple), AfterValidator(_no_twice)] = ()
    """Other data on which everything is scored too, trained as it is: sources of the same cubes, as
    ``source`` (``phantom?drift=2``), files of tasks with the same regions, or a folder of real files."""

    mixup_probabilities: tuple[float, ...] = (0.5,)
    """Probabilities that mixup is tried with; the best mean is the table's, and the table says which."""

    settings: TrainingValues = Field(default={})
    """Training settings of every method."""

    per_method: dict[str, TrainingValues] = Field(default={})
    """Training settings of one method, over ``settings``."""

    rows: OwnRows = Field(default={})
    """Rows of your own. A name with ``method`` and ``encoder`` is trained like the others; with
    ``method = "untrained"`` the encoder is taken as it is; with ``folder`` a trained model is. An encoder of
    your own takes images, or with ``axes = 3`` subvolumes, and stands in the columns of those alone. With
    ``embeddings`` a file of embeddings stands in place of an encoder: ``--export-images`` says of what."""

    points: PointsPreset | None = None
    """Rows of clouds of points, in the columns of slices."""

    floors: tuple[Floor, ...] = ("mean-sd", "histogram", "spectrum")
    """Rows beneath the others that any of them should beat, without an encoder: a linear readout of mean and
    standard deviation, of a histogram of 32 bins, and of the power at each spatial frequency."""

    subvolumes: SubvolumePreset = SubvolumePreset()
    """What the columns of subvolumes have of their own; a task file says its ``depth`` and steps itself."""

    _each_once = field_validator("methods", "tasks", "extra", "downsample", "probes")(_distinct)
    _floors_once = field_validator("floors")(_no_twice)

    @property
    def further_probes(self) -> tuple[Literal["knn", "attentive"], ...]:
        """The probes beside the paper's."""
        return tuple(probe for probe in self.probes if probe != "linear")

    @model_validator(mode="after")
    def _rows_are_new(self) -> "RegionPreset":
        _check_rows(self.rows, (*self.methods, *FLOORS, *(POINT_ROWS if self.points else ())), METHOD_ROWS)
        for name, settings in self.rows.items():
            if settings.get("axes", 2) not in (2, 3):
                raise ValueError(f"rows.{name}: axes must be 2 or 3, got {settings['axes']!r}")
        return self

    @model_validator(mode="after")
    def _resolutions_are_others(self) -> "RegionPreset":
        if self.resolutions and (len(self.downsample) > 1 or "roi-c1" not in self.tasks):
            raise ValueError(
                "resolutions are further ones of roi-c1: give downsample one factor, and add roi-c1"
            )
        if {*self.resolutions} & {*self.downsample}:
            raise ValueError(
                f"resolutions must be other factors than downsample, got {list(self.resolutions)}"
            )
        return self

    @model_validator(mode="after")
    def _linear_stage_is_trained(self) -> "RegionPreset":
        if self.linear_stage and self.readout != "original":
            raise ValueError(f'linear_stage needs readout = "original", got {self.readout!r}')
        return self


def _check_rows(rows: OwnRows, taken: Sequence[str], papers: Collection[str]) -> None:
    for name, settings in rows.items():
        if name in taken:
            raise ValueError(f"rows must have names of their own, got {name!r}, which is there already")
        if settings.get("like", next(iter(papers))) not in papers:
            raise ValueError(unknown_name(f"rows.{name}.like", str(settings["like"]), [*papers]))
        for key, what in (("folder", "a trained model's folder"), ("embeddings", "a file of embeddings")):
            if key in settings and len(settings) > 1:
                raise ValueError(f"rows.{name}: {what} takes no other setting")


class SearchPreset(Settings):
    """The grid of Table A4: each network is trained at every point, and the best on validation again.

    The grid is trained with the first seed, without the validation slices; the choice with every seed, and
    with them.

    Axes left empty keep the network's own setting.
    """

    learning_rates: tuple[float, ...] = (0.1, 0.05, 0.01, 0.005, 0.001)
    batch_sizes: tuple[int, ...] = (2, 4, 6, 8, 10)
    batch_sizes_3d: tuple[int, ...] = (1, 2, 4, 6, 8, 10)
    """For 3D networks: the paper chose a batch of 1 for them, which is outside the grid that it prints."""

    encoder_names: tuple[str, ...] = ()
    optimisers: tuple[Literal["adam", "sgd"], ...] = ()


class SegmentationPreset(Settings):
    """Task 2: which networks learn, and in which class settings."""

    models: tuple[str, ...] = tuple(NETWORK_ROWS)
    """Names from ``mtneuro-seg models``."""

    classes: tuple[Literal["3class", "4class"], ...] = ("3class", "4class")
    """``3class`` counts axons as background; ``4class`` leaves the region ZI out."""

    downsample: Factor = 1
    z_step: int = Field(default=1, ge=1)
    """Every how many training slices (3D: subvolumes) one is taken; 1 is the paper's."""

    test_z_step: int = Field(default=1, ge=1)
    paper_settings: bool = True
    """Whether learning rate and batch size are Table A4's, where it has them."""

    settings: TrainingValues = Field(default={})
    per_model: dict[str, TrainingValues] = Field(default={})
    accuracy: bool = False
    """Whether Table 2 has the accuracy of pixels, and its mean over the classes, beside F1 and IoU."""

    labels: Fractions = ()
    """Parts of the labels that networks and heads are also trained with, as ``task1.labels``."""

    also_test: Annotated[tuple[str, ...], BeforeValidator(_in_a_tuple), AfterValidator(_no_twice)] = ()
    """Other data on which networks are scored too, as ``task1.also_test``; files of tasks with the same
    classes."""

    search: SearchPreset | None = None
    """Search for each network's settings; without it each is trained once a seed."""

    rows: OwnRows = Field(default={})
    """Rows of your own. A name with ``model`` (``package.module:factory`` or ``path/to/file.py:factory``) is
    trained like the others; with ``folder`` a trained model is scored as it is."""

    frozen: Annotated[tuple[str, ...], BeforeValidator(_in_a_tuple)] = ()
    """Rows of Task 1 whose encoders are read out here too, pixel by pixel: they stay as they are, and a head
    learns on their feature maps. Those that learn in several sub-tasks are taken from the first."""

    heads: Annotated[tuple[Head, ...], BeforeValidator(_in_a_tuple)] = ("linear", "convolutional")
    """What reads them out, each a row: a logistic regression of each pixel, or a small decoder."""

    head_settings: TrainingValues = Field(default={})
    """Settings of both heads: those of ``mtneuro-ssl probe``."""

    _each_once = field_validator("models", "classes", "heads")(_distinct)

    @model_validator(mode="after")
    def _labels_are_of_one_setting(self) -> "SegmentationPreset":
        if self.labels and self.search:
            raise ValueError(
                "labels and search do not go together: search first, then give labels and what it chose"
            )
        return self

    @model_validator(mode="after")
    def _rows_are_new(self) -> "SegmentationPreset":
        _check_rows(self.rows, self.models, NETWORK_ROWS)
        for name, settings in self.rows.items():
            if "embeddings" in settings:
                raise ValueError(f"rows.{name}: embeddings are of Tasks 1 and 3, put them into task1.rows")
        return self


class SemanticsPreset(Settings):
    """Task 3: which encoders are read out, and on what."""

    encoders: tuple[Literal["roi-c1", "roi-c3", "roi-c1-3d", "roi-c3-3d"], ...] = ("roi-c1", "roi-c3")
    """Halves of Table 3, by the task in which the encoder was trained: with each of ``task1.extra``. What an
    encoder of subvolumes is read out on is subvolumes too, whose features are the means over their slices."""

    view: Literal["whole", "corners"] = "whole"
    """Whether a sample is an image (the paper's) or one of its four corners."""

    downsample: Factor | None = None
    """Reduction of the images that are embedded; by default Task 1's."""

    resampling: Literal["area", "hamming"] = "area"
    """How they are reduced: by the mean of each block, or as the authors' code does by Pillow's Hamming."""

    z_step: int = Field(default=1, ge=1)

    definition: Literal["image", "original"] = "image"
    """What is measured: ``image``, the features of each image by itself; ``original``, those
    that the authors' code measures, of corners, where images are embedded without normalisation, as in it."""

    labels: Fractions = ()
    """Parts of the labels that features are also read out with, as ``task1.labels``: of each split's training
    slices. All parts are scored on the same samples."""

    umap_method: Annotated[tuple[str, ...], BeforeValidator(_in_a_tuple)] = ("byol",)
    """The methods whose embeddings are drawn: the paper's Figure 4 is MYOW-m's, its Figure A4 BYOL's."""

    umap_neighbours: int = Field(default=100, ge=2)

    probes: Annotated[tuple[Literal["linear", "knn"], ...], BeforeValidator(_in_a_tuple)] = ("linear",)
    """What reads features off embeddings. The paper's, ``linear``, is always there; ``knn`` (the mean of the
    nearest neighbours by cosine, among other slices) is a further table."""

    neighbours: int = Field(default=5, ge=1)
    """Neighbours that ``knn`` asks."""

    floors: tuple[FloorOfFeatures, ...] = ("region", "mean-sd", "spectrum")
    """Rows beneath the others, as ``task1.floors``; ``region`` is the region of an image alone, one-hot."""

    _each_once = field_validator("encoders", "umap_method", "probes")(_distinct)
    _floors_once = field_validator("floors")(_no_twice)

    @model_validator(mode="after")
    def _original_has_corners(self) -> "SemanticsPreset":
        if self.definition == "original" and self.view != "corners":
            raise ValueError('definition = "original" measures corners: set view = "corners"')
        if self.definition == "original" and any(name.endswith("-3d") for name in self.encoders):
            raise ValueError('definition = "original" measures slices: leave out encoders of subvolumes')
        return self


class Preset(Settings):
    """Everything that decides which runs there are.

    Examples
    --------
    >>> preset = read_preset("demo")
    >>> preset.source, preset.inputs
    ('phantom', 'paper')
    """

    name: str
    description: str
    inputs: Literal["paper", "real-sample", "tasks"] = "paper"
    """``paper``: the paper's cubes in ``source``; ``real-sample``: the files in a folder of real data;
    ``tasks``: what ``task_files`` say."""

    task_files: tuple[str, ...] = ()
    """Files of a user's own tasks, for ``inputs = "tasks"``: JSON or TOML as ``mtneuro-data`` reads them."""

    source: str = "phantom"
    """``phantom`` (or ``phantom?seed=7``), ``bossdb``, or a folder or URI under which ``image``,
    ``roi_labels`` and ``pixel_labels`` lie."""

    reading: Literal["text", "original"] = "text"
    """How the paper's tasks are read: by its text, or by the authors' code, whose z ranges, regions of images
    and subvolumes are then taken. The preset ``original`` has what else their code does, key by key."""

    seeds: tuple[int, ...] = (1,)
    phantom_seeds: Annotated[tuple[PhantomSeed, ...], BeforeValidator(_in_a_tuple)] = ()
    """Seeds of the phantom, each another animal, on which everything is run: cells of tables are means over
    them. The phantom that has no seed is the animal 0."""

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    task1: RegionPreset | None = None
    task2: SegmentationPreset | None = None
    task3: SemanticsPreset | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "Preset":
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds must be distinct and at least one, got {list(self.seeds)}")
        self._check_animals()
        if self.task1 is None and self.task2 is None:
            raise ValueError("a preset needs [task1] or [task2], got neither")
        if self.task3 and not self.task1:
            raise ValueError("[task3] reads out the encoders of [task1], which is missing")
        if self.task2 and self.task2.frozen and not self.task1:
            raise ValueError("task2.frozen reads out encoders of [task1], which is missing: leave it out")
        if self.task1 and self.task3 and len(self.task1.downsample) > 1:
            raise ValueError("[task3] reads out encoders of one resolution: give task1.downsample one factor")
        for task in self.task1.tasks if self.task1 else ():
            trained_in = task.replace("roi-c2", "roi-c1")
            if self.task1 and trained_in not in self.task1.tasks:
                raise ValueError(f"{task} scores the models of {trained_in}: add {trained_in} to task1.tasks")
        points = self.task1.points if self.task1 else None
        if points and points.labels != "truth" and self.task2 is None:
            raise ValueError(
                f"task1.points.labels names a network of [task2], which is missing, got {points.labels!r}: "
                'add [task2], or set it to "truth"'
            )
        if self.inputs == "paper" and self.task1 and self.task3:
            for task in self.task3.encoders:
                if task not in self.task1.tasks:
                    raise ValueError(f"task3.encoders asks for {task}, which task1.tasks lacks: add it there")
        if self.inputs != "paper" and self.task3 and self.task3.definition == "original":
            raise ValueError('task3.definition = "original" is of the paper\'s own images: leave it out')
        if (self.inputs == "tasks") != bool(self.task_files):
            raise ValueError('inputs = "tasks" and task_files go together')
        if self.inputs != "paper" and self.task1 and len(self.task1.downsample) > 1:
            raise ValueError("only the paper's tasks have a column a factor: give task1.downsample one")
        for section, keys in _NOT_OF_THE_SAMPLE.items() if self.inputs == "real-sample" else ():
            given = getattr(self, section)
            ignored = {
                key for key in keys if given and getattr(given, key) != type(given).model_fields[key].default
            }
            if ignored:
                raise ValueError(f"{section}.{min(ignored)} does nothing with the real sample: leave it out")
        return self

    def _check_animals(self) -> None:
        """Raise where other animals than the source's own are asked for, and there is none."""
        animals = self.phantom_seeds
        if not animals:
            return
        if len(set(animals)) != len(animals):
            raise ValueError(f"phantom_seeds must be named once each, got {list(animals)}")
        base, _, dials = self.source.partition("?")
        if self.inputs != "paper" or base != "phantom":
            of = repr(self.source) if self.inputs == "paper" else f"inputs {self.inputs!r}"
            raise ValueError(f"phantom_seeds are animals of the source phantom, got {of}: leave them out")
        if any(key == "seed" for key, _ in parse_qsl(dials)):
            raise ValueError(
                f"phantom_seeds name the animals: leave seed out of the source, got {self.source!r}"
            )
        given = [name for name, row in (self.task1.rows if self.task1 else {}).items() if "embeddings" in row]
        if given:
            raise ValueError(
                f"embeddings of a file are of one animal, got phantom_seeds beside row {given[0]!r}"
            )

    def of_animal(self, seed: int) -> "Preset":
        """Return the preset of one of the animals.

        Examples
        --------
        >>> preset = read_preset("demo").model_copy(update={"phantom_seeds": (0, 7)})
        >>> preset.of_animal(7).source, preset.of_animal(0) == read_preset("demo")
        ('phantom?seed=7', True)
        """
        joint = "&" if "?" in self.source else "?"
        source = f"{self.source}{joint}seed={seed}" if seed else self.source
        return self.model_copy(update={"source": source, "phantom_seeds": ()})

    @property
    def follows_the_paper(self) -> bool:
        """Whether what is run is run as the paper ran it: all slices, its resolution, its settings."""
        chosen = {"methods", "tasks", "models", "classes", "encoders", "mixup_probabilities", "umap_method"}
        chosen |= {"labels", "also_test"}
        sections = (
            (
                self.task1,
                RegionPreset(),
                chosen
                | {
                    "rows",
                    "extra",
                    "downsample",
                    "resolutions",
                    "balanced_accuracy",
                    "probes",
                    "neighbours",
                    "subvolumes",
                    "points",
                    "floors",
                },
            ),
            (
                self.task2,
                SegmentationPreset(),
                chosen | {"rows", "search", "accuracy", "frozen", "heads", "head_settings"},
            ),
            (self.task3, SemanticsPreset(), chosen | {"probes", "neighbours", "floors"}),
        )
        if self.task1 and PAPERS_EXTRA not in self.task1.extra:
            return False
        return all(
            one is None or one.model_dump(exclude=free) == own.model_dump(exclude=free)
            for one, own, free in sections
        )


_NOT_OF_THE_SAMPLE = {
    "task1": {"tasks", "z_step", "test_z_step", "extra", "resolutions", "subvolumes", "points", "labels"},
    "task2": {"classes", "z_step", "test_z_step", "search"},
    "task3": {"encoders"},
}
"""Fields that the real sample has no use for."""


TASKS_OWN: Mapping[str, frozenset[str]] = {
    "task1": frozenset({"downsample", "z_step", "test_z_step"}),
    "task2": frozenset({"downsample", "z_step", "test_z_step"}),
    "task3": frozenset({"z_step"}),
}
"""Fields that a user's task file decides where the preset does not set them."""


def shown_values(preset: Preset) -> dict[str, Any]:
    """Return every value of a preset as JSON has them, but for what a user's task files decide."""
    values = preset.model_dump(mode="json")
    for section, keys in TASKS_OWN.items() if preset.inputs == "tasks" else ():
        given = getattr(preset, section)
        for key in keys - (given.model_fields_set if given else keys):
            del values[section][key]
    return values


def _folder() -> Path:
    return Path(str(files("mtneuro_suite"))) / "presets"


def preset_names() -> tuple[str, ...]:
    """Return the names of the presets that come with the suite.

    Examples
    --------
    >>> "demo" in preset_names()
    True
    """
    return tuple(sorted(path.stem for path in _folder().glob("*.toml")))


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
            raise ValueError(unknown_name("preset, if it is no .toml file,", name_or_path, preset_names()))
    values = read_values(path)
    return checked_preset({"name": path.stem, **values}, where=path.name)


def checked_preset(values: Mapping[str, Any], *, where: str) -> Preset:
    """Return the preset of these values.

    Raises
    ------
    ValueError
        If a key or value is not allowed; one line, with the nearest allowed key.
    """
    try:
        return Preset.model_validate(values)
    except ValidationError as error:
        raise ValueError(f"{where}: {one_line(error)}") from None
