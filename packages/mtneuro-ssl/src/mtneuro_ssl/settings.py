"""Settings of a training run, checked before any work starts."""

import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, field_validator, model_serializer, model_validator

from mtneuro_ssl._shared.factories import check_trusted, is_factory, module_of, whole_name
from mtneuro_ssl._shared.pixels import CheckedWindow, given_if_named
from mtneuro_ssl._shared.settings import Settings
from mtneuro_ssl._shared.words import unknown_name
from mtneuro_ssl.registry import ENCODERS, ENCODERS_OF_POINTS, METHODS, MethodEntry, Schedule
from mtneuro_ssl.settings_file import file_values

Fraction = Annotated[float, Field(ge=0, le=1)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


_TIMM = re.compile(r"timm/[\w.]+")
_WITH_STEM = ("resnet18", "resnet50")


_ADAPTING = ("fit", "channels", "output", "pooling", "layer")
_LATER = {"image_size", "depth", "start_from", "stem", "train_encoder", "partial_batches", "nmf_start"} | {
    "vit", "mae", "settle_batches", *_ADAPTING
}  # fmt: skip
_LATER_VIEWS = {"crop_depth", "one_offset", "zoom", "cutmix", "sharpen", "solarise", "erase"}
"""Settings that came later: where they are at their defaults, they are left out of what names a run."""


def _without_defaults(settings: Settings, values: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    fields = type(settings).model_fields
    unset = {name for name in names if getattr(settings, name) == fields[name].default}
    return {name: value for name, value in values.items() if name not in unset}


class ViewSettings(Settings):
    """How random views of images are made; the default is the paper's, a crop and nothing else.

    Examples
    --------
    >>> TrainSettings(views=ViewSettings(flip=0.5, noise=0.02)).views.crop
    0.5
    """

    crop: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Fraction of the height and of the width that a view shows; supervised methods see whole images."""

    crop_depth: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Fraction of a subvolume's slices that a view shows."""

    flip: Fraction = 0.0
    """Chance to mirror a view, for each of its axes."""

    rotate: bool = False
    """Turn each view by a random multiple of 90 degrees; views must be square."""

    zoom: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 1.0
    """Largest magnification of a view, about a point of its own; 1 magnifies none."""

    cutmix: Fraction = 0.0
    """Chance that a box of a view, 2 to 33 % of it, shows that part of another view of its batch; for methods
    without labels."""

    brightness: NonNegative = 0.0
    """Standard deviation of what is added to a whole view, of intensities in [0, 1]."""

    contrast: NonNegative = 0.0
    """Standard deviation of the logarithm of what a view's contrast is multiplied by."""

    sharpen: NonNegative = 0.0
    """Largest strength of sharpening: a multiple of a view's difference from itself blurred."""

    solarise: Fraction = 0.0
    """Chance to invert the upper half of a view's intensities."""

    erase: Fraction = 0.0
    """Chance that a box of a view, 2 to 33 % of it, is filled with the view's mean."""

    noise: NonNegative = 0.0
    """Standard deviation of Gaussian noise on each pixel (of intensities in [0, 1]) or feature; of a cloud's
    points on their place, in its unit."""

    mask: Fraction = 0.0
    """Chance to set a feature of a vector to 0, or to leave a point of a cloud out."""

    slices: NonNegativeInt = 0
    """How far along z, in slices, a view may be taken from the sample's own slice."""

    one_offset: bool = False
    """Crop all samples of a view at one offset, as the original code does, in place of one for each."""

    @model_serializer(mode="wrap")
    def _without_later(self, dump: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        return _without_defaults(self, dump(self), _LATER_VIEWS)


class VitSettings(Settings):
    """Shape of the encoder ``vit``, a transformer of square patches.

    Raises
    ------
    ValueError
        If the width is not a multiple of 12, so that its position embeddings have as many sines and cosines
        for each of three axes, and of the heads.

    Examples
    --------
    >>> VitSettings().patch_size(2), VitSettings().patch_size(3)
    ((8, 8), (4, 8, 8))
    """

    patch: PositiveInt = 8
    """Height and width of a patch in pixels."""

    patch_depth: PositiveInt = 4
    """Slices of a patch of subvolumes."""

    width: PositiveInt = 192
    """Features of a token; a multiple of 12 and of ``vit.heads``."""

    layers: PositiveInt = 6
    """Number of transformer blocks."""

    heads: PositiveInt = 3
    """Heads of attention of a block."""

    @model_validator(mode="after")
    def _divisible(self) -> "VitSettings":
        _check_width("vit.width", self.width, "vit.heads", self.heads)
        return self

    def patch_size(self, axes: int) -> tuple[int, ...]:
        """Return the size of a patch of images, of two axes, or of subvolumes, of three."""
        return (self.patch_depth, self.patch, self.patch)[-axes:]


class MaeSettings(Settings):
    """What the method ``mae`` hides and how it predicts it.

    Raises
    ------
    ValueError
        If the decoder's width is not a multiple of 12 and of its heads.

    Examples
    --------
    >>> MaeSettings(mask_ratio=0.6).hidden_patches(16)
    10
    """

    mask_ratio: Annotated[float, Field(gt=0, lt=1)] = 0.75
    """Part of a view's patches that is hidden, rounded to whole patches."""

    normalise_patches: bool = True
    """Predict each patch less its own mean and over its own standard deviation, and not its intensities."""

    decoder_width: PositiveInt = 96
    """Features of a token of the decoder; a multiple of 12 and of ``mae.decoder_heads``."""

    decoder_layers: PositiveInt = 2
    """Number of the decoder's transformer blocks."""

    decoder_heads: PositiveInt = 3
    """Heads of attention of a block of the decoder."""

    @model_validator(mode="after")
    def _divisible(self) -> "MaeSettings":
        _check_width("mae.decoder_width", self.decoder_width, "mae.decoder_heads", self.decoder_heads)
        return self

    def hidden_patches(self, patches: int) -> int:
        """Return how many of a view's patches are hidden."""
        return round(self.mask_ratio * patches)


def _check_width(name: str, width: int, of_heads: str, heads: int) -> None:
    if width % 12 or width % heads:
        raise ValueError(f"{name} must be a multiple of 12 and of {of_heads}, {heads}, got {width}")


class TrainSettings(Settings):
    """Settings of a training run; the defaults are the paper's for Task 1.

    ``weight_decay``, ``momentum`` and ``schedule`` are the method's own where they are None:
    self-supervised methods take 5e-4, 0.9 and a warm-up to a cosine; supervised ones take the weight decay
    of 0.3 that the paper prints, with plain SGD at a constant rate, as the original code does. The method
    ``mae`` has an encoder, optimiser, betas and learning rate of its own where these are not named.

    Examples
    --------
    >>> settings = TrainSettings(method="byol", batch_size=64)
    >>> settings.resolved().weight_decay
    0.0005
    """

    method: str = "byol"
    """Training method; `mtneuro-ssl methods` lists them."""

    encoder: str = "resnet18"
    """Network from image to embedding: one that `mtneuro-ssl methods` lists, ``timm/<model>``, or
    ``package.module:factory`` (``path/to/file.py:factory``), which returns a module from (n, 1, y, x), or
    from (n, 1, z, y, x) where there is a ``depth``, to (n, features). ``deepsets`` is of clouds of points;
    ``mae`` trains ``vit`` alone, which is its default."""

    depth: PositiveInt | None = None
    """Slices of a sample where samples are subvolumes: the encoder then has three dimensions. None for
    images. A volume in a file is cut into so many slices; an array of subvolumes says it itself."""

    encoder_weights: str | None = None
    """Weights that the encoder starts from: a model folder, a file, or ``hub`` for those that timm
    publishes. The method ``untrained`` evaluates them as they are."""

    start_from: str | None = None
    """Folder of a run of BYOL, MYOW or MAE, whose encoder, projector and predictor, or decoder, a run of one
    of these starts from. What the run there does not have, such as MYOW's second projector, is new."""

    image_size: tuple[PositiveInt, PositiveInt] | None = None
    """Height and width of the only images that the encoder takes, to which others are resized; none for an
    encoder of any size. Training sets it itself where the encoder needs it: for random weights to the size of
    its views, for published ones, or where that cannot be, to the size that timm publishes the model for."""

    fit: Literal["auto", "pad", "resize", "none"] = "auto"
    """How images are brought to a size that the encoder takes: continued by their mirror image at the bottom
    and on the right, up to whole patches (``pad``), resized to ``image_size`` or to whole patches
    (``resize``), or not at all (``none``). Auto leaves them as they are where the encoder takes them; else
    training sets what works. For encoders of timm and your own, like the next four."""

    channels: Literal["auto", "repeat", "sum"] = "auto"
    """How a grey image goes into an encoder of three channels: in all three (``repeat``), or through its
    first layer's filters added up (``sum``), which answers alike and is faster. Auto sums for timm, and
    repeats for your own."""

    pooling: Literal["auto", "cls", "mean", "max", "attention"] = "auto"
    """How features by place or token become an embedding: the class token's, their mean or maximum, or the
    encoder's own attention pooling. Auto does as the encoder does, and takes the mean of a feature map."""

    layer: int | Literal["all"] | None = None
    """Layer of a timm model that is read: 0 for the first, -1 for the last, or ``all`` side by side; none for
    what the model returns."""

    output: int | str | None = None
    """Name or number of the part that is the features, where your encoder returns a dict or a tuple; training
    finds it itself where only one part can be."""

    latent_dim: PositiveInt | None = 256
    """Features of an embedding, by a linear layer; none keeps the encoder's own (512 for ResNet-18)."""

    stem: Literal["normal", "uniform"] = "normal"
    """How the first convolution of a ResNet here is drawn: ``normal``, as torchvision draws the others, or
    ``uniform``, as torch draws any, three times as large; so it is in the original code."""

    train_encoder: bool = True
    """Train the encoder's weights, and not the supervised classifier alone. Either way the statistics of its
    batch normalisation follow the images, as in the original's linear stage."""

    epochs: PositiveInt = 100
    """Passes over the images; the last, partial batch of each is dropped unless ``partial_batches``."""

    partial_batches: bool = False
    """Keep the last, partial batch of each epoch, unless it would hold a single image."""

    steps: PositiveInt | None = None
    """A fixed number of optimiser steps, in place of ``epochs``."""

    batch_size: PositiveInt = 256
    """Images in a step."""

    settle_batches: NonNegativeInt = 0
    """Batches of training views that are passed, without a gradient, through the trained encoder to take the
    statistics of its batch normalisation anew, as plain means. 0 keeps the running means of training, which
    lag behind the weights in a short run. What is not trained stays as it is."""

    optimiser: Literal["sgd", "adam", "adamw", "lars"] = "sgd"
    """Optimiser: ``sgd``, ``adam``, ``adamw`` (by default for ``mae``), or ``lars`` for large batches."""

    learning_rate: Positive = 0.03
    """Peak rate of the optimiser; self-supervised methods scale it by batch_size / 256. By default 0.002 for
    ``mae``."""

    weight_decay: NonNegative | None = None
    """Decay of every parameter, biases and norms included unless ``decay_biases`` is false."""

    decay_biases: bool = True
    """Decay biases and the parameters of norms too."""

    momentum: Fraction | None = None
    """Momentum of SGD and LARS."""

    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.999)
    """Decay of the two running means of Adam and AdamW; by default 0.9 and 0.95 for ``mae``."""

    schedule: Schedule | None = None
    """Schedule of the learning rate: ``constant``, or a linear warm-up and then ``cosine``, ``poly`` (a power
    of the part that is left) or ``step``."""

    warmup_fraction: Fraction = 0.1
    """Part of the steps in which a schedule rises from 0."""

    poly_power: Positive = 1.5
    """Power of the schedule ``poly``."""

    step_fractions: tuple[Fraction, ...] = ()
    """Parts of the run at which the schedule ``step`` lowers the rate."""

    step_factor: Fraction = 0.1
    """What it multiplies the rate by each time."""

    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Chance to drop a feature before the supervised classifier."""

    mixup_probability: Fraction = 0.5
    """Chance that a batch of `supervised+mixup` is mixed."""

    mixup_alpha: Positive = 1.0
    """Both parameters of the Beta distribution of the mixing weight."""

    mixup_weights: Literal["batch", "image"] = "batch"
    """Whether a batch is mixed with one weight, or each image with its own, of which it keeps the greater
    share, as in the library that the original code uses."""

    hidden: PositiveInt = 4096
    """Hidden width of projectors and predictors."""

    projection: PositiveInt = 256
    """Output width of projectors and predictors."""

    target_momentum: Fraction = 0.996
    """Momentum of the target network at the first step."""

    target_schedule: Literal["cosine", "constant"] = "cosine"
    """Whether that rises to 1 by a cosine, or stays."""

    mined_weight: NonNegative = 0.1
    """Weight of MYOW's mined term once it has risen."""

    mined_rampup_fraction: Fraction = 0.1
    """Part of the steps in which the mined term's weight rises from 0."""

    mined_delay_fraction: Fraction = 0.0
    """Part of the steps in which MYOW is BYOL alone, before the mined term's weight begins to rise."""

    mined_layout: Literal["cascaded", "parallel"] = "cascaded"
    """Whether MYOW's second projector takes the first one's output, or the encoder's."""

    mined_candidates: Literal["target", "online"] = "target"
    """Which encoder's features of the candidates are searched."""

    mined_distance: Literal["cosine", "l2"] = "cosine"
    """What the nearest candidate is nearest by."""

    reencode_mined: bool = True
    """Whether MYOW-m passes the mined samples through the target encoder again, as the original code does;
    the features that were searched have the statistics of the pool's batch."""

    exclude_self: bool = True
    """Keep a sample from being mined as its own neighbour (the original code lets it)."""

    pool_size: Annotated[int, Field(ge=2)] | None = None
    """Candidates that a step mines among; none is one batch."""

    mined_neighbours: PositiveInt = 1
    """A mined sample is a random one of this many nearest."""

    temperature: Positive = 0.5
    """Temperature of SimCLR's softmax."""

    prototypes: PositiveInt = 4096
    """Outputs of DINO's head, which are the classes that it learns."""

    vit: VitSettings = VitSettings()
    """Shape of the encoder ``vit``."""

    mae: MaeSettings = MaeSettings()
    """What the method ``mae`` hides, and its decoder."""

    views: ViewSettings = ViewSettings()
    """How views are made."""

    normalisation: Literal["data", "given", "model"] = "data"
    """Mean and standard deviation of intensity that images are normalised by: those of the training images
    (``data``), which the model's settings then state; ``mean`` and ``sd`` as they are set (``given``, as
    where only these are named); or those of the images that a timm model's published weights were trained on
    (``model``), for each of its three channels."""

    mean: float = 0.4894
    """Mean intensity, of images scaled to [0, 1], that is subtracted; by default that of the benchmark."""

    sd: Positive = 0.1238
    """Standard deviation of intensity that is divided by."""

    intensity: CheckedWindow | None = None
    """Intensities that become black and white where images are not uint8, ``[0, 4095]``; without it those of
    other types keep all of their levels, and a model takes images of the type that it was trained on."""

    image_type: str | None = None
    """Type of the images that a model was trained on, which training states."""

    components: PositiveInt = 256
    """Components of PCA and NMF; fewer where there are fewer samples or pixels."""

    nmf_iterations: PositiveInt = 200
    """Largest number of iterations of NMF's solver."""

    nmf_start: Literal["nndsvda", "random"] = "nndsvda"
    """What NMF's solver starts from: ``nndsvda``, a singular value decomposition, or ``random``, which the
    original code takes."""

    seed: Annotated[int, Field(ge=0)] = 1
    """Seed of everything random."""

    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    """Arithmetic of the training step; ``bf16-mixed`` halves the bits where that is safe."""

    compile: bool = False
    """Compile the networks before the first step: a minute or two, and each further step is faster. On a CPU
    it needs a C++ compiler."""

    stream: bool | None = None
    """Read the images of each batch one step ahead, instead of keeping all images on the device; none does so
    if they would take more than half of its memory. Not part of a run's identity, since the
    batches are the same."""

    monitor_every: PositiveInt | None = None
    """Steps between measurements of the embeddings' rank and spread; none measures four times a run. Not part
    of a run's identity."""

    monitor_neighbours: NonNegativeInt = 0
    """Neighbours whose most frequent label those measurements compare with a sample's own; 0 for none. Not
    part of a run's identity."""

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute; auto takes a CUDA device if there is one, else a Mac's GPU (mps). Not part of
    a run's identity."""

    checkpoint_every: NonNegative = 30.0
    """Seconds between checkpoints; 0 writes one after every step. Not part of a run's identity."""

    @model_validator(mode="before")
    @classmethod
    def _given(cls, values: Any) -> Any:
        values = given_if_named(values)
        if not isinstance(values, dict) or values.get("normalisation") != "model":
            return values
        # The model's own numbers are of each channel, and applied in it.
        plain = {"mean": 0.0, "sd": 1.0}
        for name, value in plain.items():
            if values.get(name, value) != value:
                raise ValueError(
                    f"{name} must be left out where normalisation is model, which brings its own, got "
                    f"{values[name]!r}"
                )
        return {**values, **plain}

    @model_validator(mode="before")
    @classmethod
    def _own_where_unnamed(cls, values: Any) -> Any:
        method = values.get("method") if isinstance(values, dict) else None
        return {**METHODS[method].own, **values} if isinstance(method, str) and method in METHODS else values

    @field_validator("method")
    @classmethod
    def _known_method(cls, name: str) -> str:
        if name not in METHODS:
            raise ValueError(unknown_name("method", name, METHODS))
        return name

    @field_validator("encoder")
    @classmethod
    def _known_encoder(cls, name: str) -> str:
        ours = (*ENCODERS, *ENCODERS_OF_POINTS)
        if name not in ours and not _TIMM.fullmatch(name) and not is_factory(name):
            known = (*ours, "timm/<model>", "package.module:factory", "path/to/file.py:factory")
            raise ValueError(unknown_name("encoder", name, known))
        # A file is named by its whole path: workers and later commands have other folders.
        return whole_name(name)

    @model_validator(mode="after")
    def _have_an_effect(self) -> "TrainSettings":
        if self.stem != "normal" and self.encoder not in _WITH_STEM:
            raise ValueError(
                f"stem must be left out for encoder {self.encoder!r}, which has its own: it is of "
                + ", ".join(_WITH_STEM)
            )
        if self.encoder in ENCODERS or self.of_points:
            fields = type(self).model_fields
            adapting = {name: fields[name].default for name in _ADAPTING} | {"normalisation": None}
            for name, plain in adapting.items():
                value = getattr(self, name)
                if value != plain and (name != "normalisation" or value == "model"):
                    raise ValueError(
                        f"{name} must be left out for encoder {self.encoder!r}, which needs no adapting: it "
                        f"is for timm/<model> or your own, got {value!r}"
                    )
        if self.of_points and self.depth is not None:
            raise ValueError(
                f"depth must be left out for encoder {self.encoder!r}, whose clouds are of the objects in a "
                f"slice, in y and x, got {self.depth}"
            )
        if self.layer is not None and self.output is not None:
            raise ValueError(
                f"layer and output name two places to read: give one, got layer {self.layer!r} and output "
                f"{self.output!r}"
            )
        if not self.train_encoder and self.entry.family != "supervised":
            raise ValueError(
                f"train_encoder must be true for method {self.method!r}, which trains nothing else, got false"
            )
        return self

    @model_serializer(mode="wrap")
    def _without_later(self, dump: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """Leave out later settings that are not set: earlier runs keep their names."""
        return _without_defaults(self, dump(self), _LATER)

    @model_validator(mode="after")
    def _fit_the_method(self) -> "TrainSettings":
        if self.views.cutmix and self.entry.family == "supervised":
            raise ValueError(
                f"views.cutmix must be 0 for method {self.method!r}, whose labels it does not mix, "
                f"got {self.views.cutmix} ('supervised+mixup' mixes images with their labels)"
            )
        if self.entry.encoders and self.encoder not in self.entry.encoders:
            raise ValueError(
                f"encoder must be {' or '.join(self.entry.encoders)} for method {self.method!r}, which hides "
                f"patches from it, got {self.encoder!r}: leave encoder out (--set encoder="
                f"{self.entry.encoders[0]})"
            )
        if self.start_from is None:
            return self
        if not self.entry.keeps_heads:
            able = ", ".join(name for name, entry in METHODS.items() if entry.keeps_heads)
            raise ValueError(
                f"start_from is for the methods {able}, got method {self.method!r}: set encoder_weights to "
                "start from an encoder alone"
            )
        if self.encoder_weights is not None:
            raise ValueError(
                "start_from brings the weights of the encoder: leave encoder_weights out, "
                f"got {self.encoder_weights!r}"
            )
        return self

    @property
    def entry(self) -> MethodEntry:
        """The method's entry in the registry."""
        return METHODS[self.method]

    @property
    def of_points(self) -> bool:
        """Whether the encoder takes clouds of points."""
        return self.encoder in ENCODERS_OF_POINTS

    def resolved(self) -> "TrainSettings":
        """Return the same settings with the method's own values where they are None."""
        own = {
            name: getattr(self.entry, name)
            for name in ("weight_decay", "momentum", "schedule")
            if getattr(self, name) is None
        }
        return self.model_copy(update=own)

    def total_steps(self, images: int) -> int:
        """Return the number of optimiser steps for a number of images.

        Examples
        --------
        >>> TrainSettings(epochs=100, batch_size=256).total_steps(1200)
        400
        >>> TrainSettings(epochs=100, batch_size=256, partial_batches=True).total_steps(1200)
        500
        """
        return self.steps or self.epochs * self.epoch_steps(images)

    def epoch_steps(self, images: int) -> int:
        """Return the number of optimiser steps in a pass over the images."""
        full, rest = divmod(images, self.batch_size)
        return full + (self.partial_batches and rest > 1)

    @classmethod
    def from_file(cls, path: Path | str, *, trusted: Collection[str] = ()) -> "TrainSettings":
        """Return the settings in a TOML or JSON file, or in a network file of the original benchmark.

        Parameters
        ----------
        path
            The file.
        trusted
            Encoders, as ``package.module:factory``, that the file may name.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it is not TOML or JSON, a key or value is not allowed, or the encoder is not trusted.
        """
        settings = cls.model_validate(file_values(path, known=cls.model_fields))
        check_trusted(settings.encoder, trusted, where=path)
        return settings


def executed_modules(settings: TrainSettings) -> tuple[str, ...]:
    """Return the modules that training and embedding run because of their settings: method and encoder.

    They are in addition to those that `mtneuro_ssl.training` and `mtneuro_ssl.embedding` import. An encoder
    of timm adds none; one in a file of the user's own adds the path of that file.

    Examples
    --------
    >>> executed_modules(TrainSettings(method="myow"))
    ('mtneuro_ssl.methods.myow', 'mtneuro_ssl.resnet')
    >>> executed_modules(TrainSettings(method="pca"))
    ('mtneuro_ssl.methods.pca',)
    """
    targets = [settings.entry.target]
    if settings.entry.family != "classical":
        targets.append({**ENCODERS, **ENCODERS_OF_POINTS}.get(settings.encoder, settings.encoder))
    return tuple(module_of(target) for target in targets if ":" in target)
