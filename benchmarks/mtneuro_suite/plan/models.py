"""The settings of what is trained, checked before anything runs, and models that are taken as they are."""

import json
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, TypeVar

from mtneuro_data import TaskSpec, builtin_task
from pydantic import BaseModel, ValidationError

from mtneuro_suite._shared.digests import digest, file_digest
from mtneuro_suite._shared.factories import check_trusted, module_of
from mtneuro_suite._shared.words import one_line, unknown_name
from mtneuro_suite.plan.real_sample import FILES
from mtneuro_suite.steps.taken import Taken

SettingsT = TypeVar("SettingsT", bound=BaseModel)

CONFIG = "config.json"
_FILES = (CONFIG, "model.safetensors")
"""What a model's folder holds."""


def merged_settings(model: type[SettingsT], where: str, *layers: Mapping[str, Any]) -> SettingsT:
    """Return settings from layers; where several have a key, the last wins.

    ``where`` names their place in an error message.

    Raises
    ------
    ValueError
        If a key or a value is not allowed.
    """
    try:
        return model.model_validate({key: value for layer in layers for key, value in layer.items()})
    except ValidationError as error:
        raise ValueError(f"{where}: {one_line(error)}") from None


def normalisation_of(tasks: Iterable[TaskSpec]) -> Literal["data", "given"]:
    """Return how intensities are normalised in training on tasks.

    By the benchmark's mean and spread where all images are the benchmark's volume, the phantom that
    stands in for it, or the real sample; else by those of the training images.
    """
    own = builtin_task("roi-c1").image
    known = all(
        task.image == own or task.image.startswith("phantom://") or any(name in task.image for name in FILES)
        for task in tasks
    )
    return "given" if known else "data"


def check_known(what: str, names: Iterable[str], allowed: Sequence[str]) -> None:
    """Raise ``ValueError`` at the first name that is not allowed, with the nearest one."""
    for name in names:
        if name not in allowed:
            raise ValueError(unknown_name(what, name, allowed))


def check_factory(factory: str, trusted: Collection[str], *, where: object) -> None:
    """Check that a user's factory, in a module or in a file, may be imported and is there; other names pass.

    Parameters
    ----------
    factory
        What settings name.
    trusted
        What the user has named.
    where
        The place of the settings.

    Raises
    ------
    ValueError
        If the user has not named it, there is no such module or file, or it has no such name.
    """
    if ":" not in factory:
        return
    # First: even to find a module, Python imports the packages around it.
    check_trusted(factory, trusted, where=where)
    module, name = module_of(factory), factory.rpartition(":")[2]
    file = Path(module) if module.endswith(".py") else _file_of(module)
    if not file.is_file():
        raise ValueError(f"{factory!r} must name a function in a file, and there is no file {file}")
    if name.encode() not in file.read_bytes():
        raise ValueError(f"{factory!r} must name a function in {module}, which holds no {name!r}")


def _file_of(module: str) -> Path:
    """Return the file of a module; raise ``ValueError`` where Python finds none."""
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None:
        near = [entry for entry in sys.path if entry][:1]
        raise ValueError(
            f"a factory must stand in a module that Python finds, and {module!r} is not one; run the command "
            f"in the module's folder, set PYTHONPATH to it (looked in {near[0] if near else 'no folder'} "
            "and further), or name the file, path/to/file.py:factory"
        )
    return Path(spec.origin)


def folder_digest(folder: Path) -> str:
    """Return the digest of a model folder's weights and settings.

    Raises
    ------
    FileNotFoundError
        If one of its two files is missing.
    """
    for name in _FILES:
        if not (folder / name).is_file():
            raise FileNotFoundError(f"a model's folder must hold {name}, got {folder} without it")
    return digest({name: file_digest(folder / name) for name in _FILES})


def taken_model(folder: Path, model: type[SettingsT]) -> tuple[Taken, SettingsT]:
    """Return a trained model's folder, and the settings that it was trained with.

    Raises
    ------
    FileNotFoundError
        If the folder is not a model's.
    ValueError
        If its settings are not of this kind of model.
    """
    taken = Taken(folder=folder, digest=folder_digest(folder))
    text = (folder / CONFIG).read_text(encoding="utf-8")
    try:
        settings = json.loads(text)["settings"]
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{folder / CONFIG} must hold the settings of a model") from None
    return taken, merged_settings(model, str(folder / CONFIG), settings)
