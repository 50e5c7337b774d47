"""Feature maps: what an encoder computes at each place of an image, before it pools them."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mtneuro_ssl._shared.foreign import described, module_errors_named, words_of

_POOLINGS = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.AdaptiveAvgPool3d, nn.AdaptiveMaxPool3d)
_AFTER_POOLING = (nn.Flatten, nn.Linear, nn.Dropout, nn.Identity, nn.LayerNorm, nn.BatchNorm1d, nn.ReLU)
"""Layers that turn pooled features into an embedding, and are left out of its map."""


def feature_maps(
    encoder: nn.Module, images: Float[Tensor, "n channels *size"], *, name: str = "the encoder"
) -> Float[Tensor, "n features *places"]:
    """Return an encoder's features by place, in evaluation mode and without gradients.

    Parameters
    ----------
    encoder
        One of this package, a convolutional network or a transformer of timm (a transformer's map is its
        patches' tokens; class and register tokens are left out), or any module that has a method
        ``feature_maps(images)`` or whose last layers are an adaptive pooling and linear layers. A linear
        layer after it (``latent_dim``) is left out.
    images
        What it is given: normalised images ``(n, 1, y, x)``, or subvolumes ``(n, 1, z, y, x)``.
    name
        What to call it in an error.

    Returns
    -------
    maps
        ``(n, features, h, w)``, or ``(n, features, d, h, w)`` of subvolumes. They cover the image from edge
        to edge: row r of h is the r-th of h equal parts of the image's height.

    Raises
    ------
    ValueError
        In one line, if the encoder does not take the images, or has no map that can be found.

    Examples
    --------
    >>> from mtneuro_ssl.resnet import resnet18
    >>> feature_maps(resnet18(latent_dim=256), torch.zeros(1, 1, 32, 48)).shape
    torch.Size([1, 512, 4, 6])
    """
    training = encoder.training
    encoder.eval()
    try:
        with torch.no_grad(), module_errors_named(f"{name} must map {words_of(images)}"):
            maps: Any = last_maps(encoder, images.clone())  # it may write into what it is given
    finally:
        encoder.train(training)
    if maps is None:
        raise ValueError(
            f"{name} must have feature maps, and none are found in {type(encoder).__name__}: give it a "
            "method feature_maps(images) that returns (n, features, h, w), or end it with pooling, such as "
            "nn.AdaptiveAvgPool2d(1) and nn.Flatten()"
        )
    if not isinstance(maps, Tensor) or maps.ndim != images.ndim or len(maps) != len(images):
        axes = ", ".join(("n", "features", *"dhw"[5 - images.ndim :]))
        raise ValueError(
            f"{name} must return feature maps of shape ({axes}), got {described(maps)} for {words_of(images)}"
        )
    return maps


def last_maps(encoder: nn.Module, images: Tensor) -> Tensor | None:
    """Return an encoder's features by place as they come, or None if it has none that can be found.

    Its mode, gradients and errors are the caller's matter; `feature_maps` sees to them.
    """
    own: Any = getattr(encoder, "feature_maps", None)
    if own is not None:
        return own(images)
    if callable(getattr(encoder, "forward_features", None)):
        maps = _timm_maps(encoder, images)
        if maps is not None:
            return maps
    if isinstance(encoder, nn.Sequential):
        parts = list(encoder)
        while parts and isinstance(parts[-1], _AFTER_POOLING):
            parts.pop()
        if len(parts) == 1 and len(parts) < len(encoder):
            # A network, and what this package or its user puts behind it.
            return last_maps(parts[0], images)
    return _before_pooling(encoder, images)


def _timm_maps(network: Any, images: Tensor) -> Tensor | None:
    """Return the last map of a network of timm, channels first."""
    features = network.forward_features(images)
    if isinstance(features, Tensor) and features.ndim == images.ndim:
        # Their layout is an attribute of those that keep channels last.
        return features.movedim(-1, 1) if getattr(network, "output_fmt", "NCHW") == "NHWC" else features
    patches: Any = getattr(getattr(network, "patch_embed", None), "dynamic_feat_size", None)
    if isinstance(features, Tensor) and features.ndim == 3 and patches is not None:
        # Class and register tokens stand first.
        tokens = features[:, getattr(network, "num_prefix_tokens", 0) :]
        rows, columns = patches(tuple(images.shape[2:]))
        if tokens.shape[1] == rows * columns:
            return tokens.unflatten(1, (rows, columns)).movedim(-1, 1)
    through: Any = getattr(network, "forward_intermediates", None)
    if through is not None:
        last = partial(through, images, indices=1, intermediates_only=True, output_fmt="NCHW")
        try:
            return last(norm=True)[-1]
        except (AssertionError, TypeError):  # those without a norm of their own
            return last()[-1]
    if isinstance(features, Tensor) and features.ndim == 3:
        return _as_grid(features, size=tuple(images.shape[2:]))
    return None


def _as_grid(tokens: Tensor, *, size: tuple[int, ...]) -> Tensor | None:
    """Return tokens ``(n, places, features)`` as a map of an image's proportions, the first ones left out.

    Of the grids that the tokens fill with at most 8 to spare, the one with square patches is taken.
    """
    height, width = size
    for extra in range(min(9, tokens.shape[1])):
        count = tokens.shape[1] - extra
        rows = round((count * height / width) ** 0.5)
        if rows and count % rows == 0 and rows * width == count // rows * height:
            grid = tokens[:, extra:].unflatten(1, (rows, count // rows))
            return grid.movedim(-1, 1)
    return None


def _before_pooling(encoder: nn.Module, images: Tensor) -> Tensor | None:
    """Return what a network pools last, if it is all that its answer is made of."""
    with _calls(encoder) as (calls, held):
        answer = encoder(images)
    last = max((at for at, part in enumerate(calls) if isinstance(part, _POOLINGS)), default=None)
    if last is None:
        return None
    pooling, (given,) = calls[last], held
    if not all(isinstance(part, _AFTER_POOLING) for part in calls[last + 1 :]):
        return None
    # The pooling of a gate, such as squeeze and excitation, is no end of a network: its answer tells.
    found = pooling(given)
    for part in (nn.Flatten(), *calls[last + 1 :]):
        found = part(found)
    whole = isinstance(answer, Tensor) and answer.shape == found.shape
    return given if whole and torch.allclose(answer, found, rtol=1e-4, atol=1e-5) else None


@contextmanager
def _calls(network: nn.Module) -> Generator[tuple[list[nn.Module], list[Tensor]]]:
    """Yield two lists that fill: a network's layers as they are called, and what the last pooling is given.

    What other layers are given is not held, which would keep all activations in memory.
    """
    calls: list[nn.Module] = []
    held: list[Tensor] = []

    def note(part: nn.Module, given: tuple[Any, ...]) -> None:
        if given and isinstance(given[0], Tensor):
            calls.append(part)
            if isinstance(part, _POOLINGS):
                # A layer that follows in place would change it.
                held[:] = [given[0].clone()]

    hook: Callable[..., None] = note
    hooks = [part.register_forward_pre_hook(hook) for part in network.modules() if not [*part.children()]]
    try:
        yield calls, held
    finally:
        for hook_of_part in hooks:
            hook_of_part.remove()
