"""Try an encoder that is not ours before any work, and find how it is adapted to the images."""

import copy
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from mtneuro_ssl._shared.devices import chosen_device
from mtneuro_ssl._shared.foreign import (
    AskedError,
    check_each_image,
    check_module,
    check_training_answer,
    described,
    module_errors_named,
)
from mtneuro_ssl._shared.memory import memory_errors_named
from mtneuro_ssl.adapted import able_parts, multiple_of, own_size, part_of, takes_any_size
from mtneuro_ssl.encoders import (
    features_made,
    features_of,
    named,
    new_encoder,
    published_size,
    seeded_weights,
    size_remedy,
    times,
)
from mtneuro_ssl.maps import feature_maps
from mtneuro_ssl.processes import launch
from mtneuro_ssl.registry import ENCODERS
from mtneuro_ssl.settings import TrainSettings
from mtneuro_ssl.views import crop_size

_COMMON = (224, 224)
"""Size that most published networks are made for."""

_IMAGES = 2
"""Images of a trial: with one, a lost or a squeezed axis would not show."""


def asked_size(size: tuple[int, ...], settings: TrainSettings) -> tuple[int, ...]:
    """Return the height and width at which training passes images of a size through the encoder.

    Those of subvolumes have a depth too, before them. The method ``untrained`` passes none: its encoder is
    tried on whole images, or where it must not resize them (``fit=none``) on those of ``image_size``.

    Examples
    --------
    >>> asked_size((64, 64), TrainSettings()), asked_size((64, 64), TrainSettings(method="supervised"))
    ((32, 32), (64, 64))
    """
    if settings.entry.family == "baseline":
        return (*size[:-2], *((settings.fit == "none" and settings.image_size) or size[-2:]))
    return crop_size(size, settings.views) if settings.entry.family == "self-supervised" else size


def tried_settings(
    settings: TrainSettings,
    *,
    sizes: Iterable[tuple[int, ...]] = (),
    wished: Iterable[tuple[int, ...]] = (),
    vector_width: int | None = None,
) -> TrainSettings:
    """Try the encoder of the settings on a little noise, and return the settings with which it works.

    Encoders of `timm` and of the user's own are tried, on a copy with random weights; ours need no trial.
    What does not work as it is is adapted where there is one way to do it, which the settings then state:
    three channels (``channels``), a dict or tuple with one part that can be features (``output``), a feature
    map (``pooling``), and sizes: images are padded to whole patches (``fit``), or resized to one size
    (``image_size``). That is the size that is asked for if it is only one and the network can be made for it,
    else the next multiple of 64 above them all, else the size that timm publishes the model for, which comes
    first for published weights.

    Parameters
    ----------
    settings
        The settings of a training.
    sizes
        Height and width of the images that the encoder will be given; depth, height and width of subvolumes.
    wished
        Further sizes, which an encoder need not take if it cannot be adapted to them.
    vector_width
        Features of a sample, where samples are vectors and not images.

    Raises
    ------
    ValueError
        In one line, if the encoder cannot be made, does not take one of the sizes, returns anything but
        finite features ``(n, features)``, as many for every size, changes its input, answers an image
        otherwise alone than among others, or otherwise once its weights have been saved and loaded, or cannot
        be trained as the settings say; and if there are several ways to adapt it, with the
        setting that chooses one.

    Examples
    --------
    >>> tried_settings(TrainSettings(encoder="timm/test_resnet"), sizes=[(32, 32)]).image_size is None
    True
    >>> tried_settings(TrainSettings(encoder="timm/test_vit"), sizes=[(40, 32)]).fit
    'pad'
    """
    if settings.encoder in ENCODERS or settings.of_points or settings.entry.family == "classical":
        return settings
    asked = list(dict.fromkeys(sizes))
    every = list(dict.fromkeys([*asked, *wished]))
    # What the user's code draws is not the caller's matter.
    with torch.random.fork_rng(devices=()):
        try:
            _try(settings, every, vector_width)
        except _UnfitError as refusal:
            if vector_width is not None:
                raise ValueError(str(refusal)) from refusal
            return _adapted_settings(settings, asked, every, refusal)
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
    settings = tried_settings(settings, sizes=sizes)
    with torch.random.fork_rng(devices=()), seeded_weights(settings):
        encoder = new_encoder(settings, with_weights=False)
    for size in sizes:
        feature_maps(encoder, _noise((1, *size), torch.device("cpu")), name=named(settings))


