"""The report: one HTML file that opens offline."""

import base64
import io
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from mtneuro_suite.display import duration
from mtneuro_suite.engine import Failure
from mtneuro_suite.paper import METHOD_ROWS, NETWORK_ROWS
from mtneuro_suite.plan import Plan
from mtneuro_suite.results import Store, write_text
from mtneuro_suite.run import Run
from mtneuro_suite.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _data_uri(figure: "Figure") -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight", facecolor="white")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _name(model: str) -> str:
    return METHOD_ROWS.get(model, NETWORK_ROWS.get(model, model.capitalize()))


def _first_seed(runs: Sequence[Run], seed: int) -> list[Run]:
    return [run for run in runs if run.settings.get("seed", seed) == seed]


def _confusions(plan: Plan, store: Store) -> list[dict[str, str]]:
    """Return one confusion matrix for each method and sub-task."""
    from mtneuro_probe import confusion_figure

    shown: list[dict[str, str]] = []
    columns = {region.name: region.column for region in plan.inputs.regions}
    for run in _first_seed(plan.regions, plan.preset.seeds[0]):
        if not store.done(run):
            continue
        extra = store.result(run)["extra"]
        view = "whole" if run.settings["supervised"] else "corners"
        for task, column in columns.items():
            confusion = extra.get(f"confusion {task} {view}")
            if confusion is not None:
                figure = confusion_figure(np.array(confusion, dtype=np.int64), extra["region_names"])
                shown.append(
                    {"caption": f"{_name(run.settings['model'])}, {column}", "image": _data_uri(figure)}
                )
    return shown


def _overlays(plan: Plan, store: Store) -> list[dict[str, str]]:
    """Return image, truth and prediction of a few test samples of each network."""
    from mtneuro_seg import segmentation_figure

    shown: list[dict[str, str]] = []
    for run in _first_seed(plan.segmenters, plan.preset.seeds[0]):
        if not store.done(run):
            continue
        names = store.result(run)["extra"]["class_names"]
        with np.load(store.folder(run) / "examples.npz", allow_pickle=False) as file:
            images, truth, prediction, sample_id = (
                file[k] for k in ("images", "truth", "prediction", "sample_id")
            )
        figure = segmentation_figure(images, truth, prediction, class_names=names)
        caption = (
            f"{_name(run.settings['model'])}, {len(names)} classes; samples {', '.join(sample_id.tolist())}"
        )
        shown.append({"caption": caption, "image": _data_uri(figure)})
    return shown


