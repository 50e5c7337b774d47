"""Try a network that is not ours before any work: its scores for each size of image, and its weights kept."""

import copy
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from mtneuro_seg._shared.devices import chosen_device
from mtneuro_seg._shared.foreign import (
    answer_of,
    check_each_image,
    check_module,
    check_training_answer,
    described,
    module_errors_named,
    words_of,
)
from mtneuro_seg._shared.memory import memory_errors_named
from mtneuro_seg.model import build_network
from mtneuro_seg.settings import TrainSettings

_IMAGES = 2
"""Images of a trial: with one, a lost or a squeezed axis would not show."""


def check_network(settings: TrainSettings, *, sizes: Iterable[tuple[int, ...]]) -> None:
    """Raise unless the network of the settings can be trained on images of these sizes, saved and loaded.

    Networks of the user's own are tried, on a copy and a little noise; ours need no trial.

    Parameters
    ----------
    settings
        The settings of a training.
    sizes
        Sizes of the images, ``(y, x)``, or of the subvolumes, ``(z, y, x)``.

    Raises
    ------
    ValueError
        In one line, if the network cannot be made, has nothing to train, does not take one of the sizes,
        returns anything but finite class scores of the images' size, changes its input, answers an image
        otherwise alone than among others, or otherwise once its weights have been saved and loaded, or passes
        no gradients to its weights.

    Examples
    --------
    >>> check_network(TrainSettings(model="unet", classes=2), sizes=[(64, 64)])
    """
    if settings.network.factory.startswith("mtneuro_seg."):
        return
    name, device = named(settings), chosen_device(settings.device)
    plain = settings.model_copy(update={"encoder_weights": None})
    # What the user's code draws is not the caller's matter.
    with (
        torch.random.fork_rng(devices=[]),
        memory_errors_named("a trial of the network", remedy="give smaller images, or a smaller network"),
    ):
        network, twin = (_on(device, build_network(plain), name=name) for _ in range(2))
        lazy = next((key for key, value in network.named_parameters() if is_lazy(value)), None)
        if lazy is not None:
            raise ValueError(
                f"{name} must have weights of known shapes, got {lazy!r} of a lazy module: use its other "
                "form, such as nn.Conv2d for nn.LazyConv2d"
            )
        if not any(parameter.requires_grad for parameter in network.parameters()):
            raise ValueError(f"{name} must have weights that can be trained, got none")
        for size in dict.fromkeys(sizes):
            given = torch.randn(_IMAGES, 1, *size, generator=torch.Generator().manual_seed(0)).to(device)
            answer = answer_of(network, given, name=name, remedy=_REMEDY)
            scores = checked_scores(answer, given, settings)
            check_module(network, given, scores, twin=twin, name=name)
            check_each_image(network, given, scores, name=name)
            if twin is not network:
                check_training_answer(copy.deepcopy(twin), given, scores, name=name)


def _on(device: torch.device, network: nn.Module, *, name: str) -> nn.Module:
    with module_errors_named(f"{name} must go to the device {device}"):
        return network.to(device)


def named(settings: TrainSettings) -> str:
    """Return what error messages call the network of the settings."""
    return f"model {settings.model!r}"


def class_scores(network: Callable[[Tensor], Any], images: Tensor, settings: TrainSettings) -> Tensor:
    """Return a network's class scores of images ``(n, 1, ...)``.

    Raises
    ------
    ValueError
        If the network does not take the images, or returns anything but scores ``(n, classes, ...)``.
    """
    with module_errors_named(f"{named(settings)} must take {words_of(images)}", remedy=lambda: _REMEDY):
        answer = network(images)
    return checked_scores(answer, images, settings)


def checked_scores(answer: object, images: Tensor, settings: TrainSettings) -> Tensor:
    """Return what a network answered, if that is a score for each class and pixel of the images.

    Raises
    ------
    ValueError
        If it is not.
    """
    wanted = (len(images), settings.classes, *images.shape[2:])
    if isinstance(answer, Tensor) and answer.shape == wanted and answer.is_floating_point():
        return answer
    if not isinstance(answer, Tensor):
        got, mend = described(answer), "return one part of it"
    else:
        got = f"{tuple(answer.shape)} of {answer.dtype}"
        if answer.ndim == len(wanted) and answer.shape[1] != settings.classes:
            mend = f"let its last layer have classes={settings.classes} channels"
        elif answer.ndim == len(wanted) and answer.shape[2:] != images.shape[2:]:
            mend = "pad its convolutions, or enlarge the scores with nn.functional.interpolate"
        else:
            mend = "return the scores before any softmax or argmax"
    raise ValueError(f"{named(settings)} must return class scores of shape {wanted}, got {got}: {mend}")


_REMEDY = "if each axis must be a multiple of some number, set multiple to it; else let it take any size"
