"""Build encoders: the networks that turn an image or a subvolume into an embedding."""

import difflib
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import nn
from torch.nn.modules.conv import _ConvNd  # pyright: ignore[reportPrivateUsage]  # of any dimension

from mtneuro_ssl._shared.bounds import check_file
from mtneuro_ssl._shared.factories import imported
from mtneuro_ssl._shared.foreign import answer_of, reason, words_of
from mtneuro_ssl._shared.model_folder import CONFIG, WEIGHTS, weights_errors_named
from mtneuro_ssl._shared.torch_file import is_torch_file
from mtneuro_ssl._shared.words import one_line
from mtneuro_ssl.registry import ENCODERS, ENCODERS_3D, ENCODERS_OF_POINTS
from mtneuro_ssl.settings import TrainSettings
from mtneuro_ssl.views import generator_at

_INITIALISING = threading.Lock()
_LAYOUTS = {4: torch.channels_last, 5: torch.channels_last_3d}
"""Layouts by the axes of a convolution's weights, in two and in three dimensions."""


def new_encoder(
    settings: TrainSettings, *, vector_width: int | None = None, with_weights: bool = True
) -> nn.Module:
    """Return the encoder of the settings, of images or, where they name a ``depth``, of subvolumes.

    It is in channels-last layout.

    Parameters
    ----------
    settings
        Its ``encoder`` is a name in the registry, ``timm/<model>``, or ``package.module:factory``, a function
        that takes nothing and returns a module from ``(n, 1, y, x)``, or ``(n, 1, z, y, x)``, to
        ``(n, features)``.
    vector_width
        Number of features, if the samples are vectors and not images; only a factory can make their encoder,
        or of clouds of points ``deepsets``.
    with_weights
        Whether to load the weights that the settings name (``encoder_weights`` or ``start_from``), if there
        are any, or to leave random ones.

    Raises
    ------
    ValueError
        If there is no such timm model or factory, or it is of images and not of subvolumes, or the weights do
        not fit it.
    FileNotFoundError
        If the weights are not there.
    """
    name = settings.encoder
    weights = (settings.start_from or settings.encoder_weights) if with_weights else None
    if settings.of_points:
        known = ENCODERS_OF_POINTS
    elif vector_width is not None and ":" not in name:
        raise ValueError(
            "vectors need an encoder of your own, as package.module:factory, or, where they are clouds of "
            f"points, encoder=deepsets, got {name!r}"
        )
    else:
        known = ENCODERS if settings.depth is None else ENCODERS_3D
    if name in known:
        encoder = imported(known[name])(latent_dim=settings.latent_dim)
        if settings.stem == "uniform":
            next(part for part in encoder.modules() if isinstance(part, _ConvNd)).reset_parameters()
    elif name.startswith("timm/"):
        if settings.depth is not None:
            raise ValueError(
                f"an encoder of subvolumes must be {', '.join(known)} or your own, as "
                f"package.module:factory, got {name!r}, which takes images"
            )
        pretrained = weights if weights is not None and not (Path(weights) / CONFIG).is_file() else None
        network = _timm_model(name.removeprefix("timm/"), pretrained, settings.image_size)
        encoder = _projected(network, settings)
        weights = weights if pretrained is None else None
    else:
        encoder = _projected(_made(name), settings, vector_width)
    if weights is not None:
        _load_weights(encoder, Path(weights))
    return _channels_last(encoder)


def _channels_last(network: nn.Module) -> nn.Module:
    for tensor in (*network.parameters(), *network.buffers()):
        if tensor.ndim in _LAYOUTS:
            tensor.data = tensor.data.to(memory_format=_LAYOUTS[tensor.ndim])
    return network


def _projected(network: nn.Module, settings: TrainSettings, vector_width: int | None = None) -> nn.Module:
    if settings.latent_dim is None:
        return network
    width = features_made(network, settings, vector_width=vector_width)
    return nn.Sequential(network, nn.Linear(width, settings.latent_dim))


def named(settings: TrainSettings) -> str:
    """Return what error messages call the encoder of the settings."""
    return f"encoder {settings.encoder!r}"


def size_remedy(settings: TrainSettings) -> str:
    """Return how to mend that an encoder does not take a size."""
    if settings.image_size is not None:
        return f"it is made for image_size {times(settings.image_size)}: give images of that size"
    if settings.encoder.startswith("timm/"):
        import timm

        published = timm.get_pretrained_cfg(settings.encoder.removeprefix("timm/"))
        size = "" if published is None else f" (it is published for {times(published.input_size[1:])})"
        return (
            f"if it takes one size only{size}, set image_size (--set image_size=[64,64]) and give "
            "images of that size, or take an encoder of any size, such as a ResNet or a ViT"
        )
    return "let it take images of any size, or give images of the size that it takes"


def times(size: tuple[int, ...]) -> str:
    """Return a size in words.

    Examples
    --------
    >>> times((32, 64))
    '32 x 64'
    """
    return " x ".join(map(str, size))


