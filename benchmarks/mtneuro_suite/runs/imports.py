"""Which modules a file reaches by import statements, and a digest of their texts.

A run's result depends on the modules that it executes, and on no others. Import statements name them,
wherever in a file they stand; those under ``if TYPE_CHECKING`` are left out. A name that a package
offers lazily leads to the module that its stub, ``__init__.pyi``, takes it from, and so not to all that the
package offers. Modules that a registry names as text are reached only where settings choose them: see
:meth:`mtneuro_suite.runs.step.Step.executed_modules`. Data files count where a module names them.
"""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from mtneuro_suite._shared.digests import digest

PACKAGES = ("mtneuro_data", "mtneuro_ssl", "mtneuro_seg", "mtneuro_probe", "mtneuro_suite")
"""Packages whose modules are followed. A module of another package counts itself, if it is a root, and so
does the path of a file."""

_DATA = {".csv", ".json", ".npy", ".npz", ".toml", ".txt"}

Import = tuple[str, str]
"""A module, and the name that is taken from it; ``"*"`` for all."""


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


class Sources:
    """The texts of modules, each read once.

    Parameters
    ----------
    read
        Returns the text of a file.
    """

    def __init__(self, read: Callable[[Path], str] = _text) -> None:
        # One cache a reader, which goes with it.
        self._read = cache(read)
        self.reached = cache(self._reached)
        self.digest = cache(self._digest)

    def _digest(self, roots: tuple[str, ...]) -> str:
        """Return the digest of the modules that the roots reach, and of the data files that these name."""
        files = {name: _file(name) for name in self.reached(roots)}
        for name in list(files):
            files |= self._data(name)
        return digest({name: digest(self._read(path)) for name, path in files.items()})

    def _reached(self, roots: tuple[str, ...]) -> tuple[str, ...]:
        """Return the modules that are reached from some, sorted; they are among them."""
        found: set[str] = set()
        waiting = list(roots)
        while waiting:
            name = waiting.pop()
            if name in found:
                continue
            found.add(name)
            path = _file(name)
            inside = name if path.name == "__init__.py" else name.rpartition(".")[0]
            waiting += (
                home
                for module, imported in _imports(self._read(path), inside)
                if _package(module) in PACKAGES
                for home in self._homes(module, imported)
            )
        return tuple(sorted(found))

    def _homes(self, module: str, name: str) -> Iterator[str]:
        """Yield the modules that define what is imported by a name."""
        path = _file(module)
        if path.name != "__init__.py":
            yield module
            return
        stub = path.with_suffix(".pyi")
        offered = _offered(self._read(stub if stub.is_file() else path), module)
        if name == "*":
            yield module
            for home, imported in offered.values():
                if _package(home) in PACKAGES:
                    yield from self._homes(home, imported)
        elif name in offered:
            yield from self._homes(*offered[name])
        else:
            yield f"{module}.{name}" if _found(f"{module}.{name}") else module

    def _data(self, module: str) -> dict[str, Path]:
        """Return the data files that a module names: beside it, or in its package's folder."""
        if _package(module) not in PACKAGES:
            return {}
        path, root = _file(module), package_folder(_package(module))
        named = {folder / name for name in _named(self._read(path)).data for folder in (path.parent, root)}
        return {f"{root.name}/{file.relative_to(root).as_posix()}": file for file in named if file.is_file()}


SOURCES = Sources()
"""The sources as they are on this machine, for as long as this process lasts."""


@dataclass(frozen=True, slots=True)
class _Named:
    """What a module's text names."""

    imports: tuple[ast.Import | ast.ImportFrom, ...]
    """Import statements that are executed, inside functions too."""

    data: frozenset[str]
    """Data files."""


@cache
def _named(text: str) -> _Named:
    tree = ast.parse(text)
    imports = (node for node in _statements(tree) if isinstance(node, ast.Import | ast.ImportFrom))
    # Most modules name no data file, and to look at every expression takes long.
    nodes = ast.walk(tree) if any(suffix in text for suffix in _DATA) else ()
    values = (node.value for node in nodes if isinstance(node, ast.Constant))
    return _Named(
        tuple(imports),
        frozenset(name for name in values if isinstance(name, str) and Path(name).suffix in _DATA),
    )


@cache
def _imports(text: str, inside: str) -> tuple[Import, ...]:
    """Return what a module of a package imports when it is executed, inside functions too."""
    found: list[Import] = []
    for node in _named(text).imports:
        if isinstance(node, ast.Import):
            found += ((alias.name, "*") for alias in node.names)
        else:
            found += ((_absolute(node, inside), alias.name) for alias in node.names)
    return tuple(found)


@cache
def _offered(text: str, package: str) -> dict[str, Import]:
    """Return where a package takes the names from that it offers."""
    return {
        alias.asname or alias.name: (_absolute(node, package), alias.name)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


_BLOCKS = ("body", "handlers", "orelse", "finalbody", "cases")
"""Fields of a statement that hold statements, or such fields."""


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all statements of a module's text, but for those that only a type checker reads."""
    unread = isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
    for name in _BLOCKS[1:] if unread else _BLOCKS:
        for inner in getattr(node, name, ()):
            yield inner
            yield from _statements(inner)


def _absolute(node: ast.ImportFrom, inside: str) -> str:
    """Return the full name of the module that names are imported from."""
    if not node.level:
        return str(node.module)
    above = inside.split(".")[: len(inside.split(".")) - node.level + 1]
    return ".".join([*above, *([node.module] if node.module else [])])


def _package(module: str) -> str:
    return module.partition(".")[0]


@cache
def package_folder(package: str) -> Path:
    """Return the folder of a package.

    Raises
    ------
    ModuleNotFoundError
        If it is not installed.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"package {package!r} is not installed; install mtneuro")
    return Path(spec.origin).parent


@cache
def _found(module: str) -> Path | None:
    """Return the file of a module, or None where there is no such module; a file's path stands for itself."""
    package, _, rest = module.partition(".")
    if module.endswith(".py"):
        return Path(module) if Path(module).is_file() else None
    if package not in PACKAGES:
        spec = find_spec(module)
        return Path(spec.origin) if spec and spec.origin else None
    place = package_folder(package).joinpath(*rest.split(".")) if rest else package_folder(package)
    files = (place.with_name(f"{place.name}.py"), place / "__init__.py")
    return next((file for file in files if file.is_file()), None)


def _file(module: str) -> Path:
    file = _found(module)
    if file is None:
        raise ModuleNotFoundError(f"no module named {module!r}")
    return file
