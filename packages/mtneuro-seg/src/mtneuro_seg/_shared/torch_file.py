"""Weights in the files of ``torch.save``, read as plain tensors."""

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from pickle import UnpicklingError
from textwrap import shorten
from typing import Any

import torch
from torch import Tensor

from .bounds import check_file
from .words import one_line

_MOST = 100
"""Most characters of the names that an error lists."""


def is_torch_file(path: Path, /) -> bool:
    """Return whether a file is one of ``torch.save``, which are zip archives since torch 1.6."""
    return path.is_file() and zipfile.is_zipfile(path)


def check_model_folder(path: Path, /, *, program: str) -> None:
    """Raise where a file stands in the place of a model folder, and say which command makes a folder of it.

    Raises
    ------
    ValueError
        If it is a file.
    """
    if path.is_file():
        raise ValueError(
            f"a model must be a folder, got the file {path}; if it holds weights of the original benchmark, "
            f"`{program} import {path} -o FOLDER` makes a model folder of them"
        )


def torch_table(path: Path, /) -> dict[str, Any]:
    """Return the table that a file of ``torch.save`` holds; nothing in the file is executed.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no such file, holds more than plain tensors and values, or is larger than the memory at hand.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file at {path}; check the path")
    check_file(path)
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError, AttributeError, LookupError, ValueError) as error:
        # What PyTorch stumbles over in bytes that are something else says nothing to anybody.
        other = isinstance(error, LookupError | AttributeError)
        reason = one_line(ValueError("it is something else" if other else str(error).partition("\n")[0]))
        raise ValueError(
            f"{path} must be a file of torch.save with plain tensors (a state dict, not a whole module): "
            f"{shorten(reason, 200, placeholder=' ...')}"
        ) from error
    if not isinstance(found, Mapping):
        raise ValueError(f"{path} must hold a table of weights by name, got {type(found).__name__}")
    return {str(name): value for name, value in found.items()}


def tensors_of(table: Mapping[str, Any], /) -> dict[str, Tensor]:
    """Return what of a table is a tensor.

    Examples
    --------
    >>> tensors_of({"weight": torch.ones(1), "epoch": 3})
    {'weight': tensor([1.])}
    """
    return {name: value for name, value in table.items() if isinstance(value, Tensor)}


def listed(names: Iterable[str], /) -> str:
    """Return names in words, the first of them where they are many.

    Examples
    --------
    >>> listed(["a.weight", "a.bias"]), listed([])
    ('a.weight, a.bias', 'nothing')
    """
    return shorten(", ".join(names), _MOST, placeholder=" ...") or "nothing"