class _UnfitError(ValueError):
    """An encoder does not take a size or does not return features: it may be adapted."""

    encoder: nn.Module | None = None
    """The encoder, if it could be made."""


def _adapted_settings(
    settings: TrainSettings, asked: list[tuple[int, ...]], every: list[tuple[int, ...]], refusal: _UnfitError
) -> TrainSettings:
    """Return the first settings with which the encoder works, at every size or else at those asked for."""
    if settings.encoder.startswith("timm/"):
        bases = [settings]
        if settings.channels == "auto":
            # Some let themselves be made for one channel, and take three.
            bases.append(settings.model_copy(update={"channels": "repeat"}))
        if settings.pooling == "auto" and "must return" in str(refusal):
            bases = [settings.model_copy(update={"pooling": "mean"})]
    else:
        bases = [_read(settings, every)]

    def trials() -> Iterator[tuple[TrainSettings, list[tuple[int, ...]], tuple[tuple[int, ...], ...]]]:
        ways: list[tuple[TrainSettings, tuple[tuple[int, ...], ...]]] = []
        for base in bases:
            made = refusal.encoder if base == settings else None
            for way in ((base, ()), *_sized(base, asked, every, made=made)):
                ways.append(way)
                if way[0] != settings:
                    yield way[0], every, way[1]
        if asked != every:
            yield from ((way, asked, more) for way, more in ways)

    for way, sizes, more in trials():
        with suppress(_UnfitError):
            _try(way, [*sizes, *more], None)
            return way
    raise ValueError(str(refusal)) from refusal


def _read(settings: TrainSettings, sizes: list[tuple[int, ...]]) -> TrainSettings:
    """Return the settings with what the answer of a user's encoder shows: its channels, and its features.

    Raises
    ------
    ValueError
        If several parts of the answer, or several ways to pool it, could be meant.
    """
    bare = settings.model_copy(update={"latent_dim": None, "device": "cpu"})
    depth = sizes[0][:-2] if sizes else ()
    for channels in ("auto", "repeat") if settings.channels == "auto" else (settings.channels,):
        known = {"channels": channels}
        with seeded_weights(settings):
            encoder = new_encoder(bare.model_copy(update=known), with_weights=False).eval()
        for size in [*sizes, (*depth, *_COMMON)]:
            answer = _answer(encoder, _noise((1, *size), torch.device("cpu")))
            if answer is not None:
                return settings.model_copy(update=known | _features_in(answer, settings))
    return settings


def _answer(encoder: nn.Module, given: Tensor) -> Any:
    """Return what an encoder answers, or None where it does not take what it is given."""
    try:
        with torch.no_grad():
            return encoder(given)
    except AskedError:
        raise
    except (Exception, SystemExit):
        return None


def _features_in(answer: Any, settings: TrainSettings) -> dict[str, Any]:
    """Return the settings that find the features in an encoder's answer.

    Raises
    ------
    ValueError
        If there are several ways.
    """
    found: dict[str, Any] = {}
    if isinstance(answer, Mapping | tuple | list):
        parts = able_parts(answer)
        if len(parts) != 1:
            by_name = f", or name it by output (--set output={parts[0]})" if parts else ""
            raise ValueError(
                f"{named(settings)} must return one tensor, got {described(answer)}"
                + (
                    f": return one part of it{by_name}"
                    if parts
                    else ", none of which is a tensor of features"
                )
            )
        found["output"] = parts[0]
        answer = part_of(answer, parts[0])
    if isinstance(answer, Tensor) and settings.pooling == "auto":
        if answer.ndim == 3:  # samples, tokens, features
            raise ValueError(
                f"{named(settings)} must return features of shape (n, features), got {tuple(answer.shape)}: "
                "if these are tokens, set pooling to cls, for the first, or mean (--set pooling=mean)"
            )
        if answer.ndim > 3:
            found["pooling"] = "mean"
    return found


