"""Load the model that an ``encoder`` run wrote."""

from pathlib import Path
from typing import TYPE_CHECKING

from mtneuro_suite.steps.reading import result

if TYPE_CHECKING:
    from mtneuro_ssl import Model


def trained_encoder(folder: Path) -> "Model":
    """Return the model that an ``encoder`` run wrote."""
    from mtneuro_ssl import load_model

    # The file has been compared with what was planned, and its factory was trusted then.
    factory = result(folder)["settings"]["train"]["encoder"]
    return load_model(folder / "model", trusted=(factory,))
