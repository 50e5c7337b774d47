"""What runs cost: time, memory, processor and GPU seconds, and energy where the machine measured it."""

import csv
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from mtneuro_suite.plan.plan import Plan
from mtneuro_suite.runs.meter import energy_kwh
from mtneuro_suite.runs.store import Store

ENERGY = {"cpu_kwh": "processor, kWh", "gpu_kwh": "GPU, kWh"}
"""Energies, and what they are called in a table."""

_COLUMNS = (
    "run",
    "kind",
    "title",
    "device",
    "seconds",
    "cpu_seconds",
    "gpu_seconds",
    *ENERGY,
    "peak_memory_mib",
    "peak_gpu_memory_mib",
)


def expenses(plan: Plan, results: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return each finished run with its provenance, which has its time, memory and energy.

    Parameters
    ----------
    plan
        The runs.
    results
        Result files of those that have finished, by the runs' names.
    """
    return [
        {"title": run.title, "kind": run.step.kind, "id": run.id, **results[run.id]["provenance"]}
        for run in plan.runs
        if run.id in results
    ]


def by_kind(costs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the sums of each kind of run, and the peak of memory."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for cost in costs:
        groups[cost["kind"]].append(cost)
    return [summed(found, kind=kind) for kind, found in groups.items()]


def summed(costs: Sequence[dict[str, Any]], *, kind: str) -> dict[str, Any]:
    """Return the sums of some runs, and the peak of memory.

    A sum is only of the runs that know it; ``partly`` names those that lack some.
    """
    energies = {name: energy_kwh(costs, name) for name in ENERGY}
    seconds = {
        name: [cost[name] for cost in costs if name in cost] for name in ("cpu_seconds", "gpu_seconds")
    }
    return {
        "kind": kind,
        "runs": len(costs),
        "seconds": sum(cost["seconds"] for cost in costs),
        "peak_memory_mib": max(cost["peak_memory_mib"] for cost in costs),
        **{name: sum(known) for name, known in seconds.items() if known},
        **{name: found[0] for name, found in energies.items() if found},
        "partly": {
            *(name for name, known in seconds.items() if len(known) < len(costs)),
            *(name for name, found in energies.items() if found and not found[1]),
        },
    }


def shown_columns(costs: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Return the columns of seconds and energy that say something of some runs, and what they are called."""
    names = {"cpu_seconds": "processor time", "gpu_seconds": "GPU time", **ENERGY}
    return {name: called for name, called in names.items() if any(cost.get(name) for cost in costs)}


def expense_csv(plan: Plan, store: Store) -> str:
    """Return what each finished run cost as CSV, a line each under a header; energies only where known."""
    costs = expenses(plan, {run.id: store.result(run) for run in plan.runs if store.done(run)})
    known = {name for cost in costs for name in cost}
    return cost_lines(costs, [name for name in _COLUMNS if name not in ENERGY or name in known])


def cost_lines(costs: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Return some columns of what runs cost as CSV; the column ``run`` is their ``id``."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({"run": cost["id"], **cost} for cost in costs)
    return text.getvalue()


def kwh(value: float) -> str:
    """Return an energy in kWh with two digits that count.

    Examples
    --------
    >>> kwh(12.34), kwh(0.0001234)
    ('12', '0.00012')
    """
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"
