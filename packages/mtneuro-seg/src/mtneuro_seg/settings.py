"""Settings of a training run, checked as they are made."""

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from mtneuro_seg.networks import Network, SizeRule, network

ENCODER = "efficientnet-b7"
"""The encoder of all the paper's 2D networks."""


class TrainSettings(BaseModel):
    """Everything that decides how a network is built and trained.

    The defaults are the paper's where it has one setting for all networks (Adam, cross entropy, 20 epochs,
    EfficientNet-b7 with ImageNet weights); `paper_settings` adds the learning rate and batch of Table A4.

    Examples
    --------
    >>> TrainSettings(model="unet", classes=3, epochs=2).batch_size
    4
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = "unet"
    """Name of the network; ``mtneuro-seg models`` lists them."""

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

    epochs: PositiveInt = 20
    """Passes over the images."""

    steps: PositiveInt | None = None
    """A fixed number of optimiser steps in place of ``epochs``."""

    batch_size: PositiveInt = 4
    """Images (or subvolumes) a step."""

    learning_rate: PositiveFloat = 0.001
    """Constant learning rate."""

    optimiser: Literal["adam", "sgd"] = "adam"
    """Adam, or SGD with momentum 0.9."""

    loss: Literal["cross_entropy"] = "cross_entropy"
    """What is minimised: mean over pixels."""

    augment: bool = False
    """Flip each image at random along y and x, and turn square ones by quarters."""

    image_mean: float = 0.4894
    """Subtracted from intensities divided by 255; the mean of the benchmark's volume."""

    image_sd: PositiveFloat = 0.1238
    """Divides them then; the standard deviation of the benchmark's volume."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of the first weights, the order of the images, augmentation and dropout."""

    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    """Arithmetic of the forward and backward passes."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train; ``auto`` takes a GPU if there is one."""

    checkpoint_every: PositiveInt = 50
    """Steps between two resume points; a resume point stands at the end of each epoch too."""

    @field_validator("model")
    @classmethod
    def _known(cls, name: str) -> str:
        network(name)
        return name

    @field_validator("encoder_weights")
    @classmethod
    def _none_in_words(cls, weights: str | None) -> str | None:
        """Let files and command lines, which cannot hold a None, say ``none``."""
        return None if weights is not None and weights.lower() == "none" else weights

    @model_validator(mode="after")
    def _encoder_fits(self) -> "TrainSettings":
        entry = network(self.model)
        if self.encoder_name is not None and not entry.encoder and self.model != "unet":
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

    @property
    def network(self) -> Network:
        """The register's entry of ``model``."""
        return network(self.model)

    @property
    def encoder(self) -> str | None:
        """The encoder that is built: the one asked for, or the family's default."""
        return self.encoder_name or (ENCODER if self.network.encoder else None)

    @property
    def size_rule(self) -> SizeRule:
        """The image sizes that the network of these settings takes."""
        if self.model == "unet" and self.encoder_name is not None:
            return SizeRule(multiple=(32, 32), smallest=32, smallest_alone=64)
        return self.network.size_rule(levels=self.levels)


@cache
def _table_a4() -> dict[str, Any]:
    text = files("mtneuro_seg").joinpath("table_a4.json").read_text("utf-8")
    return json.loads(text)


def paper_settings(model: str, classes: int, **changes: Any) -> TrainSettings:
    """Return the paper's settings of a network: Table A4's learning rate and batch, and the text's rest.

    Parameters
    ----------
    model
        Name of one of the paper's nine networks.
    classes
        3 or 4.
    **changes
        Settings to replace, such as ``seed`` or ``encoder_weights``.

    Raises
    ------
    ValueError
        If the paper has no such row.

    Examples
    --------
    >>> settings = paper_settings("manet", 4)
    >>> settings.learning_rate, settings.batch_size, settings.epochs
    (0.001, 8, 20)
    """
    table = _table_a4()
    network(model)
    if model not in table:
        raise ValueError(f"the paper has no settings for {model!r}; it has them for {', '.join(table)}")
    if f"{classes}-class" not in table[model]:
        raise ValueError(f"classes must be 3 or 4 for the paper's settings, got {classes}")
    return TrainSettings(
        **({"model": model, "classes": classes} | table[model][f"{classes}-class"] | changes)
    )
