"""Collect what the report's UMAP shows: layouts, features and thumbnails, as the page's script reads them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int64

from mtneuro_suite.plan.plan import Plan
from mtneuro_suite.report.figures import COLOURS
from mtneuro_suite.report.names import feature_name, model_name, task_name
from mtneuro_suite.report.pictures import THUMBNAIL, thumbnail_sheet
from mtneuro_suite.runs.run import Run
from mtneuro_suite.runs.store import Store
from mtneuro_suite.steps import Semantics, Umap

MOST_POINTS = 2000
"""More would make the file larger, and the plot no clearer."""

_SIDE = 1000


FIGURES = {
    ("myow-m", "roi-c1"): "Figure 4",
    ("byol", "roi-c1"): "Figure A4",
    ("byol", "roi-c3"): "Figure A4",
}
"""The paper's figures of embeddings, by method and by the sub-task in which the encoder was trained."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One drawing of the embeddings."""

    title: str
    caption: str


@dataclass(frozen=True, slots=True)
class UmapSection:
    """Everything that the section shows."""

    layouts: tuple[Layout, ...]
    sheet: str
    """Data URI of the thumbnails."""

    data: dict[str, Any]
    """What the script reads: samples, colours and points."""

    left_out: str
    """A sentence where not every sample is drawn."""


def chosen_samples(n: int, most: int = MOST_POINTS) -> Int64[np.ndarray, " chosen"]:
    """Return the samples to draw: all, or as many as are allowed at even distances.

    Examples
    --------
    >>> chosen_samples(3)
    array([0, 1, 2])
    >>> chosen_samples(100, 5)
    array([ 0, 25, 50, 74, 99])
    """
    return np.arange(n) if n <= most else np.linspace(0, n - 1, most).round().astype(np.int64)


def _places(points: Float[np.ndarray, "n 2"]) -> list[list[int]]:
    """Return points in a square of 1000, both axes to one scale, y upwards."""
    low, high = points.min(axis=0), points.max(axis=0)
    scaled = (points - (low + high) / 2) / max(float((high - low).max()), 1e-9) * _SIDE + _SIDE / 2
    scaled[:, 1] = _SIDE - scaled[:, 1]
    return scaled.round().astype(int).tolist()


def _thumbnails(store: Store, semantics: Run[Semantics], sample_id: list[str]) -> tuple[str, int]:
    from mtneuro_data import TaskArrays

    wanted = dict.fromkeys(sample_id)
    images: dict[str, np.ndarray] = {}
    for run in semantics.needs["samples"]:
        arrays = TaskArrays.read(store.folder(run) / "arrays.npz")
        if semantics.step.view == "corners":
            arrays = arrays.corners()
        images |= {
            name: _shown(arrays.images[i]).copy()
            for i, name in enumerate(arrays.sample_id.tolist())
            if name in wanted
        }
    return thumbnail_sheet([images[name] for name in sample_id])


def _shown(image: np.ndarray) -> np.ndarray:
    """Return an image, or the middle slice of a subvolume."""
    return image if image.ndim == 2 else image[len(image) // 2]


def _feature_values(features: pd.DataFrame) -> list[dict[str, Any]]:
    from mtneuro_probe import feature_unit

    found: list[dict[str, Any]] = []
    for name in features.columns:
        unit = feature_unit(str(name))
        percent = unit == "fraction"
        values = features[name].to_numpy(np.float64) * (100 if percent else 1)
        if np.isfinite(values).any():
            found.append(
                {
                    "label": feature_name(str(name)),
                    "unit": "%" if percent else unit,
                    # JSON has no NaN: null is what was not measured.
                    "values": [float(f"{value:.4g}") if np.isfinite(value) else None for value in values],
                }
            )
    return found


def _drawn_from(run: Run, read: Mapping[str, Run[Semantics]]) -> tuple[Run, ...]:
    """Return the runs whose files one UMAP's drawing is made of."""
    semantics = read[run.needs["semantics"][0].id]
    return run, semantics, *semantics.needs["samples"]


def umap_sections(plan: Plan, store: Store) -> list[UmapSection]:
    """Return the finished UMAPs of a plan: a section for slices, and one for subvolumes."""
    read = {run.id: run for run in plan.semantics}
    groups: dict[str, list[Run[Umap]]] = defaultdict(list)
    for run in plan.umap:
        (features,) = read[run.needs["semantics"][0].id].needs["features"]
        if all(map(store.done, (*_drawn_from(run, read), features))):
            groups[features.id].append(run)
    return [_section(plan, store, done, read) for done in groups.values()]


def _section(
    plan: Plan, store: Store, done: Sequence[Run[Umap]], read: Mapping[str, Run[Semantics]]
) -> UmapSection:
    from mtneuro_probe import load_embeddings

    drawn = [read[run.needs["semantics"][0].id] for run in done]
    first = drawn[0]
    sample_id = load_embeddings(store.folder(first) / "embeddings.npz").sample_id
    chosen = chosen_samples(len(sample_id))
    names: list[str] = sample_id[chosen].tolist()
    (features,) = first.needs["features"]
    table = pd.read_csv(store.folder(features) / "features.csv", index_col="sample_id")
    sheet, across = _thumbnails(store, first, names)
    layouts: list[Layout] = []
    points: list[list[list[int]]] = []
    for run, semantics in zip(done, drawn, strict=True):
        task = semantics.step.task
        figure = FIGURES.get((semantics.step.model, plan.inputs.region(task).paper_column))
        model = model_name(semantics.step.model)
        layouts.append(
            Layout(
                f"{model} trained in {task_name(task, plan)}",
                f"As the paper's {figure}, which shows the brain." if figure else "",
            )
        )
        points.append(_places(np.load(store.folder(run) / "points.npy")[chosen]))
    region = np.load(store.folder(first) / "region.npy")[chosen]
    region_names = store.result(first)["extra"]["region_names"]
    return UmapSection(
        layouts=tuple(layouts),
        sheet=sheet,
        data={
            "samples": names,
            "region": region.tolist(),
            "regionNames": region_names,
            "regionColours": [COLOURS[i % len(COLOURS)] for i in range(len(region_names))],
            "features": _feature_values(table.loc[names]),
            "sheet": {"across": across, "side": THUMBNAIL},
            "layouts": points,
        },
        left_out=(
            f"{len(names)} of {len(sample_id)} samples are drawn, at even distances."
            if len(names) < len(sample_id)
            else ""
        ),
    )
