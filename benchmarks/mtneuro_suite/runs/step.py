"""What every kind of run consists of: typed settings, the modules they choose, and the work itself."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from mtneuro_suite._shared.settings import Settings
from mtneuro_suite.runs.row import Row

Progress = Callable[[int, int], None]
"""Called with the work done and all of it."""

Roles = Mapping[str, Sequence[Path]]
"""Folders of the runs that a run needs, by the role that each plays."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step found."""

    rows: list[Row] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)
    """JSON values that the report shows and no table does."""


class Step(Settings):
    """One kind of work with its settings: everything resolved, inputs and seed included.

    Its settings, the module that its class stands in and every module that this one reaches by import
    statements are part of a run's identity: see :mod:`mtneuro_suite.runs.imports`.
    """

    kind: ClassVar[str]
    """First part of a run's name."""

    @property
    def device(self) -> str:
        """Where networks are trained: ``cpu``, ``cuda`` or ``mps``."""
        return "cpu"

    def executed_modules(self) -> tuple[str, ...]:
        """Return the modules that no import statement names and that these settings choose."""
        return ()

    @abstractmethod
    def run(self, roles: Roles, out: Path, progress: Progress) -> Outcome:
        """Do the work.

        Parameters
        ----------
        roles
            Folders of the runs that this one needs.
        out
            Folder to write to. It may hold what an interrupted attempt left.
        progress
            To be called as the work goes on.
        """
