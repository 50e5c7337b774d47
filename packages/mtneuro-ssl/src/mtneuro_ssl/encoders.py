"""Build encoders: the networks that turn an image or a subvolume into an embedding."""

import difflib
import json
import threading
import warnings
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import nn
from torch.nn.modules.conv import _ConvNd  # pyright: ignore[reportPrivateUsage]  # of any dimension

from mtneuro_ssl._shared.bounds import check_file
from mtneuro_ssl._shared.factories import imported
from mtneuro_ssl._shared.foreign import answer_of, reason, words_of
from mtneuro_ssl._shared.hub import is_kept, is_repository, refusal
from mtneuro_ssl._shared.model_folder import CONFIG, WEIGHTS, weights_errors_named
from mtneuro_ssl._shared.torch_file import is_torch_file
from mtneuro_ssl._shared.words import one_line
from mtneuro_ssl.adapted import adapted
from mtneuro_ssl.address import address_refusal
from mtneuro_ssl.registry import ENCODERS, ENCODERS_3D, ENCODERS_OF_POINTS
from mtneuro_ssl.settings import TrainSettings
from mtneuro_ssl.views import generator_at

_INITIALISING = threading.Lock()
_HUB = ("hf-hub", "hf_hub")
"""What comes before the name of a repository of weights, and a colon."""

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
        shape = (settings.vit,) if name == "vit" else ()
        encoder = imported(known[name])(*shape, latent_dim=settings.latent_dim)
        if settings.stem == "uniform":
            next(part for part in encoder.modules() if isinstance(part, _ConvNd)).reset_parameters()
    elif name.startswith("timm/"):
        if settings.depth is not None:
            raise ValueError(
                f"an encoder of subvolumes must be {', '.join(known)} or your own, as "
                f"package.module:factory, got {name!r}, which takes images"
            )
        pretrained = None if weights is None or _is_model_folder(Path(weights)) else weights
        encoder = _projected(foreign_network(settings, weights=pretrained), settings)
        weights = weights if pretrained is None else None
    else:
        network = _made(name)
        encoder = _projected(
            network if vector_width is not None else adapted(network, settings), settings, vector_width
        )
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
    if settings.channels == "repeat":
        return "leave out channels=repeat if it takes one channel, or let it take images of any size"
    if settings.image_size is not None:
        refused = "" if settings.fit == "auto" else f", or leave out fit={settings.fit} to have them resized"
        return f"it is made for image_size {times(settings.image_size)}: give images of that size{refused}"
    if settings.fit in ("none", "pad"):
        return (
            f"leave out fit={settings.fit}, and images are brought to a size that it takes, if there is one"
        )
    if settings.encoder.startswith("timm/"):
        published = published_size(settings.encoder)
        size = "" if published is None else f" (it is published for {times(published)})"
        return (
            f"if it takes one size only{size}, set image_size (--set image_size=[224,224]), to which images "
            "are resized"
        )
    return (
        "let it take images of one channel and of any size, or set image_size (--set image_size=[64,64]) to "
        "the one that it takes, to which images are resized"
    )


def published_size(encoder: str) -> tuple[int, int] | None:
    """Return the height and width of the images that timm publishes a model for, if it does."""
    import timm

    published = timm.get_pretrained_cfg(encoder.removeprefix("timm/"))
    return None if published is None else (published.input_size[1], published.input_size[2])


def times(size: tuple[int, ...]) -> str:
    """Return a size in words.

    Examples
    --------
    >>> times((32, 64))
    '32 x 64'
    """
    return " x ".join(map(str, size))


def foreign_network(settings: TrainSettings, *, weights: str | None = None) -> nn.Module:
    """Return the network of timm that the settings name, adapted as they say.

    Parameters
    ----------
    settings
        Their encoder is ``timm/<model>``.
    weights
        A file of weights, a folder of one, as timm publishes them, ``hub``, or ``hf-hub:owner/name``.
    """
    name, size = settings.encoder.removeprefix("timm/"), settings.image_size
    options = _source(name, weights) | {"num_classes": 0}
    if weights is not None:
        _check_published(name, weights)
    try:
        network, channels = _timm_model(name, options, settings)
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
    if weights is not None and settings.normalisation == "model":
        _check_scaling(network, weights, name=name)
    return adapted(network, settings, channels=channels)


