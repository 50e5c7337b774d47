"""Adapt a network of somebody else's: the size, channels and intensities that it wants, and one embedding."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample, interpolate
from torch.nn.modules.conv import _ConvNd  # pyright: ignore[reportPrivateUsage]  # of any dimension

from mtneuro_ssl._shared.foreign import AskedError, described
from mtneuro_ssl.maps import last_maps
from mtneuro_ssl.settings import TrainSettings

Fit = Literal["pad", "resize", "none"]

_NO_MULTIPLE = 32
"""Height and width are padded to multiples of this for a network that does not tell its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptation:
    """What is done to the images that a network is given, and to its answer."""

    fit: Fit = "none"
    """How images of other sizes are brought to one that the network takes."""

    size: tuple[int, int] | None = None
    """Height and width of the only images that the network takes."""

    multiple: int = 1
    """Where it takes many sizes: height and width that are multiples of this."""

    channels: Literal[1, 3] = 1
    """Channels that the image is repeated to."""

    summed: bool = False
    """Whether the filters of the three channels of its first layer were added up to those of one."""

    scaling: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    """Mean and standard deviation of each channel, of intensities in [0, 1]."""

    output: int | str | None = None
    """Name or number of the part of its answer that is taken."""

    pooling: str = "auto"
    """How features by place or token become one embedding."""

    layer: int | Literal["all"] | None = None
    """Layer that is read, in place of the network's answer."""

    def target(self, size: tuple[int, ...]) -> tuple[int, int]:
        """Return the height and width at which the network sees images of a size.

        Examples
        --------
        >>> Adaptation(fit="pad", multiple=14).target((32, 64))
        (42, 70)
        """
        if self.fit == "none":
            return size[-2], size[-1]
        if self.size is not None:
            return self.size
        height, width = (-(-part // self.multiple) * self.multiple for part in size[-2:])
        return height, width


class Adapted(nn.Module):
    """A network that takes images of one channel and of any size, and answers ``(n, features)``.

    Its weights have the names that they have in the network alone, so that files of either fit both.

    Parameters
    ----------
    network
        The network, of images or of subvolumes.
    adaptation
        What is done to its images and its answer.
    """

    def __init__(self, network: nn.Module, adaptation: Adaptation) -> None:
        super().__init__()
        self.network = network
        self.adaptation = adaptation
        for place, values in enumerate(adaptation.scaling or ()):
            values = torch.tensor(values).mean(0, keepdim=True) if adaptation.channels == 1 else values
            self.register_buffer(("mean", "sd")[place], torch.as_tensor(values), persistent=False)
        self.register_load_state_dict_pre_hook(_with_own_names)

    def state_dict(self, *args: Any, **options: Any) -> Any:
        """Return the network's weights under its own names."""
        return self.network.state_dict(*args, **options)

    def forward(self, images: Float[Tensor, "n 1 *size"]) -> Any:
        """Return the embeddings of normalised images or subvolumes, or an answer that has no one meaning."""
        answer = self._answer(images)
        return pooled(answer, self.adaptation.pooling) if isinstance(answer, Tensor) else answer

    def _answer(self, images: Tensor) -> Any:
        given, asked = self._given(images), self.adaptation
        network: Any = self.network
        if asked.layer is not None:
            parts = [
                pooled(features, "mean" if asked.pooling == "auto" else asked.pooling)
                for features in self._layers(given)
            ]
            return torch.cat(parts, dim=1)
        if asked.output is None and asked.pooling in ("cls", "mean", "max") and _of_timm(network):
            if asked.pooling == "cls":
                return network.forward_features(given)[:, 0]
            features: Any = last_maps(network, given)
            # Those that average their tokens normalise the average.
            after = getattr(network, "fc_norm", None) if asked.pooling == "mean" else None
            return features if after is None else after(pooled(features, "mean"))
        answer = network(given)
        return answer if asked.output is None else part_of(answer, asked.output)

    def feature_maps(self, images: Float[Tensor, "n 1 *size"]) -> Tensor:
        """Return features by place, ``(n, features, h, w)``, which cover the images as they were given."""
        given = self._given(images)
        if self.adaptation.layer is None:
            maps = last_maps(self.network, given)
        else:
            layers = list(self._layers(given, tokens=False))
            finest = max((tuple(layer.shape[2:]) for layer in layers), key=lambda size: size[0] * size[1])
            maps = torch.cat([_resized(layer, finest) for layer in layers], dim=1)
        if maps is None:
            raise ValueError(f"no feature maps are found in {type(self.network).__name__}")
        sizes = tuple(images.shape[-2:]), tuple(given.shape[-2:])
        return maps if self.adaptation.fit != "pad" or sizes[0] == sizes[1] else _uncovered(maps, *sizes)

    def _given(self, images: Tensor) -> Tensor:
        asked = self.adaptation
        images = images if asked.channels == 1 else images.expand(-1, asked.channels, *images.shape[2:])
        if asked.scaling is not None:
            each = (1, -1, *(1 for _ in images.shape[2:]))
            mean: Any = self.mean
            sd: Any = self.sd
            images = (images - mean.view(each)) / sd.view(each)
        target = asked.target(tuple(images.shape))
        if target == tuple(images.shape[-2:]):
            return images
        return _mirrored(images, target) if asked.fit == "pad" else _resized(images, target)

    def _layers(self, given: Tensor, *, tokens: bool = True) -> list[Tensor]:
        """Return the maps of the layers asked for, or their class tokens where those are meant."""
        asked, network = self.adaptation, self.network
        cls = tokens and (asked.pooling == "cls" or (asked.pooling == "auto" and _pools_its_token(network)))
        through: Any = partial(
            network.forward_intermediates,  # pyright: ignore[reportArgumentType]
            given,
            indices=None if asked.layer in ("all", None) else [asked.layer],
            intermediates_only=True,
            output_fmt="NCHW",
            **({"return_prefix_tokens": True} if cls else {}),
        )
        try:
            layers = through(norm=True)
        except (AssertionError, TypeError):  # those without a norm of their own
            layers = through()
        return [layer[1][:, 0] for layer in layers] if cls else list(layers)


def _with_own_names(_: nn.Module, state_dict: dict[str, Tensor], prefix: str, *_others: object) -> None:
    """Rename a network's weights to where they stand in its adapted form."""
    for name in [name for name in state_dict if name.startswith(prefix)]:
        state_dict[f"{prefix}network.{name.removeprefix(prefix)}"] = state_dict.pop(name)


def pooled(features: Tensor, pooling: str) -> Tensor:
    """Return one embedding an image, of features by place ``(n, features, ...)`` or by token.

    Tokens are ``(n, tokens, features)``.

    What is an embedding already is returned as it is, and so is whatever ``auto`` does not say how to pool.

    Examples
    --------
    >>> pooled(torch.ones(2, 8, 3, 3), "mean").shape, pooled(torch.ones(2, 9, 8), "cls").shape
    (torch.Size([2, 8]), torch.Size([2, 8]))
    """
    if pooling in ("auto", "attention") or features.ndim < 3:
        return features
    if features.ndim == 3:
        features = features.mT
        if pooling == "cls":
            return features[..., 0]
    elif pooling == "cls":
        raise ValueError(
            "pooling must be mean or max for features by place, which have no class token, got cls"
        )
    flat = features.flatten(2)
    return flat.amax(2) if pooling == "max" else flat.mean(2)


def part_of(answer: Any, output: int | str) -> Any:
    """Return the part of a network's answer that has a name or a number.

    Raises
    ------
    AskedError
        If there is none; the message names those that there are.

    Examples
    --------
    >>> part_of({"features": torch.ones(1, 2), "mask": None}, "features")
    tensor([[1., 1.]])
    """
    if isinstance(answer, tuple | list) and str(output).lstrip("-").isdecimal():
        with_number = int(output)
        if -len(answer) <= with_number < len(answer):
            return answer[with_number]
    elif isinstance(answer, Mapping):
        if output in answer:
            return answer[output]
    elif not isinstance(answer, Tensor) and hasattr(answer, str(output)):
        return getattr(answer, str(output))
    if isinstance(answer, Tensor):
        told = f"output must be left out, since the encoder returns {described(answer)} and no parts"
    elif isinstance(answer, Mapping):
        told = f"output must be {' or '.join(map(repr, answer))}, parts of the dict that the encoder returns"
    elif isinstance(answer, tuple | list):
        last = len(answer) - 1
        told = f"output must be a number from 0 to {last}, of {described(answer)} that the encoder returns"
    else:
        told = f"output must name an attribute of what the encoder returns, {described(answer)}"
    raise AskedError(f"{told}, got {output!r}")


def able_parts(answer: Any) -> list[int | str]:
    """Return the names or numbers of the parts of an answer that can be features.

    Examples
    --------
    >>> able_parts({"features": torch.ones(1, 2), "mask": None}), able_parts((torch.ones(1), torch.ones(1)))
    (['features'], [])
    """
    parts = answer.items() if isinstance(answer, Mapping) else enumerate(answer)
    return [
        name
        for name, part in parts
        if isinstance(part, Tensor) and part.is_floating_point() and part.ndim > 1
    ]


def adapted(network: nn.Module, settings: TrainSettings, *, channels: Literal[1, 3] = 1) -> nn.Module:
    """Return a network adapted as the settings say; the network itself where there is nothing to do.

    Parameters
    ----------
    network
        A network of timm or of the user's own.
    settings
        Their ``fit``, ``image_size``, ``channels``, ``normalisation``, ``output``, ``pooling`` and ``layer``.
    channels
        Channels that the network was made for.

    Raises
    ------
    ValueError
        In one line, if the network has no class token, attention pooling, layers, or mean and standard
        deviation, where the settings ask for them.
    """
    name, asked = f"encoder {settings.encoder!r}", settings
    if asked.pooling == "attention" and not _pools_by_attention(network):
        raise ValueError(
            f"pooling must be cls, mean or max for {name}, which has no attention pooling of its own, "
            "got attention"
        )
    if asked.pooling == "cls" and _of_timm(network) and getattr(network, "cls_token", None) is None:
        raise ValueError(f"pooling must be mean or max for {name}, which has no class token, got cls")
    if asked.layer is not None:
        _check_layer(network, asked.layer, name=name)
    if asked.channels == "sum":
        summed(network, name=name)
    adaptation = Adaptation(
        fit=_fit(network, asked),
        size=asked.image_size,
        multiple=multiple_of(network),
        channels=3 if asked.channels == "repeat" else channels,
        summed=asked.channels == "sum",
        scaling=_scaling(network, name=name) if asked.normalisation == "model" else None,
        output=asked.output,
        pooling=asked.pooling,
        layer=asked.layer,
    )
    plain = Adaptation(multiple=adaptation.multiple, size=adaptation.size)
    return network if adaptation == plain else Adapted(network, adaptation)


def adaptation_told(encoder: nn.Module) -> dict[str, Any] | None:
    """Return what is done to an encoder's images and answer, as ``config.json`` states it."""
    found = next((part for part in encoder.modules() if isinstance(part, Adapted)), None)
    return None if found is None else asdict(found.adaptation)


def _fit(network: nn.Module, settings: TrainSettings) -> Fit:
    if settings.fit != "auto":
        return settings.fit
    # A transformer of any size was only drawn for image_size.
    return "resize" if settings.image_size is not None and not takes_any_size(network) else "none"


def takes_any_size(network: nn.Module) -> bool:
    """Return whether a network is a transformer whose position embeddings follow the image's size."""
    return any(getattr(part, "dynamic_img_size", False) for part in network.modules())


def multiple_of(network: nn.Module) -> int:
    """Return what height and width are padded to multiples of: the pixels that a last feature stands for.

    Examples
    --------
    >>> multiple_of(nn.Conv2d(1, 4, 3))
    32
    """
    for part in network.modules():
        told: Any = getattr(part, "feature_info", None)
        if isinstance(told, list):
            reduction = max((int(layer["reduction"]) for layer in told), default=0)
            if reduction > 0:
                return reduction
    for part in network.modules():
        patch: Any = getattr(part, "patch_size", None)
        patch = patch[-1] if isinstance(patch, tuple | list) and patch else patch
        if isinstance(patch, int) and patch > 0:
            return patch
    return _NO_MULTIPLE


def own_size(network: nn.Module) -> tuple[int, int] | None:
    """Return the height and width that a network says it is made for, if it does."""
    for part in network.modules():
        for name in ("img_size", "image_size"):
            told: Any = getattr(part, name, None)
            told = (told, told) if isinstance(told, int) and not isinstance(told, bool) else told
            if isinstance(told, tuple | list) and len(told) == 2 and all(isinstance(n, int) for n in told):
                return told[0], told[1]
    return None


def summed(network: nn.Module, *, name: str) -> None:
    """Let a network's first layer take one channel: its filters for three are added up.

    It answers as for the image in all three channels, in a third of the layer's time; so timm does.

    Raises
    ------
    ValueError
        If its first layer does not take three channels.
    """
    first = _first_layer(network)
    if first is not None and first.in_channels == 1:
        return
    if first is None or first.in_channels != 3 or first.groups != 1:
        raise ValueError(
            f"channels must be repeat for {name}, whose first layer has no 3 channels to sum, got sum"
        )
    first.weight = nn.Parameter(first.weight.detach().sum(dim=1, keepdim=True))
    first.in_channels = 1


def _first_layer(network: nn.Module) -> Any:
    return next((part for part in network.modules() if isinstance(part, _ConvNd)), None)


def _of_timm(network: nn.Module) -> bool:
    return type(network).__module__.startswith("timm.")


def _pools_by_attention(network: nn.Module) -> bool:
    return _of_timm(network) and any(
        type(part).__name__
        in ("AttentionPoolLatent", "AttentionPool2d", "RotAttentionPool2d", "AttentionPoolPrr")
        for part in network.modules()
    )


def _pools_its_token(network: nn.Module) -> bool:
    return getattr(network, "global_pool", "") == "token" and getattr(network, "cls_token", None) is not None


def _check_layer(network: nn.Module, layer: int | str, *, name: str) -> None:
    if getattr(network, "forward_intermediates", None) is None:
        raise ValueError(
            f"layer must be left out for {name}, which has no forward_intermediates as most of timm have, "
            f"got {layer!r}"
        )
    told: Any = getattr(network, "feature_info", None)
    count = len(told) if isinstance(told, list) else 0
    if count and isinstance(layer, int) and not -count <= layer < count:
        raise ValueError(
            f"layer must be 0 to {count - 1}, -1 for the last to {-count}, or all, for {name}, which has "
            f"{count}, got {layer}"
        )


def _scaling(network: Any, *, name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    told = getattr(network, "pretrained_cfg", None) or {}
    mean, sd = told.get("mean"), told.get("std")
    if not mean or not sd:
        raise ValueError(
            f"normalisation must be data or given for {name}, which states no mean and standard deviation of "
            "its own, got model"
        )
    return tuple(map(float, mean)), tuple(map(float, sd))


def _mirrored(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Return images continued by their mirror image at the bottom and on the right."""
    for axis, length in zip((-2, -1), size, strict=True):
        own = images.shape[axis]
        if length > own:
            place = torch.arange(length, device=images.device) % max(2 * own - 2, 1)
            images = images.index_select(axis, torch.minimum(place, (2 * own - 2 - place).abs()))
    return images


def _resized(images: Tensor, size: tuple[int, ...]) -> Tensor:
    """Return images or maps of another height and width, smoothed where they shrink; depth stays."""
    if tuple(images.shape[-2:]) == tuple(size):
        return images
    flat = images.flatten(1, -3) if images.ndim > 4 else images
    scaled = interpolate(flat, size=tuple(size), mode="bilinear", antialias=True, align_corners=False)
    return scaled.unflatten(1, images.shape[1:-2]) if images.ndim > 4 else scaled


def _uncovered(maps: Tensor, image: tuple[int, ...], padded: tuple[int, ...]) -> Tensor:
    """Return the part of a padded image's maps that lies over the image, in as many places as it touches."""
    shares = [own / all_ for own, all_ in zip(image, padded, strict=True)]
    places = [
        -(-count * own // all_) for count, own, all_ in zip(maps.shape[-2:], image, padded, strict=True)
    ]
    (rows, columns), (y, x) = places, shares
    flat = maps.flatten(1, -3) if maps.ndim > 4 else maps
    # From -1 to 1 over the padded image: the image's middle lies at its share less 1.
    theta = torch.tensor([[x, 0, x - 1], [0, y, y - 1]], dtype=maps.dtype, device=maps.device)
    grid = affine_grid(theta.expand(len(flat), -1, -1), [len(flat), 1, rows, columns], align_corners=False)
    found = grid_sample(flat, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return found.unflatten(1, maps.shape[1:-2]) if maps.ndim > 4 else found
