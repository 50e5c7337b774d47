"""Write the report: one HTML file that opens offline."""

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mtneuro_suite._shared.files import written_beside
from mtneuro_suite.plan.costs import duration
from mtneuro_suite.plan.plan import Plan
from mtneuro_suite.preset.model import FLOORS, shown_values
from mtneuro_suite.report.appendix import appendix_tables
from mtneuro_suite.report.claims import claims
from mtneuro_suite.report.expense import by_kind, expenses, kwh, shown_columns, summed
from mtneuro_suite.report.figures import accuracy_figures, first_seed, learning_curves
from mtneuro_suite.report.labels import label_figures
from mtneuro_suite.report.names import abbreviations, model_name
from mtneuro_suite.report.overview import overview
from mtneuro_suite.report.page import filled
from mtneuro_suite.report.pictures import MOST_NETWORKS, class_key, segmentation_sheets, surfaces
from mtneuro_suite.report.record import beside_study
from mtneuro_suite.report.rows import rows_of
from mtneuro_suite.report.shift import shift_figures
from mtneuro_suite.report.state import report_state
from mtneuro_suite.report.tables import Table
from mtneuro_suite.report.umap import umap_sections
from mtneuro_suite.runs.failure import Failure
from mtneuro_suite.runs.store import Store
from mtneuro_suite.steps import Arrays

Results = Mapping[str, Mapping[str, Any]]
"""Result files of the finished runs, by the runs' names."""


def _confusions(plan: Plan, results: Results) -> list[dict[str, Any]]:
    """Return one confusion matrix for each sub-task and method, first seed: counts, and shares of the row."""
    done = [
        run for run in first_seed(plan.scored, plan) if run.id in results and run.step.model not in FLOORS
    ]
    shown: list[dict[str, Any]] = []
    for region in plan.inputs.scored_regions:
        for run in done:
            extra = results[run.id]["extra"]
            view = "whole" if run.step.supervised else "corners"
            counts: list[list[int]] | None = extra.get(f"confusion {region.name} {view}")
            if counts is not None:
                rows = [[(count, count / max(1, sum(row))) for count in row] for row in counts]
                caption = f"{region.column}, {model_name(run.step.model)}"
                shown.append({"caption": caption, "names": extra["region_names"], "rows": rows})
    return shown


def _inputs(plan: Plan, results: Results) -> list[dict[str, Any]]:
    """Return what each arrays run loaded."""
    shown: list[dict[str, Any]] = []
    for run in plan.runs:
        if isinstance(run.step, Arrays) and run.id in results:
            extra = results[run.id]["extra"]
            counts = ", ".join(f"{region} {n}" for region, n in extra["per_region"].items() if n)
            shape = " × ".join(str(side) for side in extra["shape"][1:])
            shown.append({"title": run.title, "images": extra["images"], "shape": shape, "regions": counts})
    return shown


def _made_with(costs: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Return what the results were made with, the values of all runs joined."""
    found: dict[str, set[str]] = defaultdict(set)
    for made in costs:
        for key in ("suite_version", "commit", "python", "platform", "device"):
            found[key.replace("_", " ")].add(str(made[key] or "none: an installed suite"))
        for library, version in made["versions"].items():
            found[library].add(version)
    return {key: ", ".join(sorted(values)) for key, values in found.items()}


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _parts(text: str, meanings: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the parts of a text, and what those that are abbreviations mean; of others nothing."""
    parts = re.split(rf"\b({'|'.join(meanings)})\b", text) if meanings else [text]
    return [(part, meanings.get(part, "")) for part in parts if part]


def write_report(
    plan: Plan,
    store: Store,
    tables: Sequence[Table],
    path: Path,
    *,
    failures: Sequence[Failure] = (),
    found: Sequence[str] = (),
    state: str = "",
) -> Path:
    """Write the report of a plan's finished runs, and return its path.

    The file asks for no other: pictures, style and script stand in it, and it forbids itself the network.

    Parameters
    ----------
    plan, store
        The runs, and where their results are.
    tables
        From :func:`mtneuro_suite.report.tables.all_tables`.
    path
        The HTML file; written beside and renamed.
    failures
        Runs that failed, to be named.
    found
        From :func:`mtneuro_suite.report.findings.findings`.
    state
        From :func:`mtneuro_suite.report.state.report_state`, where it is known already.
    """
    meanings = abbreviations(plan)

    def parts(text: str) -> list[tuple[str, str]]:
        return _parts(text, meanings)

    filters: dict[str, Any] = {"anchor": _anchor, "duration": duration, "kwh": kwh, "parts": parts}
    results = {run.id: store.result(run) for run in plan.runs if store.done(run)}
    costs = expenses(plan, results)
    rows = rows_of(plan, store)
    html = filled(
        "report.html.j2",
        filters,
        preset=plan.preset,
        state=state or report_state(plan, store, failures),
        caveat=plan.inputs.caveat,
        tables=[*tables, *appendix_tables(plan, store)],
        accuracy=accuracy_figures(plan, store),
        labels=label_figures(plan, store),
        shift=shift_figures(plan, store),
        confusions=_confusions(plan, results),
        segmentations=segmentation_sheets(plan, store),
        most_networks=MOST_NETWORKS,
        classes=class_key(plan),
        surfaces=surfaces(plan, store),
        umaps=umap_sections(plan, store),
        curves=learning_curves(plan, store),
        failures=failures,
        found=found,
        claims=claims(plan, rows),
        overview=overview(plan, rows),
        beside=beside_study(plan, rows),
        meanings=meanings,
        inputs=_inputs(plan, results),
        costs=costs,
        cost_by_kind=by_kind(costs),
        cost_of_all=summed(costs, kind="all") if costs else {},
        cost_columns=shown_columns(costs),
        made_with=_made_with(costs),
        settings=json.dumps(shown_values(plan.preset), indent=2, ensure_ascii=False),
        missing=len(plan.runs) - len(costs),
    )
    with written_beside(path) as beside:
        beside.write_text(html, encoding="utf-8")
    return path