def _sized(
    settings: TrainSettings,
    asked: list[tuple[int, ...]],
    every: list[tuple[int, ...]],
    *,
    made: nn.Module | None,
) -> Iterator[tuple[TrainSettings, tuple[tuple[int, ...], ...]]]:
    """Yield the settings that bring images to sizes that an encoder may take, and more sizes to try them at.

    The best come first.
    """
    if settings.fit == "none":
        if len(asked) == 1 and settings.image_size is None:
            yield settings.model_copy(update={"image_size": asked[0][-2:]}), ()
        return
    if settings.image_size is not None or not every:
        return
    network = made
    if network is None:
        with seeded_weights(settings):
            network = new_encoder(settings.model_copy(update={"latent_dim": None}), with_weights=False)
    multiple, published = multiple_of(network), own_size(network)
    one = [asked[0][-2:]] if len(asked) == 1 else []
    if settings.encoder.startswith("timm/"):
        published = published_size(settings.encoder) or published
        above = -(-max((part for size in every for part in size[-2:]), default=1) // 64) * 64
        sizes = [*one, (above, above), published]
        if settings.encoder_weights is not None:
            sizes.reverse()
    else:
        sizes = [published, *one, *(size[-2:] for size in every), _COMMON]
    # First: it keeps the scale of what is seen. That the network takes one size alone shows at a larger one.
    *depth, height, width = max(every, key=prod)
    larger = () if takes_any_size(network) else ((*depth, height + multiple, width + multiple),)
    if settings.fit == "resize":
        yield settings, larger
    elif any(part % multiple for size in every for part in size[-2:]):
        yield settings.model_copy(update={"fit": "pad"}), larger
    for size in dict.fromkeys(size for size in sizes if size is not None and settings.fit != "pad"):
        yield settings.model_copy(update={"image_size": size}), ()


def _try(settings: TrainSettings, sizes: list[tuple[int, ...]], vector_width: int | None) -> None:
    name = named(settings)
    device = chosen_device(settings.device) if launch().count == 1 else torch.device("cpu")
    shapes = [(1, *size) for size in sizes] if vector_width is None else [(vector_width,)]

    def made() -> nn.Module:
        with seeded_weights(settings):
            encoder = new_encoder(settings, vector_width=vector_width, with_weights=False)
        with module_errors_named(f"{name} must go to the device {device}"):
            return encoder.to(device)

    given = answer = torch.empty(0)
    with memory_errors_named("a trial of the encoder", remedy="give smaller images, or a smaller encoder"):
        encoder = None
        try:
            encoder = made()
            widths: dict[int, tuple[int, ...]] = {}
            for shape in shapes:
                given = _noise(shape, device)
                answer = features_of(encoder, given, name=name, remedy=size_remedy(settings))
                widths[answer.shape[1]] = shape[1:]
            _check_widths(widths, name=name)
            features_made(encoder, settings, vector_width=vector_width)
        except AskedError:
            raise
        except ValueError as error:
            unfit = _UnfitError(str(error))
            unfit.encoder = encoder
            raise unfit from error
        if not len(answer):
            return
        if settings.encoder.startswith("timm/"):
            # Quicker: what timm makes is in the weights, and answers alike in training.
            check_module(encoder, given, answer, twin=copy.deepcopy(encoder), name=name)
            return
        twin = made()
        check_module(encoder, given, answer, twin=twin, name=name)
        check_each_image(encoder, given, answer, name=name)
        if settings.entry.family == "baseline" or twin is encoder:
            return
        learns = settings.entry.family == "self-supervised"
        check_training_answer(twin, given, answer, name=name, learns=learns)
        if learns:
            with module_errors_named(
                f"{name} must let itself be copied (copy.deepcopy), to be trained by {settings.method}",
                remedy=lambda: "a module of TorchScript does not: return the module that it was made of",
            ):
                copy.deepcopy(twin).requires_grad_(requires_grad=False)


def _check_widths(widths: dict[int, tuple[int, ...]], *, name: str) -> None:
    if len(widths) > 1:
        told = ", ".join(f"{width} for {times(size)}" for width, size in widths.items())
        raise ValueError(
            f"{name} must return as many features for every size of image, got {told}: end it with pooling, "
            "such as nn.AdaptiveAvgPool2d(1) and nn.Flatten(), or set image_size "
            "(--set image_size=[64,64]), to which images are resized"
        )


def _noise(shape: tuple[int, ...], device: torch.device) -> Tensor:
    return torch.randn(_IMAGES, *shape, generator=torch.Generator().manual_seed(0)).to(device)
