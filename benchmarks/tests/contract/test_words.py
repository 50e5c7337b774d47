"""Errors of the system reach the user in words: no module puts one into a text as it is, ``[Errno 28] …``."""

import ast
import builtins
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SOURCES = [*sorted((ROOT / "packages").glob("*/src/*")), ROOT / "benchmarks/mtneuro_suite"]


def _is_of_the_system(name: str) -> bool:
    kind = getattr(builtins, name, None)
    return name == "gaierror" or (isinstance(kind, type) and issubclass(kind, OSError))


def _names(kinds: ast.expr | None) -> set[str]:
    """Return the names of the classes that a handler catches."""
    parts = kinds.elts if isinstance(kinds, ast.Tuple) else [] if kinds is None else [kinds]
    return {part.attr if isinstance(part, ast.Attribute) else getattr(part, "id", "") for part in parts}


def _told_as_it_is(handler: ast.ExceptHandler) -> list[int]:
    """Return the lines of a handler at which a text holds the error itself."""
    found: list[ast.expr] = []
    for node in ast.walk(handler):
        if isinstance(node, ast.FormattedValue):
            found.append(node.value)
        elif isinstance(node, ast.Call):
            logs = isinstance(node.func, ast.Attribute) and node.func.attr in ("debug", "info", "warning")
            if logs or (isinstance(node.func, ast.Name) and node.func.id == "str"):
                found += node.args
    return [each.lineno for each in found if isinstance(each, ast.Name) and each.id == handler.name]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_no_module_puts_an_error_of_the_system_into_a_text_as_it_is(source: Path) -> None:
    bare = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in source.rglob("*.py")
        # These two read the text of an error, and tell its words.
        if path.relative_to(source).as_posix() not in ("_shared/words.py", "_shared/files.py")
        for handler in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(handler, ast.ExceptHandler) and any(map(_is_of_the_system, _names(handler.type)))
        for line in _told_as_it_is(handler)
    ]
    assert bare == [], "use one_line of _shared/words.py"