def _source(name: str, weights: str | None) -> dict[str, Any]:
    """Return the options with which timm takes the weights from where they are."""
    import timm

    if not timm.is_model(name):
        near = ", ".join(difflib.get_close_matches(name, timm.list_models(), n=3)) or "see timm.list_models()"
        raise ValueError(f"encoder 'timm/{name}' must name a model that timm knows; nearest: {near}")
    if weights is None:
        return {}
    if weights == "hub":
        return {"pretrained": True}
    place, _, repository = weights.partition(":")
    if place in _HUB and repository:
        return {"pretrained": True, "pretrained_cfg_overlay": {"hf_hub_id": repository, "url": ""}}
    file = _weights_file(Path(weights))
    if file is None:
        raise FileNotFoundError(
            "encoder_weights must be a file, a model folder, a folder of one weights file, 'hub' or "
            f"'hf-hub:owner/name', got {weights}"
        )
    return {"pretrained": True, "pretrained_cfg_overlay": {"file": str(file)}}


def check_weights(settings: TrainSettings) -> None:
    """Raise unless the weights that ``encoder_weights`` names are there, or can be fetched.

    The network is asked once, for `hub`'s few seconds; what is in the hub's cache needs none.

    Raises
    ------
    FileNotFoundError
        If they are not there, or neither kept nor given.
    ValueError
        If timm knows no such model.

    Examples
    --------
    >>> check_weights(TrainSettings(encoder="timm/resnet18"))
    """
    weights = settings.encoder_weights
    if weights is None:
        return
    if not settings.encoder.startswith("timm/") or _is_model_folder(Path(weights)):
        _weights_in(Path(weights))
        return
    name = settings.encoder.removeprefix("timm/")
    _source(name, weights)
    _check_published(name, weights)


_PUBLISHED = ("model.safetensors", "pytorch_model.bin")
"""Files in which timm's repositories keep weights."""


def _check_published(name: str, weights: str) -> None:
    """Raise ``FileNotFoundError`` where weights of the hub are neither kept nor can be fetched."""
    import timm

    place, _, repository = weights.partition(":")
    files, told = _PUBLISHED, ""
    if weights == "hub":
        published: Any = timm.get_pretrained_cfg(name)
        repository = (published and published.hf_hub_id) or ""
        files = (published.hf_hub_filename,) if published and published.hf_hub_filename else files
        if not repository and not (published and published.url):
            told = "timm knows none of it"
        elif (
            not repository
            and not (Path(torch.hub.get_dir()) / "checkpoints" / Path(published.url).name).is_file()
        ):
            told = address_refusal(published.url)
    elif place not in _HUB:
        return
    repository, _, revision = repository.partition("@")
    if repository and not is_repository(repository):
        raise ValueError(f"encoder_weights must be hf-hub:owner/name, got {weights!r}")
    if repository and not is_kept(repository, files, revision=revision or None):
        told = refusal(repository, revision=revision or None)
    if told:
        raise FileNotFoundError(
            f"encoder_weights {weights!r} of timm/{name} cannot be fetched: {told}; give a file or a folder "
            "of weights, or leave encoder_weights out for random ones"
        )


def _is_model_folder(path: Path) -> bool:
    """Return whether a path is a model folder of this package, and not one of timm's with its config."""
    return (path / CONFIG).is_file() and "architecture" not in _config(path)


def _config(folder: Path) -> dict[str, Any]:
    """Return what the config of a folder of weights says, or nothing."""
    path = folder / CONFIG
    if not path.is_file():
        return {}
    check_file(path)
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return {}
    return config if isinstance(config, dict) else {}


