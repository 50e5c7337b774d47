"""Load the model that an ``encoder`` run wrote."""

import copy
from pathlib import Path
from typing import TYPE_CHECKING

from mtneuro_suite.steps.reading import result

if TYPE_CHECKING:
    from mtneuro_ssl import Model


def trained_encoder(folder: Path, *, normalised: bool = True, device: str | None = None) -> "Model":
    """Return the model that an ``encoder`` run wrote.

    Parameters
    ----------
    folder
        The run's folder.
    normalised
        Whether it normalises images as in its training, or takes intensities from 0 to 1 as they are.
    device
        Where to compute; by default as its settings say.
    """
    from mtneuro_ssl import load_model

    # The file has been compared with what was planned, and its factory was trusted then.
    factory = result(folder)["settings"]["train"]["encoder"]
    model = load_model(folder / "model", trusted=(factory,), device=device)
    if not normalised:
        model = copy.copy(model)
        model.settings = model.settings.model_copy(update={"mean": 0.0, "sd": 1.0})
    return model
