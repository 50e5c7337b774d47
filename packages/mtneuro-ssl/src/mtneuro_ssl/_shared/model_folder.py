"""The folder of a trained model: ``model.safetensors``, ``config.json`` and texts such as its history."""

import json
from collections.abc import Collection, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from .bounds import check_file
from .files import written_beside

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
HISTORY = "history.csv"
HEADS = "heads.safetensors"
CARD = "README.md"

_REASON_LENGTH = 300
"""Most characters of torch's reason, which may list every weight."""


def check_destination(folder: Path, /) -> None:
    """Raise unless a model can be written to the folder without losing something else.

    Raises
    ------
    FileExistsError
        If there is a file, or a folder that is neither empty nor a model's.
    """
    if folder.is_dir() and ((folder / CONFIG).is_file() or not any(folder.iterdir())):
        return
    if folder.exists():
        raise FileExistsError(f"out must be a new folder or one that holds a model, got {folder}")


def other_model(folder: Path, /) -> FileExistsError:
    """Return the error of a training that would replace a model of other settings or data."""
    return FileExistsError(
        f"a model must be written to a new place, got {folder}, which holds one of other settings or data; "
        "--force (replace=True) replaces it"
    )


def write_model(
    folder: Path,
    /,
    *,
    weights: Mapping[str, Tensor],
    config: Mapping[str, Any],
    texts: Mapping[str, str],
    others: Mapping[str, Mapping[str, Tensor]] | None = None,
) -> None:
    """Write a model's folder, whole or not at all, in place of a model that is there.

    Parameters
    ----------
    folder
        The folder to write.
    weights
        Everything learnt, by name.
    config
        What ``config.json`` says: ``format_version``, ``kind`` and whatever else.
    texts
        Other files by name, such as ``history.csv``.
    others
        Other files of weights by name, such as ``heads.safetensors``.

    Raises
    ------
    FileExistsError
        If there is something else than a model in its place.
    """
    check_destination(folder)
    with written_beside(folder) as beside:
        beside.mkdir()
        for name, tensors in {WEIGHTS: weights, **(others or {})}.items():
            # Not save_file, whose file only its owner may read.
            (beside / name).write_bytes(save(separate(tensors)))
        (beside / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        for name, text in texts.items():
            (beside / name).write_text(text, encoding="utf-8", newline="")


def separate(weights: Mapping[str, Tensor], /) -> dict[str, Tensor]:
    """Return weights on the CPU, each in memory of its own, as safetensors takes them.

    Where two names stand for one tensor, as in a network that uses a layer twice, the second is a copy.

    Examples
    --------
    >>> import torch
    >>> layer = torch.nn.Linear(1, 1, bias=False)
    >>> tied = torch.nn.Sequential(layer, layer)
    >>> first, second = separate(tied.state_dict()).values()
    >>> bool(first == second), first.data_ptr() == second.data_ptr()
    (True, False)
    """
    places: set[int] = set()
    found: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        held = tensor.detach().cpu().contiguous()
        place = held.untyped_storage().data_ptr()
        found[name] = held.clone() if place in places else held
        places.add(place)
    return found


def read_config(folder: Path, /, *, kinds: Collection[str], format_version: int) -> dict[str, Any]:
    """Return what ``config.json`` of a model folder says.

    Raises
    ------
    FileNotFoundError
        If the folder or one of its files is missing.
    ValueError
        If it is not JSON, or of another kind or version.
    """
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"a model folder must hold {name}, found none in {folder}")
    path = folder / CONFIG
    check_file(path)
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} must be JSON: {error}") from error
    found = config if isinstance(config, dict) else {}
    kind, version = found.get("kind"), found.get("format_version")
    if kind not in kinds or version != format_version:
        wanted = " or ".join(map(repr, kinds))
        raise ValueError(
            f"{path} must be of kind {wanted} and format_version {format_version}, "
            f"got kind {kind!r} and format_version {version!r}"
        )
    return found


def read_weights(folder: Path, /, name: str = WEIGHTS) -> dict[str, Tensor]:
    """Return the weights in a file of a model folder by name; nothing in the file is executed.

    Raises
    ------
    ValueError
        If the file is damaged, or larger than the memory at hand.
    """
    check_file(folder / name)
    with weights_errors_named(folder / name):
        return load_file(folder / name)


@contextmanager
def weights_errors_named(
    file: Path, /, *, of: str = "the model that config.json describes"
) -> Generator[None]:
    """Turn the errors of weights that are damaged or do not fit into one that names their file.

    Raises
    ------
    ValueError
        In place of those errors; others pass.
    """
    try:
        yield
    except (SafetensorError, RuntimeError, KeyError) as error:
        reason = shorten(str(error), _REASON_LENGTH, placeholder=" ...")
        raise ValueError(f"{file} must hold the weights of {of}, got: {reason}") from error
