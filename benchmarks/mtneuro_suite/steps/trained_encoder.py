"""Load the model that an ``encoder`` run wrote."""

from pathlib import Path
from typing import TYPE_CHECKING

from mtneuro_suite.steps.reading import result

if TYPE_CHECKING:
    from mtneuro_ssl import Model


def trained_encoder(folder: Path) -> "Model":
    """Return the model that an ``encoder`` run wrote."""
    from mtneuro_ssl import load_model

    settings = result(folder)["settings"]
    # The run itself called the factory that its settings name. A model taken as it is was trusted by nobody.
    trusted = () if settings["taken"] else (settings["train"]["encoder"],)
    return load_model(folder / "model", trusted=trusted)
