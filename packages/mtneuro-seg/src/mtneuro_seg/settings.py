"""Settings of a training, checked when they are made."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from mtneuro_seg._shared.factories import is_factory, module_of, whole_name
from mtneuro_seg._shared.pixels import CheckedWindow, given_if_named
from mtneuro_seg._shared.settings import Settings
from mtneuro_seg.registry import UNET_WITH_ENCODER, Network, SizeRule, network

LossName = Literal["cross_entropy", "dice", "dice_cross_entropy", "focal"]
UncertaintyName = Literal["entropy", "margin"]

ENCODER = "efficientnet-b7"
"""The encoder of all the paper's 2D networks."""


class TransformSettings(Settings):
    """How images are changed at random together with their masks; by default not at all.

    Examples
    --------
    >>> TrainSettings(transforms=TransformSettings(rotation=15, noise=0.02)).transforms.any
    True
    """

    chance: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Chance of each of the changes that are set, for each image; rotation, zoom and shift are one."""

    rotation: Annotated[float, Field(ge=0, le=180)] = 0.0
    """Largest angle, in degrees, by which an image is turned; subvolumes are turned about z."""

    zoom: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 1.0
    """Largest factor by which an image is stretched or shrunk, along y and x each."""

    shift: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Largest part of an image by which it is shifted, along y and x each."""

    distortion: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Largest part by which a cell is widened or narrowed, of a grid of four cells along each axis, z too."""

    brightness: NonNegativeFloat = 0.0
    """Most that is added to or taken from a whole image, of intensities in [0, 1]."""

    contrast: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Most by which the contrast about an image's mean is raised or lowered, as a part of it."""

    gamma: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 1.0
    """Largest power, or root, that is taken of intensities within an image's range."""

    noise: NonNegativeFloat = 0.0
    """Largest standard deviation of Gaussian noise on each pixel, of intensities in [0, 1]."""

    @property
    def any(self) -> bool:
        """Whether anything is changed."""
        return self.chance > 0 and self != type(self)(chance=self.chance)


