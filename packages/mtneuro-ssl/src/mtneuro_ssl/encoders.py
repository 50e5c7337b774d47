"""Build encoders: the networks that turn an image into an embedding."""

import difflib
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from mtneuro_ssl._shared.bounds import check_file
from mtneuro_ssl._shared.factories import imported
from mtneuro_ssl._shared.model_folder import CONFIG, WEIGHTS, weights_errors_named
from mtneuro_ssl._shared.words import one_line
from mtneuro_ssl.registry import ENCODERS
from mtneuro_ssl.settings import TrainSettings
from mtneuro_ssl.views import generator_at

_INITIALISING = threading.Lock()


def new_encoder(
    settings: TrainSettings, *, vector_width: int | None = None, with_weights: bool = True
) -> nn.Module:
    """Return the encoder of the settings, in channels-last layout.

    Parameters
    ----------
    settings
        Its ``encoder`` is a name in the registry, ``timm/<model>``, or ``package.module:factory``, a function
        that takes nothing and returns a module from ``(n, 1, y, x)`` to ``(n, features)``.
    vector_width
        Number of features, if the samples are vectors and not images; only a factory can make their encoder.
    with_weights
        Whether to load the settings' ``encoder_weights``, if there are any, or to leave random weights.

    Raises
    ------
    ValueError
        If there is no such timm model or factory, or the weights do not fit it.
    FileNotFoundError
        If the weights are not there.
    """
    name, weights = settings.encoder, settings.encoder_weights if with_weights else None
    if vector_width is not None and ":" not in name:
        raise ValueError(f"vectors need an encoder of your own, as package.module:factory, got {name!r}")
    if name in ENCODERS:
        encoder = imported(ENCODERS[name])(latent_dim=settings.latent_dim)
    elif name.startswith("timm/"):
        pretrained = weights if weights is not None and not (Path(weights) / CONFIG).is_file() else None
        encoder = _projected(_timm_model(name.removeprefix("timm/"), pretrained), settings.latent_dim)
        weights = weights if pretrained is None else None
    else:
        encoder = _projected(_made(name), settings.latent_dim, vector_width)
    if weights is not None:
        _load_weights(encoder, Path(weights))
    return encoder.to(memory_format=torch.channels_last)


def _projected(network: nn.Module, latent_dim: int | None, vector_width: int | None = None) -> nn.Module:
    if latent_dim is None:
        return network
    return nn.Sequential(network, nn.Linear(feature_count(network, vector_width=vector_width), latent_dim))


def _timm_model(name: str, weights: str | None) -> nn.Module:
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
    try:
        try:
            # Only transformers have this option: position embeddings for images of any size.
            return timm.create_model(name, dynamic_img_size=True, **options)
        except TypeError:
            return timm.create_model(name, **options)
    except (RuntimeError, OSError) as error:
        raise ValueError(
            f"encoder_weights {weights!r} must load into timm/{name}: {one_line(error)}"
        ) from error


def _made(target: str) -> nn.Module:
    try:
        network = imported(target)()
    except (ImportError, AttributeError, TypeError) as error:
        raise ValueError(
            f"encoder {target!r} must be package.module:function, a function without arguments: {error}"
        ) from error
    if not isinstance(network, nn.Module):
        raise ValueError(f"encoder {target!r} must return a torch module, got {type(network).__name__}")
    return network


def _load_weights(encoder: nn.Module, path: Path) -> None:
    """Load weights from a model folder, or from a safetensors file of the encoder alone."""
    file = path / WEIGHTS if path.is_dir() else path
    if not file.is_file():
        raise FileNotFoundError(f"encoder_weights must be a safetensors file or a model folder, got {path}")
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


def feature_count(encoder: nn.Module, *, vector_width: int | None = None) -> int:
    """Return the width of an encoder's embeddings, found by embedding one small image or one vector.

    Raises
    ------
    ValueError
        If the encoder does not turn ``(1, 1, y, x)``, or ``(1, vector_width)``, into ``(1, features)``.
    """
    was_training = encoder.training
    device = next((parameter.device for parameter in encoder.parameters()), torch.device("cpu"))
    encoder.eval()
    try:
        with torch.no_grad():
            features = _probed(encoder, device, vector_width)
    finally:
        encoder.train(was_training)
    if features.ndim != 2:
        raise ValueError(
            f"an encoder must return features of shape (n, features), got {tuple(features.shape)}"
        )
    return features.shape[1]


def _probed(encoder: nn.Module, device: torch.device, vector_width: int | None) -> torch.Tensor:
    if vector_width is not None:
        return encoder(torch.zeros(1, vector_width, device=device))
    try:
        return encoder(torch.zeros(1, 1, 32, 32, device=device))
    except (AssertionError, RuntimeError):
        # A multiple of every common patch size.
        return encoder(torch.zeros(1, 1, 224, 224, device=device))
