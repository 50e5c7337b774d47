"""Settings of the heads that read frozen features out, checked when they are made."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from mtneuro_ssl._shared.settings import Settings

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class PixelProbeSettings(Settings):
    """How the class of every pixel is read off the feature maps of a frozen encoder.

    Examples
    --------
    >>> PixelProbeSettings(head="convolutional", steps=200).filters
    64
    """

    head: Literal["linear", "convolutional"] = "linear"
    """``linear``: a logistic regression on the features of each pixel; ``convolutional``: a small decoder of
    three 3x3 convolutions."""

    C: Positive = 1.0
    """Linear: inverse strength of the L2 penalty, as scikit-learn's, beside the sum over labelled pixels."""

    max_iter: PositiveInt = 1000
    """Linear: iterations allowed to the regression. Falling short is logged and recorded."""

    filters: PositiveInt = 64
    """Convolutional: filters of the first two convolutions."""

    steps: PositiveInt = 300
    """Convolutional: steps of Adam."""

    batch_size: PositiveInt = 8
    """Convolutional: images a step."""

    learning_rate: Positive = 0.001
    """Convolutional: constant learning rate."""

    seed: NonNegativeInt = 0
    """Convolutional: seed of the initial weights and of the order of images."""

    ignore_label: Annotated[int, Field(ge=0, le=255)] = 255
    """Value of the masks that means unlabelled: such pixels are left out."""


class AttentiveProbeSettings(Settings):
    """How an attentive probe is trained on the feature maps of a frozen encoder.

    Examples
    --------
    >>> AttentiveProbeSettings(queries=1).steps
    300
    """

    queries: PositiveInt = 4
    """Learnt queries, each of which averages the places of a map in its own way."""

    steps: PositiveInt = 300
    """Steps of AdamW."""

    batch_size: PositiveInt = 64
    """Images a step."""

    learning_rate: Positive = 0.001
    """Constant learning rate."""

    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.05
    """Decay of all weights."""

    seed: NonNegativeInt = 0
    """Seed of the initial weights and of the order of images."""
