"""Functions of the user's own, ``package.module:function``: what a file names, the user must name too."""

import re
import sys
from collections.abc import Collection
from importlib import import_module
from pathlib import Path
from typing import Any

_NAME = re.compile(r"\w+(\.\w+)*:\w+")


def is_factory(name: object) -> bool:
    """Return whether a name is that of a function in a module.

    Examples
    --------
    >>> is_factory("package.module:function"), is_factory("resnet18"), is_factory("..module:function")
    (True, False, False)
    """
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def imported(target: str) -> Any:
    """Return the object that ``package.module:name`` stands for.

    Examples
    --------
    >>> imported("pathlib:Path") is Path
    True
    """
    module, _, name = target.partition(":")
    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name == module and module.endswith(".py"):
            file = module.removesuffix(".py")
            raise ImportError(f"a module is named without .py: {file}:{name}") from error
        raise


def check_trusted(name: object, trusted: Collection[str], *, where: object) -> None:
    """Check a name that stands in a file: if it is a function's, the user must have named it too.

    Importing a module runs it, and the file may be anybody's. Other names pass.

    Parameters
    ----------
    name
        What the file says.
    trusted
        What the user has named.
    where
        The file.

    Raises
    ------
    TypeError
        If ``trusted`` is a single text.
    ValueError
        If the function is not trusted; the message says how to trust it.
    """
    if isinstance(trusted, str):
        raise TypeError(f"trusted must be a list of names, got {trusted!r}")
    if isinstance(name, str) and ":" in name and name not in trusted:
        raise ValueError(
            f"{where} names {name!r}, code that would be imported and called: if you trust it, give "
            f"--trust {name} (in Python trusted=[{name!r}])"
        )


def look_here(names: Collection[object]) -> None:
    """Let modules of the current folder be found, behind all others, if the user has named a function."""
    here = str(Path.cwd())
    if any(map(is_factory, names)) and here not in sys.path:
        sys.path.append(here)
