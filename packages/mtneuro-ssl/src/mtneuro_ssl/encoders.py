"""The networks that turn an image into an embedding."""

import threading
from collections.abc import Generator
from contextlib import contextmanager

import torch
from torch import nn
from torchvision.models import resnet

from mtneuro_ssl.registry import ENCODERS, imported
from mtneuro_ssl.settings import TrainSettings
from mtneuro_ssl.views import generator_at

_INITIALISING = threading.Lock()


def resnet18(*, latent_dim: int | None) -> nn.Module:
    """Return the paper's ResNet-18: one channel, a 3x3 stride-1 stem, no max-pool.

    Examples
    --------
    >>> resnet18(latent_dim=None)(torch.zeros(1, 1, 16, 16)).shape
    torch.Size([1, 512])
    """
    return _small_stem(resnet.resnet18(), latent_dim)


def resnet50(*, latent_dim: int | None) -> nn.Module:
    """Return a ResNet-50 with the same stem."""
    return _small_stem(resnet.resnet50(), latent_dim)


def _small_stem(network: resnet.ResNet, latent_dim: int | None) -> nn.Module:
    network.conv1 = nn.Conv2d(1, 64, kernel_size=3, stride=1, padding=1, bias=False)
    nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
    network.maxpool = nn.Identity()  # pyright: ignore[reportAttributeAccessIssue]  # typed as MaxPool2d
    network.fc = (  # pyright: ignore[reportAttributeAccessIssue]  # typed as Linear
        nn.Identity() if latent_dim is None else nn.Linear(network.fc.in_features, latent_dim)
    )
    return network


def new_encoder(settings: TrainSettings) -> nn.Module:
    """Return the encoder of the settings with random weights, in channels-last layout."""
    encoder = imported(ENCODERS[settings.encoder])(latent_dim=settings.latent_dim)
    return encoder.to(memory_format=torch.channels_last)


@contextmanager
def seeded_weights(settings: TrainSettings) -> Generator[None]:
    """Draw initial weights from the settings' seed, and leave the global generator as it was.

    torch initialises from one generator that all threads share, so they take turns.
    """
    with _INITIALISING, torch.random.fork_rng(devices=()):
        torch.random.default_generator.set_state(generator_at(settings.seed, "weights").get_state())
        yield


def feature_count(encoder: nn.Module) -> int:
    """Return the width of the embeddings of an encoder, found by one small image."""
    was_training = encoder.training
    device = next(encoder.parameters()).device
    with torch.no_grad():
        width = encoder.eval()(torch.zeros(1, 1, 32, 32, device=device)).shape[1]
    encoder.train(was_training)
    return width


def device_for(name: str) -> torch.device:
    """Return the device that a setting names.

    Raises
    ------
    ValueError
        If it is ``"cuda"`` and there is none.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise ValueError("device 'cuda' needs a CUDA GPU and driver, found none; use 'auto' or 'cpu'")
    return torch.device("cuda" if available and name != "cpu" else "cpu")
