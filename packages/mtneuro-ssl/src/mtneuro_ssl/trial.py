"""Try an encoder that is not ours before any work: a forward pass at each size, and its weights kept."""

import copy
from collections.abc import Iterable

import torch
from torch import Tensor

from mtneuro_ssl._shared.devices import chosen_device
from mtneuro_ssl._shared.foreign import check_module, check_training_answer
from mtneuro_ssl._shared.memory import memory_errors_named
from mtneuro_ssl.encoders import (
    features_made,
    features_of,
    named,
    new_encoder,
    seeded_weights,
    size_remedy,
    times,
)
from mtneuro_ssl.maps import feature_maps
from mtneuro_ssl.processes import launch
from mtneuro_ssl.registry import ENCODERS
from mtneuro_ssl.settings import TrainSettings
from mtneuro_ssl.views import crop_size

_IMAGES = 2
"""Images of a trial: with one, a lost or a squeezed axis would not show."""


def asked_size(size: tuple[int, ...], settings: TrainSettings) -> tuple[int, ...]:
    """Return the height and width at which training passes images of a size through the encoder.

    Those of subvolumes have a depth too, before them. The method ``untrained`` passes none; its encoder is
    made for ``image_size``, or for whole images.

    Examples
    --------
    >>> asked_size((64, 64), TrainSettings()), asked_size((64, 64), TrainSettings(method="supervised"))
    ((32, 32), (64, 64))
    """
    if settings.entry.family == "baseline":
        return (*size[:-2], *(settings.image_size or size[-2:]))
    return crop_size(size, settings.views) if settings.entry.family == "self-supervised" else size


def tried_settings(
    settings: TrainSettings,
    *,
    sizes: Iterable[tuple[int, ...]] = (),
    wished: Iterable[tuple[int, ...]] = (),
    vector_width: int | None = None,
) -> TrainSettings:
    """Try the encoder of the settings on a little noise, and return the settings with which it works.

    Encoders of `timm` and of the user's own are tried, on a copy with random weights; ours need no trial. An
    encoder that takes one size only, as Swin and MLP-Mixer do, is made for the size that is asked for:
    ``image_size`` is then set.

    Parameters
    ----------
    settings
        The settings of a training.
    sizes
        Height and width of the images that the encoder will be given; depth, height and width of subvolumes.
    wished
        Further sizes, which an encoder of one size need not take.
    vector_width
        Features of a sample, where samples are vectors and not images.

    Raises
    ------
    ValueError
        In one line, if the encoder cannot be made, does not take one of the sizes, returns anything but
        finite features ``(n, features)``, as many for every size, changes its input, or answers otherwise
        once its weights have been saved and loaded.

    Examples
    --------
    >>> tried_settings(TrainSettings(encoder="timm/test_resnet"), sizes=[(32, 32)]).image_size is None
    True
    """
    if settings.encoder in ENCODERS or settings.of_points or settings.entry.family == "classical":
        return settings
    asked = list(dict.fromkeys(sizes))
    # What the user's code draws is not the caller's matter.
    with torch.random.fork_rng(devices=()):
        try:
            _try(settings, list(dict.fromkeys([*asked, *wished])), vector_width)
        except ValueError as refusal:
            if len(asked) != 1 or settings.image_size not in (None, asked[0][-2:]):
                raise
            settings = settings.model_copy(update={"image_size": asked[0][-2:]})
            try:
                _try(settings, asked, None)
            except ValueError:
                raise refusal from None
    return settings


def check_feature_maps(settings: TrainSettings, *, sizes: Iterable[tuple[int, ...]]) -> None:
    """Raise unless the encoder of the settings has feature maps of a little noise of these sizes.

    Parameters
    ----------
    settings
        The settings of a training.
    sizes
        Height and width of images; depth, height and width of subvolumes.

    Raises
    ------
    ValueError
        In one line, if the encoder cannot be made, does not take one of the sizes, or has no feature maps.

    Examples
    --------
    >>> check_feature_maps(TrainSettings(encoder="timm/test_resnet"), sizes=[(32, 32)])
    """
    if settings.entry.family == "classical":
        raise ValueError(f"feature maps need a model with a network, got method {settings.method!r}")
    with torch.random.fork_rng(devices=()), seeded_weights(settings):
        encoder = new_encoder(settings, with_weights=False)
    for size in sizes:
        feature_maps(encoder, _noise((1, *size), torch.device("cpu")), name=named(settings))


def _try(settings: TrainSettings, sizes: list[tuple[int, ...]], vector_width: int | None) -> None:
    name = named(settings)
    device = chosen_device(settings.device) if launch().count == 1 else torch.device("cpu")
    shapes = [(1, *size) for size in sizes] if vector_width is None else [(vector_width,)]
    with seeded_weights(settings):
        encoder = new_encoder(settings, vector_width=vector_width, with_weights=False).to(device)
    widths: dict[int, tuple[int, ...]] = {}
    given = answer = torch.empty(0)
    with memory_errors_named("a trial of the encoder", remedy="give smaller images, or a smaller encoder"):
        for shape in shapes:
            given = _noise(shape, device)
            answer = features_of(encoder, given, name=name, remedy=size_remedy(settings))
            widths[answer.shape[1]] = shape[1:]
        if len(widths) > 1:
            told = ", ".join(f"{width} for {times(size)}" for width, size in widths.items())
            raise ValueError(
                f"{name} must return as many features for every size of image, got {told}: end it with "
                "pooling, such as nn.AdaptiveAvgPool2d(1) and nn.Flatten()"
            )
        features_made(encoder, settings, vector_width=vector_width)
        if len(answer):
            if settings.encoder.startswith("timm/"):
                # Quicker: what timm makes is in the weights, and answers alike in training.
                check_module(encoder, given, answer, twin=copy.deepcopy(encoder), name=name)
                return
            with seeded_weights(settings):
                twin = new_encoder(settings, vector_width=vector_width, with_weights=False).to(device)
            check_module(encoder, given, answer, twin=twin, name=name)
            if settings.entry.family != "baseline" and twin is not encoder:
                check_training_answer(twin, given, answer, name=name)


def _noise(shape: tuple[int, ...], device: torch.device) -> Tensor:
    return torch.randn(_IMAGES, *shape, generator=torch.Generator().manual_seed(0)).to(device)
