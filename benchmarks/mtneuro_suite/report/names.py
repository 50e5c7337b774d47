"""Name models, class settings and features as the paper's tables do."""

import re
from collections.abc import Iterable
from statistics import fmean
from typing import get_args

from mtneuro_suite.plan.plan import Plan
from mtneuro_suite.preset.model import POINT_ROWS, Head
from mtneuro_suite.preset.paper import CLASS_SETTINGS, METHOD_ROWS, NETWORK_ROWS
from mtneuro_suite.runs.row import Row

FEATURES = {
    "vessel_density": "vessel density",
    "axon_density": "axon density",
    "cell_count": "cell count",
    "cell_size": "cell size",
    "nearest_neighbour_distance": "nearest neighbour",
}
"""Columns of Table 3 in the paper."""


METHODS = {
    "simsiam": "SimSiam",
    "simclr": "SimCLR",
    "vicreg": "VICReg",
    "barlow-twins": "Barlow Twins",
    "dino": "DINO",
    "mae": "MAE",
}
"""Methods beyond the paper, as their own papers call them."""


FLOORS = {
    "region": "region alone",
    "mean-sd": "mean and sd",
    "histogram": "32-bin histogram",
    "spectrum": "power spectrum",
}
"""Rows of what any encoder should beat."""


ABBREVIATIONS = {
    "ROI": "region of interest",
    "CTX": "somatosensory cortex",
    "STR": "striatum",
    "VP": "ventral posterior thalamus",
    "ZI": "zona incerta",
}
"""The paper's, of its regions."""


def abbreviations(plan: Plan) -> dict[str, str]:
    """Return what the paper's abbreviations mean; nothing where all regions are one's own."""
    return {} if plan.preset.inputs == "tasks" else ABBREVIATIONS


def with_legend(text: str, plan: Plan) -> str:
    """Return a caption, and after it what the abbreviations in it mean.

    Examples
    --------
    >>> from mtneuro_suite.plan.plan import plan_of
    >>> from mtneuro_suite.preset.model import read_preset
    >>> with_legend("BYOL in VP", plan_of(read_preset("demo")))
    'BYOL in VP. VP: ventral posterior thalamus.'
    """
    found = [
        f"{name}: {meaning}"
        for name, meaning in abbreviations(plan).items()
        if re.search(rf"\b{name}\b", text)
    ]
    return f"{text.removesuffix('.')}. {'; '.join(found)}." if found else text


def feature_name(feature: str) -> str:
    """Return a feature in words: the paper's, or its own.

    Examples
    --------
    >>> feature_name("nearest_neighbour_distance"), feature_name("mitochondrion_size_px")
    ('nearest neighbour', 'mitochondrion size')
    """
    return FEATURES.get(feature, feature.removesuffix("_px").replace("_", " "))


def model_name(model: str) -> str:
    """Return what a person calls a model: the paper's name, or its own.

    Examples
    --------
    >>> model_name("myow-m"), model_name("supervised+mixup p=0.5"), model_name("my_package:factory")
    ('MYOW-m', 'Supervised+Mixup (p=0.5)', 'my_package:factory')
    >>> model_name("byol, linear")
    'BYOL, linear'
    >>> model_name("mae"), model_name("untrained"), model_name("mean-sd")
    ('MAE', 'Untrained', 'mean and sd')
    """
    from mtneuro_ssl import method_names

    encoder, comma, head = model.rpartition(", ")
    if comma and head in get_args(Head):
        return f"{model_name(encoder)}, {head}"
    method, _, variant = model.partition(" p=")
    if method in METHOD_ROWS and variant:
        return f"{METHOD_ROWS[method]} (p={variant})"
    named = model.capitalize() if model in method_names() else model
    return {**FLOORS, **METHODS, **NETWORK_ROWS, **METHOD_ROWS}.get(model, named)


def class_setting(name: str) -> str:
    """Return a class setting in words; a user's own task is called by its name.

    Examples
    --------
    >>> class_setting("3class"), class_setting("my-cells")
    ('3 classes', 'my-cells')
    """
    return f"{name[0]} classes" if name in CLASS_SETTINGS else name


def task_name(task: str, plan: Plan) -> str:
    """Return what a sub-task is called: as the paper prints it, or by the name that its file gives.

    Examples
    --------
    >>> from mtneuro_suite.plan.plan import plan_of
    >>> from mtneuro_suite.preset.model import read_preset
    >>> task_name("roi-c3[B]", plan_of(read_preset("demo")))
    'ROI-C3'
    """
    return plan.inputs.region(task).column if plan.preset.inputs == "paper" else task


def table1_metric(method: str) -> str:
    """Return the metric that Table 1 shows of a method: supervised models and clouds are whole images.

    Examples
    --------
    >>> table1_metric("supervised+mixup p=0.5"), table1_metric("byol")
    ('accuracy_whole', 'accuracy_corners')
    >>> table1_metric("points"), table1_metric("counts")
    ('accuracy_whole', 'accuracy_whole')
    """
    of_whole = method.startswith("supervised") or method in POINT_ROWS
    return "accuracy_whole" if of_whole else "accuracy_corners"


def best_mixup(rows: Iterable[Row]) -> str | None:
    """Return the mixup variant with the best mean accuracy in the first task, which is the paper's row."""
    values: dict[str, list[float]] = {}
    first_task = None
    for row in rows:
        if row.model.startswith("supervised+mixup") and row.metric == "accuracy_whole" and not row.cube:
            first_task = first_task or row.task
            if row.task == first_task and row.value is not None:
                values.setdefault(row.model, []).append(row.value)
    return max(values, key=lambda model: fmean(values[model])) if values else None
