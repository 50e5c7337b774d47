"""A run: one piece of work, named by everything that can change its result."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Generic

from typing_extensions import TypeVar

from mtneuro_suite._shared.digests import digest
from mtneuro_suite.runs.imports import SOURCES
from mtneuro_suite.runs.step import Step

StepT_co = TypeVar("StepT_co", bound=Step, covariant=True, default=Step)


@dataclass(frozen=True, kw_only=True)
class Run(Generic[StepT_co]):
    """One piece of work, and the runs that it reads."""

    step: StepT_co
    title: str
    """What a person calls it; not part of its identity."""

    needs: Mapping[str, tuple["Run", ...]] = field(default_factory=dict)
    """The runs whose results are read, by the role that each plays."""

    cost: float = field(default=1.0, compare=False)
    """Rough seconds on one core, for the time left."""

    @property
    def needed(self) -> tuple["Run", ...]:
        """The runs of all roles, in order."""
        return tuple(run for runs in self.needs.values() for run in runs)

    @cached_property
    def id(self) -> str:
        """The name of the run's folder: its kind and a digest of all that can change its result."""
        identity = {
            "settings": self.step.model_dump(mode="json"),
            "needs": {role: [run.id for run in runs] for role, runs in self.needs.items()},
            "sources": SOURCES.digest((type(self.step).__module__, *self.step.executed_modules())),
        }
        return f"{self.step.kind}-{digest(identity)}"


def seconds_ahead(runs: Sequence[Run], seconds: Mapping[str, float]) -> dict[str, float]:
    """Return how long each run and the longest chain of those that wait for it take, by the runs' names.

    Parameters
    ----------
    runs
        The runs, needs first.
    seconds
        What each takes, by its name.
    """
    ahead = dict.fromkeys((run.id for run in runs), 0.0)
    for run in reversed(runs):
        ahead[run.id] += seconds[run.id]
        for need in run.needed:
            ahead[need.id] = max(ahead.get(need.id, 0.0), ahead[run.id])
    return ahead


def with_needs(runs: Iterable[Run]) -> list[Run]:
    """Return the runs and all that they need, each once, needs first."""
    ordered: dict[str, Run] = {}

    def visit(run: Run) -> None:
        if run.id not in ordered:
            for need in run.needed:
                visit(need)
            ordered[run.id] = run

    for run in runs:
        visit(run)
    return list(ordered.values())
