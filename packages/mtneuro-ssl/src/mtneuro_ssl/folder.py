"""The model folder: what is in it, and how it comes into place whole."""

import json
import shutil
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FORMAT_VERSION = 1
WEIGHTS = "model.safetensors"
CONFIG = "config.json"
HISTORY = "history.csv"
CARD = "README.md"
MONITOR = "monitor.csv"


def read_config(folder: Path) -> dict[str, Any]:
    """Return the checked ``config.json`` of a model folder."""
    path = folder / CONFIG
    if not path.is_file():
        raise FileNotFoundError(f"a model folder must hold {CONFIG}, found none in {folder}")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} must be JSON: {error}") from error
    found = config.get("format_version") if isinstance(config, dict) else None
    if found != FORMAT_VERSION or config.get("kind") not in ("network", "components"):
        raise ValueError(
            f"{path} must be a model of format_version {FORMAT_VERSION}, got format_version {found!r} "
            f"and kind {config.get('kind') if isinstance(config, dict) else None!r}"
        )
    return config


def check_destination(folder: Path) -> None:
    """Refuse to write a model over something else.

    Raises
    ------
    FileExistsError
        If there is a file, or a folder with other things in it, at the place.
    """
    if folder.is_dir() and ((folder / CONFIG).is_file() or not any(folder.iterdir())):
        return
    if folder.exists():
        raise FileExistsError(f"out must be a new folder or one that holds a model, got {folder}")


@contextmanager
def replaced_folder(folder: Path) -> Generator[Path]:
    """Give a folder to fill, which takes the place of another when it is whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}")
    beside.mkdir()
    try:
        yield beside
        if folder.exists():
            shutil.rmtree(folder)
        beside.replace(folder)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
