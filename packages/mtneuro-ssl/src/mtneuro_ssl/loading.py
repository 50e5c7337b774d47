"""Models and encoders back from their folders."""

from collections.abc import Collection
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from mtneuro_ssl.folder import CONFIG, WEIGHTS, read_config
from mtneuro_ssl.model import Model, NetworkModel
from mtneuro_ssl.registry import imported
from mtneuro_ssl.settings import TrainSettings


def load_model(folder: Path | str, *, trusted: Collection[str] = ()) -> Model:
    """Return the model in a folder; nothing in it is executed.

    Parameters
    ----------
    folder
        A model folder.
    trusted
        Factories, as ``package.module:factory``, that may be called to build the model's encoder.

    Raises
    ------
    FileNotFoundError
        If the folder or one of its files is missing.
    ValueError
        If it is not a model folder of a known format, the weights do not fit the settings, or the encoder
        comes from a factory that is not trusted.
    """
    folder = Path(folder)
    config = read_config(folder)
    settings = TrainSettings.model_validate(config["settings"])
    if ":" in settings.encoder and settings.encoder not in trusted:
        raise ValueError(
            f"{folder / CONFIG} names the encoder {settings.encoder!r}, which would be imported and called: "
            "if you trust it, name it in trusted"
        )
    device = settings.device if settings.device != "cuda" or torch.cuda.is_available() else "auto"
    settings = settings.model_copy(update={"device": device})
    family: type[Model] = imported(settings.entry.target) if config["kind"] == "components" else NetworkModel
    try:
        return family.from_tensors(settings, load_file(folder / WEIGHTS), config=config)
    except (RuntimeError, KeyError, SafetensorError) as error:
        raise ValueError(
            f"{folder / WEIGHTS} must hold the weights that {CONFIG} describes: {error}"
        ) from error


def load_encoder(source: Path | str, *, trusted: Collection[str] = ()) -> nn.Module:
    """Return the encoder of a model, as a torch module in evaluation mode.

    Parameters
    ----------
    source
        A model folder, or the id of a repository on the Hugging Face hub that holds one, ``owner/name``.
    trusted
        As for `load_model`.

    Raises
    ------
    FileNotFoundError
        If there is no such folder, and no such repository can be fetched.
    ValueError
        If the model has no network, as PCA and NMF.
    """
    folder = Path(source)
    if not folder.exists() and str(source).count("/") == 1:
        folder = _fetched(str(source))
    model = load_model(folder, trusted=trusted)
    if not isinstance(model, NetworkModel):
        raise ValueError(f"an encoder is a network, but {folder} holds {model.settings.method!r}")
    return model.encoder


def _fetched(repository: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    try:
        return Path(snapshot_download(repository, allow_patterns=[WEIGHTS, CONFIG]))
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError) as error:
        raise FileNotFoundError(
            f"{repository} must be a model folder, or a repository of one that can be fetched: {error}"
        ) from error