class TrainSettings(Settings):
    """Everything that decides how a network is built and trained.

    The defaults are the paper's where it has one setting for all networks (Adam, cross entropy, 20 epochs,
    EfficientNet-b7 with ImageNet weights); `paper_settings` adds the learning rate and batch of Table A4.

    Examples
    --------
    >>> TrainSettings(model="unet", classes=3, epochs=2).batch_size
    4
    """

    renamed: ClassVar = {"image_mean": "mean", "image_sd": "sd"}

    model: str = "unet"
    """Name of the network (``mtneuro-seg models`` lists them), or ``package.module:factory`` or
    ``path/to/file.py:factory`` for your own: it is called with ``classes=…`` and returns a
    ``torch.nn.Module``."""

    axes: Literal[2, 3] = 2
    """For a network of your own: 2 for images ``(y, x)``, 3 for subvolumes ``(z, y, x)``."""

    multiple: PositiveInt = 1
    """For a network of your own: what each axis of an image must be a multiple of."""

    classes: Annotated[int, Field(ge=2, le=255)] = 4
    """Number of classes; masks hold 0 to ``classes - 1``."""

    encoder_name: str | None = None
    """Encoder from segmentation-models-pytorch. None: EfficientNet-b7 for the networks that are built on an
    encoder, none for the plain ones. ``unet`` with an encoder is the library's U-Net."""

    encoder_weights: str | None = "imagenet"
    """``"imagenet"`` (downloaded at the first use), ``none`` for random weights, or a local file of weights
    (``.safetensors`` or ``.pth``). Networks without an encoder ignore it."""

    filters: PositiveInt = 32
    """Filters at the first level of the plain U-Nets."""

    levels: Annotated[int, Field(ge=2, le=8)] = 4
    """Levels of the plain U-Nets; each but the last halves the image."""

    activation: Literal["relu", "leaky_relu", "elu", "prelu"] | None = None
    """Activation of the plain U-Nets (by default ``relu``) and of VNetLight (``prelu`` or ``elu``; by default
    ``prelu``, as in the paper's Table 2)."""

    norm: Annotated[str, Field(pattern=r"^(batch|instance|none|group[1-9][0-9]*)$")] = "batch"
    """Normalisation in the plain U-Nets: ``batch``, ``instance``, ``group8`` (groups of channels that divide
    ``filters``) or ``none``."""

    padding: Literal["same", "valid"] = "same"
    """Convolutions of the plain U-Nets: ``same``, padded with zeros, or ``valid`` over a mirrored border."""

    upsampling: Literal["transposed", "nearest", "linear"] = "transposed"
    """How the plain U-Nets double an image: ``transposed`` convolution, or interpolation and convolution."""

    epochs: PositiveInt = 20
    """Passes over the images."""

    steps: PositiveInt | None = None
    """A fixed number of optimiser steps in place of ``epochs``."""

    batch_size: PositiveInt = 4
    """Images (or subvolumes) a step."""

    learning_rate: PositiveFloat = 0.001
    """Constant learning rate."""

    optimiser: Literal["adam", "sgd"] = "adam"
    """``adam``, or ``sgd``."""

    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Momentum of ``sgd``; the original code has none."""

    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.999)
    """Decay of Adam's two running means."""

    loss: LossName = "cross_entropy"
    """What is minimised over the labelled pixels: ``cross_entropy``, ``dice``, ``dice_cross_entropy`` (their
    sum) or ``focal``."""

    class_weights: Literal["balanced"] | tuple[PositiveFloat, ...] | None = None
    """A weight for every class in the loss (``1,2,3``), or ``balanced``: the inverse of its share of the
    masks."""

    ignore_label: Annotated[int, Field(ge=0, le=255)] | None = None
    """A value in the masks that means unlabelled: such pixels count neither in the loss nor in the scores."""

    accumulate: PositiveInt = 1
    """Number of parts in which a batch is computed, one after the other, to save memory; batch normalisation
    sees one part at a time."""

    keep: Literal["last", "best"] = "last"
    """Keep the weights of the ``last`` epoch, or those of the ``best`` mean IoU on the validation images."""

    patience: PositiveInt | None = None
    """Stop early after so many epochs without a better mean IoU on the validation images."""

    deterministic: bool = False
    """Use only algorithms that give the same bits every time, and a single thread."""

    crop: tuple[PositiveInt, ...] | None = None
    """Train on a window of this size, ``(y, x)`` or ``(z, y, x)``, at a random place in each image, for
    networks that whole images would be too large for. Validation and prediction see whole images."""

    augment: bool = False
    """Flip each image at random along y and x, and turn square ones by quarters."""

    transforms: TransformSettings = TransformSettings()
    """How each image is further changed at random together with its mask."""

    normalisation: Literal["data", "given"] = "data"
    """Mean and standard deviation of intensity that images are normalised by: those of the training images
    (``data``), which the model's settings then state; or ``mean`` and ``sd`` as they are set (``given``, as
    where only these are named)."""

    mean: float = 0.4894
    """Subtracted from intensities scaled to [0, 1]; by default the mean of the benchmark's volume."""

    sd: PositiveFloat = 0.1238
    """Divides the difference; by default the standard deviation of the benchmark's volume."""

    intensity: CheckedWindow | None = None
    """Intensities that become black and white where images are not uint8, ``[0, 4095]``; without it those of
    other types keep all of their levels, and a model takes images of the type that it was trained on."""

    image_type: str | None = None
    """Type of the images that a model was trained on, which training states."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of the first weights, the order of the images, augmentation and dropout."""

    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    """Arithmetic of the forward and backward passes: ``32-true``, ``bf16-mixed`` or ``16-mixed``."""

    compile: bool = False
    """Compile the network for training: half a minute or more at first, then faster steps. On a CPU it needs
    a C++ compiler."""

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to train; ``auto`` takes a GPU if there is one."""

    checkpoint_every: PositiveInt = 50
    """Steps between two resume points; another is written at the end of each epoch."""

    @model_validator(mode="before")
    @classmethod
    def _given(cls, values: Any) -> Any:
        if isinstance(values, dict):
            values = {cls.renamed.get(key, key): value for key, value in values.items()}
        return given_if_named(values)

    @field_validator("model")
    @classmethod
    def _known(cls, name: str) -> str:
        if ":" not in name:
            network(name)
        elif not is_factory(name):
            raise ValueError(
                "a network of your own is named as package.module:factory or path/to/file.py:factory, got "
                f"{name!r}"
            )
        # A file is named by its whole path: workers and later commands have other folders.
        return whole_name(name)

    @field_validator("encoder_weights")
    @classmethod
    def _none_in_words(cls, weights: str | None) -> str | None:
        """Read the word ``none``, in capitals or not, as None."""
        return None if weights is not None and weights.lower() == "none" else weights

    @field_validator("class_weights", mode="before")
    @classmethod
    def _weights_in_words(cls, weights: object) -> object:
        """Read ``1,2,3``, as it is typed on a command line, as numbers."""
        if isinstance(weights, str) and weights != "balanced":
            return tuple(weights.split(","))
        return weights

    @model_validator(mode="after")
    def _parts_fit(self) -> "TrainSettings":
        # Where the number of classes is not given, the file of images may still give it.
        if "classes" in self.model_fields_set:
            self.check_class_weights()
        if self.accumulate > self.batch_size:
            raise ValueError(
                f"accumulate must be at most batch_size ({self.batch_size}), got {self.accumulate}"
            )
        return self

    @model_validator(mode="after")
    def _crop_fits(self) -> "TrainSettings":
        crop, axes = self.crop, self.network.axes
        if crop is not None and len(crop) != axes:
            raise ValueError(f"crop must have the {axes} axes of {self.model!r}, got {list(crop)}")
        return self

    @model_validator(mode="after")
    def _encoder_fits(self) -> "TrainSettings":
        if self.encoder_name is not None and not self.network.encoder:
            raise ValueError(
                f"encoder_name must be left out for {self.model!r}, which has no encoder, "
                f"got {self.encoder_name!r}"
            )
        if self.encoder_weights is not None and self.encoder_weights != "imagenet":
            path = Path(self.encoder_weights)
            if path.suffix not in {".safetensors", ".pth", ".pt"}:
                raise ValueError(
                    "encoder_weights must be 'imagenet', None or a .safetensors, .pth or .pt file, "
                    f"got {self.encoder_weights!r}"
                )
        return self

    @model_validator(mode="after")
    def _layers_fit(self) -> "TrainSettings":
        plain = self.model in {"unet", "unet3d"} and self.encoder_name is None
        for key in ("activation", "norm", "padding", "upsampling"):
            value, usual = getattr(self, key), type(self).model_fields[key].default
            taken = plain or (key == "activation" and self.model == "vnetlight")
            if value != usual and not taken:
                raise ValueError(
                    f"{key} must be left out for {self.model!r}, which has its own, got {value!r}"
                )
        if self.model == "vnetlight" and self.activation not in (None, "prelu", "elu"):
            raise ValueError(f"activation of vnetlight must be 'prelu' or 'elu', got {self.activation!r}")
        if self.norm.startswith("group") and self.filters % int(self.norm.removeprefix("group")):
            raise ValueError(f"the groups of norm must divide the filters, {self.filters}, got {self.norm!r}")
        return self

    def check_class_weights(self) -> None:
        """Raise unless there is a weight for every class, where there are any.

        Raises
        ------
        ValueError
            Naming both numbers.
        """
        weights = self.class_weights
        if isinstance(weights, tuple) and len(weights) != self.classes:
            raise ValueError(
                f"class_weights must hold {self.classes} weights, one a class, got {len(weights)}"
            )

    @property
    def network(self) -> Network:
        """The registry's entry of ``model``, or an entry made for a network of the user's own."""
        if self.model == "unet" and self.encoder_name is not None:
            return UNET_WITH_ENCODER
        if ":" not in self.model:
            return network(self.model)
        return Network(
            name=self.model,
            title=self.model,
            axes=self.axes,
            family="yours",
            paper="",
            factory=self.model,
            multiple=self.multiple,
            depth_multiple=self.multiple,
        )

    def epoch_steps(self, images: int) -> int:
        """Return the number of optimiser steps in a pass over the images, one at least.

        A last batch that would hold a single image is dropped: batch normalisation cannot use it.
        """
        full, rest = divmod(images, self.batch_size)
        return max(full + (rest > 1), 1)

    def total_steps(self, images: int) -> int:
        """Return the number of optimiser steps for a number of images.

        Examples
        --------
        >>> settings = TrainSettings(batch_size=4, epochs=10)
        >>> settings.total_steps(9), settings.total_steps(10), settings.total_steps(1)
        (20, 30, 10)
        """
        return self.steps or self.epochs * self.epoch_steps(images)

    @property
    def encoder(self) -> str | None:
        """The encoder that is built: the one asked for, or the family's default."""
        return self.encoder_name or (ENCODER if self.network.encoder else None)

    @property
    def size_rule(self) -> SizeRule:
        """The image sizes that the network of these settings takes."""
        return self.network.size_rule(levels=self.levels)


def executed_modules(settings: TrainSettings) -> tuple[str, ...]:
    """Return the modules that a training or a prediction runs because of its settings: the network's.

    Of a network in a file of the user's own, the path of that file.

    Examples
    --------
    >>> executed_modules(TrainSettings(model="mypackage.nets:make"))
    ('mypackage.nets',)
    """
    return (module_of(settings.network.factory),)


def default_class_names(classes: int) -> tuple[str, ...]:
    """Return the benchmark's names where there are 3 or 4 classes, numbered ones otherwise.

    Examples
    --------
    >>> default_class_names(4)
    ('background', 'vessels', 'cells', 'axons')
    """
    if classes in {3, 4}:
        return ("background", "vessels", "cells", "axons")[:classes]
    return ("background", *(f"class {label}" for label in range(1, classes)))