def _curves(named: Sequence[tuple[str, Path]]) -> str | None:
    """Return the training loss of each run against its steps, an axis each."""
    from matplotlib.figure import Figure

    found = [(name, pd.read_csv(path)) for name, path in named if path.is_file()]
    found = [(name, history) for name, history in found if len(history) and "loss" in history]
    if not found:
        return None
    columns = min(4, len(found))
    rows = -(-len(found) // columns)
    figure = Figure(figsize=(3.1 * columns, 2.1 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, (name, history) in zip(axes, found, strict=False):
        few = len(history) < 30
        axis.plot(
            history["step"],
            history["loss"],
            color="#2c5f8a",
            linewidth=1.2,
            marker="o" if few else None,
            ms=3,
        )
        axis.set_title(name, fontsize=8)
        axis.tick_params(labelsize=7)
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes[len(found) :]:
        axis.set_axis_off()
    figure.supxlabel("step", fontsize=8)
    figure.supylabel("training loss", fontsize=8)
    return _data_uri(figure)


def _learning_curves(plan: Plan, store: Store) -> list[dict[str, str]]:
    seed = plan.preset.seeds[0]
    encoders = [
        (
            f"{run.title.removeprefix('train ').rpartition(',')[0]}",
            store.folder(run) / "model" / "history.csv",
        )
        for run in plan.encoders
        if run.settings["train"]["seed"] == seed
    ]
    segmenters = [
        (
            f"{_name(run.settings['model'])}, {run.settings['task']}",
            store.folder(run) / "model" / "history.csv",
        )
        for run in _first_seed(plan.segmenters, seed)
    ]
    shown: list[dict[str, str]] = []
    for caption, named in (("Encoders of Task 1", encoders), ("Networks of Task 2", segmenters)):
        if image := _curves(named):
            shown.append({"caption": caption, "image": image})
    return shown


def _umaps(plan: Plan, store: Store) -> list[dict[str, str]]:
    from mtneuro_probe import umap_figure

    shown: list[dict[str, str]] = []
    for run in plan.umap:
        if not store.done(run) or plan.features is None:
            continue
        (semantics,) = run.needs
        folder = store.folder(semantics)
        features = pd.read_csv(store.folder(plan.features) / "features.csv", index_col="sample_id")
        figure = umap_figure(
            np.load(store.folder(run) / "points.npy"),
            region=np.load(folder / "region.npy"),
            region_names=store.result(semantics)["extra"]["region_names"],
            features=features,
        )
        model, task = semantics.settings["model"], semantics.settings["task"]
        caption = f"{_name(model)} trained in {task}, {len(features)} samples"
        shown.append({"caption": caption, "image": _data_uri(figure)})
    return shown


def _inputs(plan: Plan, store: Store) -> list[dict[str, Any]]:
    """Return what each arrays run loaded."""
    shown: list[dict[str, Any]] = []
    for run in plan.runs:
        if run.kind == "arrays" and store.done(run):
            extra = store.result(run)["extra"]
            counts = ", ".join(f"{region} {n}" for region, n in extra["per_region"].items() if n)
            shape = " x ".join(str(side) for side in extra["shape"][1:])
            shown.append({"title": run.title, "images": extra["images"], "shape": shape, "regions": counts})
    return shown


def _costs(plan: Plan, store: Store) -> list[dict[str, Any]]:
    """Return time and memory by kind of run."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for run in plan.runs:
        if store.done(run):
            groups[run.kind].append(store.result(run)["provenance"])
    return [
        {
            "kind": kind,
            "runs": len(found),
            "time": duration(sum(p["seconds"] for p in found)),
            "memory": f"{max(p['peak_memory_mib'] for p in found)} MiB",
        }
        for kind, found in groups.items()
    ]


def _section(
    title: str, intro: str, build: Callable[[Plan, Store], list[dict[str, str]]], plan: Plan, store: Store
) -> dict[str, Any]:
    return {"title": title, "intro": intro, "figures": build(plan, store)}


def write_report(
    plan: Plan, store: Store, tables: Sequence[Table], path: Path, *, failures: Sequence[Failure] = ()
) -> Path:
    """Write the report of a plan's finished runs, and return its path.

    Parameters
    ----------
    plan, store
        The runs, and where their results are.
    tables
        From :func:`mtneuro_suite.tables.all_tables`.
    path
        The HTML file; written beside and renamed.
    failures
        Runs that failed, to be named.
    """
    sections = [
        _section(
            "Confusion matrices", "Rows are the truth. First seed of each method.", _confusions, plan, store
        ),
        _section(
            "Segmentations",
            "Image, truth and prediction of test samples, first seed.",
            _overlays,
            plan,
            store,
        ),
        _section("Learning curves", "Training loss, first seed.", _learning_curves, plan, store),
        _section(
            "The embedding drawn by UMAP",
            "Standardised embeddings, coloured by region and by each feature. A picture, not a score.",
            _umaps,
            plan,
            store,
        ),
    ]
    done = [run for run in plan.runs if store.done(run)]
    environment = Environment(
        loader=PackageLoader("mtneuro_suite", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    provenance = [store.result(run)["provenance"] for run in done]
    made_with = {
        key: ", ".join(sorted({str(one[key]) for one in provenance}))
        for key in ("suite_version", "commit", "python", "platform", "device")
    }
    html = environment.get_template("report.html.j2").render(
        preset=plan.preset,
        caveat=plan.inputs.caveat,
        tables=tables,
        sections=sections,
        failures=failures,
        inputs=_inputs(plan, store),
        costs=_costs(plan, store),
        made_with=made_with,
        settings=plan.preset.model_dump_json(indent=2),
        missing=len(plan.runs) - len(done),
    )
    write_text(path, html)
    return path