def _timm_model(name: str, weights: str | None, size: tuple[int, int] | None) -> nn.Module:
    import timm

    if not timm.is_model(name):
        near = ", ".join(difflib.get_close_matches(name, timm.list_models(), n=3)) or "see timm.list_models()"
        raise ValueError(f"encoder 'timm/{name}' must name a model that timm knows; nearest: {near}")
    source: dict[str, Any] = {} if weights is None else {"pretrained": True}
    if weights not in (None, "hub"):
        if not Path(weights).is_file():
            raise FileNotFoundError(f"encoder_weights must be a file, a model folder or 'hub', got {weights}")
        source["pretrained_cfg_overlay"] = {"file": weights}
    options: dict[str, Any] = {"in_chans": 1, "num_classes": 0, **source}
    if size is not None:
        options["img_size"] = size
    try:
        try:
            # Only transformers have this option: position embeddings for images of any size.
            network: Any = timm.create_model(name, dynamic_img_size=True, **options)
        except TypeError:
            network = timm.create_model(name, **options)
    except (RuntimeError, OSError) as error:
        if weights is None:
            raise _not_made(name, size, error) from error
        raise ValueError(
            f"encoder_weights {weights!r} must load into timm/{name}: {one_line(error)}"
        ) from error
    except (TypeError, AssertionError, ValueError) as error:
        raise _not_made(name, size, error) from error
    if size is not None:
        _check_patches(name, network, size)
    return network


def _not_made(name: str, size: tuple[int, int] | None, error: Exception) -> ValueError:
    asked = "" if size is None else f" and image_size {size[0]},{size[1]}"
    return ValueError(f"timm must make {name!r} with one channel{asked}, got {reason(error)}")


def _check_patches(name: str, network: nn.Module, size: tuple[int, int]) -> None:
    """Raise if a network of patches would leave out pixels at the end of an image of this size."""
    from timm.layers.patch_embed import PatchEmbed

    for part in network.modules():
        if not isinstance(part, PatchEmbed):
            continue
        patch: Any = part.patch_size
        if any(n % p for n, p in zip(size, patch, strict=True)):
            raise ValueError(
                f"image_size for encoder 'timm/{name}' must be multiples of its patches of {times(patch)}, "
                f"got {size[0]} x {size[1]}"
            )


def _made(target: str) -> nn.Module:
    try:
        network = imported(target)()
    except (ImportError, AttributeError, TypeError) as error:
        raise ValueError(
            f"encoder {target!r} must be package.module:function, a function without arguments: {error}"
        ) from error
    except Exception as error:
        raise ValueError(f"encoder {target!r} must return a torch module, got {reason(error)}") from error
    if not isinstance(network, nn.Module):
        raise ValueError(f"encoder {target!r} must return a torch module, got {type(network).__name__}")
    return network


def _load_weights(encoder: nn.Module, path: Path) -> None:
    """Load weights from a model folder, or from a safetensors file of the encoder alone."""
    file = path / WEIGHTS if path.is_dir() else path
    if not file.is_file():
        raise FileNotFoundError(f"encoder_weights must be a safetensors file or a model folder, got {path}")
    if is_torch_file(file):
        raise ValueError(
            f"encoder_weights must be a safetensors file or a model folder, got {path}, of torch.save. "
            f"If it is of the original benchmark, `mtneuro-ssl import {path} -o FOLDER` makes a model folder"
        )
    check_file(file)
    with weights_errors_named(file, of="the encoder in the settings"):
        tensors = load_file(file)
        own = {
            name.removeprefix("encoder."): part
            for name, part in tensors.items()
            if name.startswith("encoder.")
        }
        encoder.load_state_dict(own or tensors)


@contextmanager
def seeded_weights(settings: TrainSettings) -> Generator[None]:
    """Draw initial weights from the settings' seed, and leave the global generator as it was.

    torch initialises from one generator that all threads share, so they take turns.
    """
    with _INITIALISING, torch.random.fork_rng(devices=()):
        torch.random.default_generator.set_state(generator_at(settings.seed, "weights").get_state())
        yield


def features_made(encoder: nn.Module, settings: TrainSettings, *, vector_width: int | None = None) -> int:
    """Return the width of an encoder's embeddings, found by embedding one small sample.

    Parameters
    ----------
    encoder
        The encoder of the settings.
    settings
        They say whether it takes images or subvolumes, and those of which size if it takes no other.
    vector_width
        Features of a vector, if that is what it takes.

    Raises
    ------
    ValueError
        If the encoder does not turn ``(1, 1, y, x)``, ``(1, 1, z, y, x)`` or ``(1, vector_width)`` into
        ``(1, features)``.
    """
    name, size = named(settings), settings.image_size
    device = next((parameter.device for parameter in encoder.parameters()), torch.device("cpu"))
    if vector_width is not None:
        return len(features_of(encoder, torch.zeros(1, vector_width, device=device), name=name)[0])
    # The larger is a multiple of every common patch size.
    depth = () if settings.depth is None else (settings.depth,)
    *first, last = [size] if size is not None else [(32, 32), (224, 224)]
    for small in first:
        with suppress(ValueError):
            return len(features_of(encoder, torch.zeros(1, 1, *depth, *small, device=device), name=name)[0])
    return len(features_of(encoder, torch.zeros(1, 1, *depth, *last, device=device), name=name)[0])


def features_of(
    encoder: nn.Module, given: torch.Tensor, *, name: str, remedy: str = ""
) -> Float[torch.Tensor, "n features"]:
    """Return the features of images, subvolumes or vectors, in evaluation mode.

    Samples are ``(n, 1, y, x)``, ``(n, 1, z, y, x)`` or ``(n, width)``.

    Raises
    ------
    ValueError
        If the encoder does not take them, or does not return features ``(n, features)``.
    """
    features = answer_of(encoder, given, name=name, remedy=remedy)
    if features.ndim != 2 or len(features) != len(given) or not features.is_floating_point():
        pooled = "; end it with pooling, such as nn.AdaptiveAvgPool2d(1) and nn.Flatten()"
        raise ValueError(
            f"{name} must return features of shape (n, features), got {tuple(features.shape)} of "
            f"{features.dtype} for {words_of(given)}" + (pooled if features.ndim > 2 else "")
        )
    return features