def _check_scaling(network: Any, weights: str, *, name: str) -> None:
    """Raise if a folder of weights states another mean or standard deviation than timm does."""
    stated = _config(Path(weights)).get("pretrained_cfg") or {}
    for key in ("mean", "std"):
        known = list(network.pretrained_cfg.get(key) or ())
        if key in stated and list(stated[key]) != known:
            raise ValueError(
                f"normalisation=model takes the {key} that timm knows for {name!r}, {known}, and {weights} "
                f"says {stated[key]}: name the model with the tag of its weights (timm/{name}.TAG), or give "
                "mean and sd"
            )


def _weights_file(path: Path) -> Path | None:
    """Return a weights file, or the only one in a folder; of several formats of one name safetensors."""
    if path.is_file():
        return path
    for ending in ("*.safetensors", "*.bin", "*.pth", "*.pt"):
        found = sorted(path.glob(ending)) if path.is_dir() else []
        if len(found) == 1:
            return found[0]
    return None


def _timm_model(
    name: str, options: dict[str, Any], settings: TrainSettings
) -> tuple[nn.Module, Literal[1, 3]]:
    """Return a model of timm and its channels: one, or three if these are meant or it cannot be made for one.

    Only transformers have the options of a size: position embeddings for images of any
    (``dynamic_img_size``), or of one. To other models images are given at that size.
    """
    import timm

    create: Any = timm.create_model
    size: dict[str, Any] = {} if settings.image_size is None else {"img_size": settings.image_size}
    ways = [{"dynamic_img_size": True, **size}, size]
    if size and settings.fit != "none":
        ways.append({})
    kinds: list[Literal[1, 3]] = [1, 3]
    if settings.channels == "repeat" or (settings.channels == "auto" and settings.normalisation == "model"):
        kinds = [3]
    elif settings.channels == "sum":
        kinds = [1]
    refusal: Exception = TypeError(name)
    for channels in kinds:
        for way in ways:
            with warnings.catch_warnings():
                # Of the classifier that is left off.
                warnings.filterwarnings("ignore", message="Initializing zero-element tensors")
                if channels == 1 and 3 in kinds and "pretrained" not in options:
                    warnings.filterwarnings("error", message=".*in_chans=1 may not work")
                try:
                    return create(name, in_chans=channels, **options, **way), channels
                except (TypeError, UserWarning) as error:
                    refusal = error
        if "pretrained" in options:
            break
    raise refusal


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
    type_before = torch.get_default_dtype()
    try:
        network = imported(target)()
    except (ImportError, AttributeError, TypeError) as error:
        raise ValueError(
            f"encoder {target!r} must be package.module:function, a function without arguments: {error}"
        ) from error
    except (Exception, SystemExit) as error:
        raise ValueError(f"encoder {target!r} must return a torch module, got {reason(error)}") from error
    finally:
        # Else all that is made after it would be of the type that it set.
        torch.set_default_dtype(type_before)
    if not isinstance(network, nn.Module):
        raise ValueError(f"encoder {target!r} must return a torch module, got {type(network).__name__}")
    return network


def _load_weights(encoder: nn.Module, path: Path) -> None:
    """Load weights from a model folder, or from a safetensors file of the encoder alone."""
    file = _weights_in(path)
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


def _weights_in(path: Path) -> Path:
    """Return a file of weights, or that of a model folder; raise ``FileNotFoundError`` if there is none."""
    file = path / WEIGHTS if path.is_dir() else path
    if not file.is_file():
        raise FileNotFoundError(f"encoder_weights must be a safetensors file or a model folder, got {path}")
    return file


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
    if features.ndim == 2 and features.shape[1] == 0:
        raise ValueError(
            f"{name} must return at least one feature, got none: set pooling, to take the mean of its "
            "feature map (--set pooling=mean)"
        )
    if features.ndim != 2 or len(features) != len(given) or not features.is_floating_point():
        pooled = "; end it with pooling, such as nn.AdaptiveAvgPool2d(1) and nn.Flatten()"
        raise ValueError(
            f"{name} must return features of shape (n, features), got {tuple(features.shape)} of "
            f"{features.dtype} for {words_of(given)}" + (pooled if features.ndim > 2 else "")
        )
    return features
