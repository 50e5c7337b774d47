"""Load models and encoders from their folders."""

from collections.abc import Collection
from pathlib import Path

from torch import nn

from mtneuro_ssl._shared.devices import is_available
from mtneuro_ssl._shared.factories import check_trusted, imported
from mtneuro_ssl._shared.fitting import InputSettings
from mtneuro_ssl._shared.hub import found_folder
from mtneuro_ssl._shared.model_folder import CONFIG, WEIGHTS, read_config, read_weights, weights_errors_named
from mtneuro_ssl._shared.torch_file import check_model_folder
from mtneuro_ssl.model import FORMAT_VERSION, KINDS, Model, NetworkModel
from mtneuro_ssl.settings import TrainSettings


def load_model(folder: Path | str, *, trusted: Collection[str] = (), device: str | None = None) -> Model:
    """Return the model in a folder; nothing in it is executed.

    Parameters
    ----------
    folder
        A model folder.
    trusted
        Factories, as ``package.module:factory``, that may be called to build the model's encoder.
    device
        Where to compute: ``auto``, ``cpu``, ``cuda`` or ``mps``; by default as the settings say, or as
        ``auto`` where they ask for a GPU that is not there.

    Raises
    ------
    FileNotFoundError
        If the folder or one of its files is missing.
    ValueError
        If it is not a model folder of a known format (for a file of the original benchmark's weights, the
        message names the command that makes one), the weights do not fit the settings, the encoder comes from
        a factory that is not trusted, or the device is not there.
    """
    folder = Path(folder)
    check_model_folder(folder, program="mtneuro-ssl")
    config = read_config(folder, kinds=KINDS, format_version=FORMAT_VERSION)
    settings = TrainSettings.model_validate(config["settings"])
    check_trusted(settings.encoder, trusted, where=folder / CONFIG)
    if device is None:
        device = settings.device if is_available(settings.device) else "auto"
    settings = settings.model_copy(update={"device": device})
    family: type[Model] = imported(settings.entry.target) if config["kind"] == "components" else NetworkModel
    weights = read_weights(folder)
    given = config.get("input")
    with weights_errors_named(folder / WEIGHTS):
        model = family.from_tensors(settings, weights, config=config)
    model.input = None if given is None else InputSettings.model_validate(given)
    return model


def load_encoder(source: Path | str, *, trusted: Collection[str] = ()) -> nn.Module:
    """Return the encoder of a model, as a torch module in evaluation mode.

    Parameters
    ----------
    source
        A model folder, or a repository of one on the Hugging Face hub, as for `from_pretrained`.
    trusted
        As for `load_model`.

    Raises
    ------
    FileNotFoundError
        If there is no such folder, and no such repository can be fetched.
    ValueError
        If the model has no network, as PCA and NMF.
    """
    model = load_model(found_folder(source), trusted=trusted)
    if not isinstance(model, NetworkModel):
        raise ValueError(f"an encoder is a network, but {source} holds {model.settings.method!r}")
    return model.encoder
