"""Functions of the user's own: what a file names, the user must name too.

A function is named as ``package.module:function``, or as ``file.py:function`` by the file that it stands in.
"""

import re
import sys
from collections.abc import Collection
from hashlib import sha256
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

_IN_MODULE = re.compile(r"(?!.*\.py:)\w+(\.\w+)*:\w+")
_IN_FILE = re.compile(r"(?P<file>.+\.py):\w+", re.DOTALL)


def is_factory(name: object) -> bool:
    """Return whether a name is that of a function in a module or in a file.

    Examples
    --------
    >>> is_factory("package.module:function"), is_factory("nets/mine.py:function")
    (True, True)
    >>> is_factory("resnet18"), is_factory("..module:function")
    (False, False)
    """
    return isinstance(name, str) and bool(_IN_MODULE.fullmatch(name) or _IN_FILE.fullmatch(name))


def whole_name(name: str) -> str:
    """Return a function's name with the whole path of its file, which holds in any folder; others as given.

    Examples
    --------
    >>> whole_name("package.module:function"), whole_name("resnet18")
    ('package.module:function', 'resnet18')
    >>> whole_name("mine.py:function") == f"{Path.cwd() / 'mine.py'}:function"
    True
    """
    if not _IN_FILE.fullmatch(name):
        return name
    file, _, function = name.rpartition(":")
    return f"{Path(file).expanduser().resolve()}:{function}"


def module_of(name: str) -> str:
    """Return the module of a function, or the whole path of its file.

    Examples
    --------
    >>> module_of("package.module:function")
    'package.module'
    """
    return whole_name(name).rpartition(":")[0]


def imported(target: str) -> Any:
    """Return the object that ``package.module:name`` or ``file.py:name`` stands for.

    A file is imported by its path, under a name that no module has. It may import those beside it, which are
    found behind all others.

    Raises
    ------
    ImportError
        If there is no such module or file.
    AttributeError
        If it holds no such name.

    Examples
    --------
    >>> imported("pathlib:Path") is Path
    True
    """
    module, name = module_of(target), target.rpartition(":")[2]
    if _IN_FILE.fullmatch(target):
        return getattr(_module_in(Path(module)), name)
    return getattr(import_module(module), name)


def _module_in(file: Path) -> ModuleType:
    """Return the module that a file holds, imported once in a process."""
    if not file.is_file():
        raise ImportError(f"there is no file {file}; check the path")
    name = f"_{sha256(str(file).encode()).hexdigest()[:16]}_{file.stem}"
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} must be a file of Python, and cannot be imported as one")
    _look_in(file.parent)
    module = module_from_spec(spec)
    # Before it runs, as for any module: classes look up the module that they are defined in.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


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
    if isinstance(name, str) and ":" in name and whole_name(name) not in map(whole_name, trusted):
        raise ValueError(
            f"{where} names {name!r}, code that would be imported and called: if you trust it, give "
            f"--trust {name} (in Python trusted=[{name!r}])"
        )


def look_here(names: Collection[object]) -> None:
    """Let modules of the current folder be found, behind all others, if the user has named a function of one.

    A function that is named by its file needs no such search.
    """
    if any(isinstance(name, str) and _IN_MODULE.fullmatch(name) for name in names):
        _look_in(Path.cwd())


def _look_in(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
