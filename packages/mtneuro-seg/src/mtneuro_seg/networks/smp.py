"""Networks of segmentation-models-pytorch, with their encoders and the encoders' weights."""

from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from mtneuro_seg._shared.bounds import check_file
from mtneuro_seg._shared.words import unknown_name
from mtneuro_seg.settings import TrainSettings

_HUB_TIMEOUT_S = 5
"""Seconds that the hub may take to answer."""

_TIMM = "tu-"
"""Prefix by which segmentation-models-pytorch names the encoders of timm."""

_CLASSES = {
    "unet": "Unet",
    "manet": "MAnet",
    "fpn": "FPN",
    "unetplusplus": "UnetPlusPlus",
    "pan": "PAN",
    "pspnet": "PSPNet",
    "linknet": "Linknet",
    "deeplabv3plus": "DeepLabV3Plus",
}


def encoder_names() -> list[str]:
    """Return the names of the encoders that segmentation-models-pytorch has."""
    import segmentation_models_pytorch as smp

    return sorted(smp.encoders.get_encoder_names())


def smp_network(settings: TrainSettings) -> nn.Module:
    """Return a network of segmentation-models-pytorch with its encoder and the encoder's weights.

    Raises
    ------
    ValueError
        If the encoder is unknown, or a local file does not hold its weights.
    OSError
        If ImageNet weights cannot be downloaded, or the local file cannot be read.
    """
    import segmentation_models_pytorch as smp

    name = _checked_encoder(settings.encoder)
    kind = getattr(smp, _CLASSES[settings.model])
    weights: Any = settings.encoder_weights
    if weights == "imagenet":
        _check_hub(name, _on_hub(name))
        # The name of an encoder of timm includes the name of its weights.
        weights = True if name.startswith(_TIMM) else weights
    local = None if weights in {None, True, "imagenet"} else Path(weights)
    try:
        built = kind(
            encoder_name=name,
            encoder_weights=None if local else weights,
            # Local weights are for three colours; they are folded into one below.
            in_channels=3 if local else 1,
            classes=settings.classes,
        )
    except OSError as error:
        raise _not_downloaded(name, error) from error
    except (KeyError, RuntimeError) as error:
        raise ValueError(
            f"encoder {name!r} cannot be built into {settings.model!r} with weights "
            f"{settings.encoder_weights!r}: {error}"
        ) from error
    if local:
        _load_encoder(built.encoder, local, name)
        built.encoder.set_in_channels(1, pretrained=True)
    return built


def _checked_encoder(name: str | None) -> str:
    """Return the encoder's name, or raise if there is no such encoder."""
    import segmentation_models_pytorch as smp

    if name is not None and name.startswith(_TIMM):
        import timm

        known = [*timm.list_models(), *timm.list_pretrained()]
        if name.removeprefix(_TIMM) not in known:
            raise ValueError(unknown_name("encoder", name, [_TIMM + each for each in known]))
    elif name is None or name not in smp.encoders.get_encoder_names():
        raise ValueError(unknown_name("encoder", str(name), encoder_names()))
    return name


def _on_hub(name: str) -> dict[str, Any] | None:
    """Return which file on the hub holds an encoder's ImageNet weights; None where it is not known."""
    if name.startswith(_TIMM):
        import timm

        about: Any = timm.models.get_pretrained_cfg(name.removeprefix(_TIMM))
        if about is None or not about.hf_hub_id:
            return None
        repository, _, revision = about.hf_hub_id.partition("@")
        return {"repo_id": repository, "revision": revision or None}
    import segmentation_models_pytorch as smp

    found = smp.encoders.encoders[name]["pretrained_settings"].get("imagenet")
    return found and {key: found[key] for key in ("repo_id", "revision")}


def _check_hub(name: str, weights: dict[str, Any] | None) -> None:
    """Raise at once where an encoder's weights are neither in the cache nor reachable.

    Without this check the hub's library retries for most of a minute, and prints each attempt.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError

    if weights is None:
        return
    file: Any = {**weights, "filename": "model.safetensors"}
    if isinstance(try_to_load_from_cache(**file), str):
        return
    try:
        get_hf_file_metadata(hf_hub_url(**file), timeout=_HUB_TIMEOUT_S)
    except HfHubHTTPError:
        return  # The hub answers, so the download itself reports what is wrong.
    except Exception as error:  # which classes it raises differs with the library's version
        raise _not_downloaded(name, error) from error


def _not_downloaded(name: str, error: Exception) -> OSError:
    return OSError(
        f"the ImageNet weights of encoder {name!r} could not be downloaded ({type(error).__name__}); set "
        "encoder_weights=None (on the command line: --set encoder_weights=none) for random weights, or "
        "encoder_weights to a local file of them"
    )


def _load_encoder(encoder: nn.Module, path: Path, name: str) -> None:
    """Put the weights of a local file into an encoder."""
    if not path.is_file():
        raise FileNotFoundError(f"encoder_weights must be an existing file, got {str(path)!r}")
    check_file(path)
    try:
        state: dict[str, Tensor] = (
            load_file(path) if path.suffix == ".safetensors" else torch.load(path, weights_only=True)
        )
        encoder.load_state_dict(state)
    except (SafetensorError, RuntimeError, UnpicklingError, EOFError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{str(path)!r} must hold the weights of encoder {name!r}, got: {reason}") from error
