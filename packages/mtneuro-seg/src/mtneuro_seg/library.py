"""Networks that segmentation-models-pytorch and MONAI provide, built from our settings."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from mtneuro_seg.networks import nearest
from mtneuro_seg.settings import TrainSettings

_HUB_TIMEOUT_S = 5
"""How long the hub may take to say that it is there."""

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

    name = settings.encoder
    if name is None or (not name.startswith("tu-") and name not in smp.encoders.get_encoder_names()):
        raise ValueError(f"unknown encoder {name!r}: {nearest(str(name), encoder_names())}")
    kind = getattr(smp, _CLASSES[settings.model])
    if settings.encoder_weights == "imagenet" and not name.startswith("tu-"):
        _check_hub(name, smp.encoders.encoders[name]["pretrained_settings"].get("imagenet"))
    weights = settings.encoder_weights
    local = None if weights is None or weights == "imagenet" else Path(weights)
    try:
        built = kind(
            encoder_name=name,
            encoder_weights=None if local else weights,
            # Local weights are those of three colours, folded into one after loading, as smp does its own.
            in_channels=3 if local else 1,
            classes=settings.classes,
        )
    except OSError as error:
        raise _not_downloaded(name, error) from error
    except (KeyError, RuntimeError) as error:
        raise ValueError(
            f"encoder {name!r} cannot be built into {settings.model!r} with weights {weights!r}: {error}"
        ) from error
    if local:
        _load_encoder(built.encoder, local, name)
        built.encoder.set_in_channels(1, pretrained=True)
    return built


def _check_hub(name: str, weights: Mapping[str, str] | None) -> None:
    """Raise at once where an encoder's weights are neither here nor to be had.

    Without it the hub's library tries for the better part of a minute, and tells each try.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError

    if weights is None:
        return
    file = {"repo_id": weights["repo_id"], "filename": "model.safetensors", "revision": weights["revision"]}
    if isinstance(try_to_load_from_cache(**file), str):
        return
    try:
        get_hf_file_metadata(hf_hub_url(**file), timeout=_HUB_TIMEOUT_S)
    except HfHubHTTPError:
        return  # It answers; the download itself tells what is wrong.
    except Exception as error:  # the transport's own, which differs with the hub's version
        raise _not_downloaded(name, error) from error


def _not_downloaded(name: str, error: Exception) -> OSError:
    return OSError(
        f"the ImageNet weights of encoder {name!r} could not be downloaded ({type(error).__name__}); set "
        "encoder_weights=None (on the command line: --encoder-weights none) for random weights, or "
        "encoder_weights to a local file of them"
    )


def _load_encoder(encoder: nn.Module, path: Path, name: str) -> None:
    """Put the weights of a local file into an encoder."""
    if not path.is_file():
        raise FileNotFoundError(f"encoder_weights must be an existing file, got {str(path)!r}")
    try:
        state: dict[str, Tensor] = (
            load_file(path) if path.suffix == ".safetensors" else torch.load(path, weights_only=True)
        )
        encoder.load_state_dict(state)
    except (SafetensorError, RuntimeError, pickle.UnpicklingError, EOFError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{str(path)!r} must hold the weights of encoder {name!r}, got: {reason}") from error


class DepthPadded(nn.Module):
    """A network that halves the depth more often than a thin subvolume bears, with the slices it lacks.

    The last slice is repeated up to the next multiple, and the scores are cropped back.
    """

    def __init__(self, network: nn.Module, *, multiple: int) -> None:
        super().__init__()
        self.network = network
        self.multiple = multiple

    def forward(self, images: Float[Tensor, "batch 1 z y x"]) -> Float[Tensor, "batch classes z y x"]:
        """Return the class scores (logits) of every voxel."""
        depth = images.shape[2]
        lacking = -depth % self.multiple
        padded = nn.functional.pad(images, (0, 0, 0, 0, 0, lacking), mode="replicate")
        return self.network(padded)[:, :, :depth]


def swinunetr(settings: TrainSettings) -> nn.Module:
    """Return MONAI's SwinUNETR (Hatamizadeh et al., 2022), its depth padded to a multiple of 32."""
    from monai.networks.nets import SwinUNETR

    built = SwinUNETR(in_channels=1, out_channels=settings.classes, feature_size=24, spatial_dims=3)
    return DepthPadded(built, multiple=32)


def mednext(settings: TrainSettings) -> nn.Module:
    """Return MONAI's small MedNeXt (Roy et al., 2023), its depth padded to a multiple of 16."""
    from monai.networks.nets import MedNeXtS

    built = MedNeXtS(spatial_dims=3, in_channels=1, out_channels=settings.classes)
    return DepthPadded(built, multiple=16)


def highresnet(settings: TrainSettings) -> nn.Module:
    """Return MONAI's HighResNet, which keeps full resolution throughout (Li et al., 2017)."""
    from monai.networks.nets import HighResNet

    return HighResNet(spatial_dims=3, in_channels=1, out_channels=settings.classes)
