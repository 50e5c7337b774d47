"""A run: one piece of work, named by everything that can change its result."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

Kind = Literal["arrays", "encoder", "regions", "segmenter", "selection", "features", "semantics", "umap"]

SOURCES: dict[Kind, tuple[str, ...]] = {
    "arrays": ("mtneuro_data",),
    "encoder": ("mtneuro_ssl",),
    "regions": ("mtneuro_data", "mtneuro_ssl", "mtneuro_probe"),
    "segmenter": ("mtneuro_seg",),
    "selection": ("mtneuro_seg",),
    "features": ("mtneuro_data", "mtneuro_probe"),
    "semantics": ("mtneuro_data", "mtneuro_ssl", "mtneuro_probe"),
    "umap": ("mtneuro_probe",),
}
"""Packages whose code a kind of run executes; an edit there makes its results stale."""


def digest(value: Any) -> str:
    """Return 16 hex digits that name a JSON value.

    Examples
    --------
    >>> digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def source_digest(package: str) -> str:
    """Return the digest of a package's sources, file by file.

    Raises
    ------
    ModuleNotFoundError
        If the package is not installed.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"package {package!r} is not installed; run with `uv run`")
    root = Path(spec.origin).parent
    # What a command line prints cannot change a result.
    sources = sorted(
        p for p in root.rglob("*") if p.suffix in {".py", ".json", ".toml"} and p.name != "cli.py"
    )
    hasher = hashlib.sha256()
    for path in sources:
        hasher.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return hasher.hexdigest()[:16]


@cache
def _steps_digest() -> str:
    return hashlib.sha256((Path(__file__).parents[1] / "steps/__init__.py").read_bytes()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class Run:
    """One piece of work and the runs that it reads.

    Examples
    --------
    >>> data = Run(kind="arrays", title="images", settings={"z": [0, 8]})
    >>> model = Run(kind="encoder", title="byol", settings={"method": "byol"}, needs=(data,))
    >>> model.id.startswith("encoder-")
    True
    """

    kind: Kind
    title: str
    """What a person calls it; not part of its identity."""

    settings: dict[str, Any]
    """Everything resolved, as JSON values: inputs, hyper-parameters, seed."""

    needs: tuple["Run", ...] = ()
    cost: float = field(default=1.0, compare=False)
    """Rough seconds on one core, for the time left."""

    @cached_property
    def id(self) -> str:
        """The name of the run's folder: its kind and a digest of all that can change its result."""
        identity = {
            "settings": self.settings,
            "needs": [run.id for run in self.needs],
            "sources": {package: source_digest(package) for package in SOURCES[self.kind]},
            "steps": _steps_digest(),
        }
        return f"{self.kind}-{digest(identity)}"


def with_needs(runs: Iterable[Run]) -> list[Run]:
    """Return the runs and all that they need, each once, needs first.

    Examples
    --------
    >>> a = Run(kind="arrays", title="a", settings={})
    >>> b = Run(kind="encoder", title="b", settings={}, needs=(a,))
    >>> [run.title for run in with_needs([b, b])]
    ['a', 'b']
    """
    ordered: dict[str, Run] = {}

    def visit(run: Run) -> None:
        if run.id not in ordered:
            for need in run.needs:
                visit(need)
            ordered[run.id] = run

    for run in runs:
        visit(run)
    return list(ordered.values())
