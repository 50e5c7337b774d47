"""A trained model that is taken as it is; the code that its folder names was trusted when it was planned."""

from pathlib import Path

from mtneuro_suite._shared.settings import Settings


class Taken(Settings):
    """The folder of a trained model."""

    folder: Path
    digest: str
    """Names the folder's weights and settings."""
