"""Imports inside each package run one way, and nothing outside a package imports what is not public.

Imports are read from the source, wherever they stand: in functions, and under ``if TYPE_CHECKING``, too.
"""

import ast
import re
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = {
    f"mtneuro_{name}": ROOT / f"packages/mtneuro-{name}/src" for name in ("data", "ssl", "seg", "probe")
}
HOUSES = {**PACKAGES, "mtneuro_suite": ROOT / "benchmarks"}
PAGE = ROOT / "docs/architecture.md"
INSIDERS = {"test_code_in_files.py", "test_odd_files.py"}
"""Tests from outside that compare the insides of packages."""


def _modules(house: str) -> dict[str, Path]:
    """Return the file of each module of a package, the package itself included, by its dotted name."""
    source = HOUSES[house]
    files = sorted((source / house).rglob("*.py"))
    names = [".".join(file.relative_to(source).with_suffix("").parts) for file in files]
    return {name.removesuffix(".__init__"): file for name, file in zip(names, files, strict=True)}


MODULES = {name: file for house in HOUSES for name, file in _modules(house).items()}


@cache
def _statements(file: Path, module: str) -> list[tuple[str, str | None]]:
    """Return what a file imports: a module, and the name that is taken from it, if one is."""
    package = module.split(".") if file.stem == "__init__" else module.split(".")[:-1]
    found: list[tuple[str, str | None]] = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found += [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parents = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*parents, *([node.module] if node.module else [])])
            found += [(origin, alias.name) for alias in node.names]
    return found


@cache
def _public(module: str) -> dict[str, str]:
    """Return where each name comes from that a package's ``__init__`` hands on, by its stub if it has one."""
    file = MODULES.get(module)
    if file is None or file.stem != "__init__":
        return {}
    stub = file.with_suffix(".pyi")
    face = stub if stub.is_file() else file
    return {name: _home(origin, name) for origin, name in _statements(face, module) if name}


def _home(origin: str, name: str | None) -> str:
    """Return the module in which an imported name stands, looked up through the packages that hand it on."""
    if name is None:
        return origin
    if f"{origin}.{name}" in MODULES:
        return f"{origin}.{name}"
    return _public(origin).get(name, origin)


def _graph(house: str) -> dict[str, set[str]]:
    """Return what each module of a package but its face imports of the others, or hands on."""
    modules = _modules(house).keys() - {house}
    return {
        module: (_imports(module) | set(_public(module).values())) & (modules - {module})
        for module in modules
    }


def _imports(module: str) -> set[str]:
    """Return the modules from which a module's imported names come."""
    return {_home(origin, name) for origin, name in _statements(MODULES[module], module)}


def _floors(house: str) -> dict[str, int]:
    """Return the floor of each room of a package, as the page on architecture counts them."""
    (drawing,) = re.findall(rf"^    {house}\n((?:    .+\n)+)", PAGE.read_text(), re.MULTILINE)
    lines = [line.split(":")[1].split() for line in reversed(drawing.splitlines())]
    return {room: floor for floor, rooms in enumerate(lines) for room in rooms}


@pytest.mark.parametrize("house", HOUSES)
def test_no_modules_import_each_other_in_a_circle(house: str) -> None:
    try:
        TopologicalSorter(_graph(house)).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(reversed(error.args[1])))


@pytest.mark.parametrize("house", PACKAGES)
def test_no_package_imports_another(house: str) -> None:
    for module, file in _modules(house).items():
        others = {origin.split(".")[0] for origin, _ in _statements(file, module)} & (HOUSES.keys() - {house})
        assert not others, f"{module} imports {', '.join(sorted(others))}"


@pytest.mark.parametrize("house", HOUSES)
def test_shared_modules_import_only_libraries_and_one_another(house: str) -> None:
    shared = f"{house}._shared"
    for module, imports in _graph(house).items():
        if module.startswith(shared):
            outside = {name for name in imports if not name.startswith(shared)}
            assert not outside, f"{module} imports {', '.join(sorted(outside))}"


@pytest.mark.parametrize("house", HOUSES)
def test_every_room_stands_on_a_floor(house: str) -> None:
    rooms = {module.split(".")[1] for module in _graph(house)}
    assert _floors(house).keys() == rooms


@pytest.mark.parametrize("house", HOUSES)
def test_no_import_leads_to_a_higher_floor(house: str) -> None:
    floor = _floors(house)
    upwards = {
        f"{module} -> {name}"
        for module, imports in _graph(house).items()
        for name in imports
        if floor[name.split(".")[1]] > floor[module.split(".")[1]]
    }
    assert not upwards, "\n".join(sorted(upwards))


@pytest.mark.parametrize("house", PACKAGES)
def test_only_public_names_are_imported_from_outside(house: str) -> None:
    public = {house, *(f"{house}.{name}" for name in _public(house) if f"{house}.{name}" in MODULES)}
    deep = {
        f"{file.relative_to(ROOT)}: from {origin} import {name}"
        for file in [ROOT / "conftest.py", *(ROOT / "benchmarks").rglob("*.py")]
        if file.name not in INSIDERS
        for origin, name in _statements(file, "")
        if origin.split(".")[0] == house
        and (origin not in public or name not in {None, "__version__", *_public(origin)})
    }
    assert not deep, "\n".join(sorted(deep))


@pytest.mark.parametrize("house", PACKAGES)
def test_every_public_name_can_be_used(house: str) -> None:
    package = import_module(house)
    assert package.__all__ == sorted(package.__all__)
    assert all(hasattr(package, name) for name in package.__all__)
