"""The paper's tables and numbers as data, and the names it gives to methods and networks."""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

METHOD_ROWS = {
    "supervised": "Supervised",
    "supervised+mixup": "Supervised+Mixup",
    "byol": "BYOL",
    "myow": "MYOW",
    "myow-m": "MYOW-m",
    "pca": "PCA",
    "nmf": "NMF",
}
"""Row of Tables 1 and 3 by method name."""

NETWORK_ROWS = {
    "unet": "2D U-Net",
    "manet": "MA-Net",
    "fpn": "FPN",
    "unetplusplus": "U-Net++",
    "pan": "PAN",
    "pspnet": "PSPNet",
    "unet3d": "3D U-Net",
    "vnetlight": "VNetLight",
    "highresnet3d": "HighResNet",
}
"""Row of Table 2 by network name."""

REGION_TASKS = {"roi-c1": "ROI-C1", "roi-c2": "ROI-C2", "roi-c3": "ROI-C3"}
"""Column of Table 1 by sub-task."""

CLASS_SETTINGS = {
    "3class": {"background": "background+axons", "vessel": "vessels", "cell": "cells"},
    "4class": {"background": "background", "vessel": "vessels", "cell": "cells", "axon": "axons"},
}
"""Columns of Table 2 by class setting: name of the class, and the paper's heading."""


@dataclass(frozen=True, slots=True)
class Quoted:
    """A number as the paper prints it: a mean, and a standard deviation where it gives one."""

    mean: float
    sd: float | None = None


@cache
def _tables() -> dict[str, Any]:
    return json.loads((files("mtneuro_suite.preset") / "paper.json").read_text(encoding="utf-8"))


def _quoted(value: Any) -> Quoted | None:
    match value:
        case None:
            return None
        case {"mean": mean, "std": sd}:
            return Quoted(mean, sd)
        case _:
            return Quoted(value)


def table1(method: str, task: str, *, downsample: int = 2) -> Quoted | None:
    """Return the accuracy that the paper prints, or None where it has no such cell.

    Table 1 is at half resolution (``downsample=2``). For other resolutions the paper has ROI-C1 alone,
    in Table A3; its other columns stay Table 1's.

    Examples
    --------
    >>> table1("byol", "roi-c1"), table1("byol", "roi-c1", downsample=4)
    (Quoted(mean=0.88, sd=0.02), Quoted(mean=0.83, sd=0.04))
    """
    row = METHOD_ROWS.get(method, "")
    if task == "roi-c1":
        resolution = "full" if downsample == 1 else f"downsample{downsample}"
        return _quoted(_tables()["tableA3"].get(row, {}).get(resolution))
    return _quoted(_tables()["table1"].get(row, {}).get(REGION_TASKS.get(task, "")))


def table2(network: str, metric: str, setting: str, class_name: str) -> Quoted | None:
    """Return the score that Table 2 prints for one class, or for ``"average"``.

    Examples
    --------
    >>> table2("unet", "f1", "4class", "axons")
    Quoted(mean=0.94, sd=None)
    """
    row = _tables()["table2"].get(NETWORK_ROWS.get(network, ""), {})
    scores = row.get({"f1": "F1", "iou": "IoU"}[metric], {})
    return _quoted(scores.get(setting.replace("class", "-class"), {}).get(class_name))


def table3(method: str, task: str, feature: str) -> Quoted | None:
    """Return the R2 that Table 3 prints for encoders trained in ``task`` (roi-c1 or roi-c3).

    Examples
    --------
    >>> table3("myow-m", "roi-c3", "cell_count")
    Quoted(mean=0.78, sd=0.01)
    """
    row = _tables()["table3"].get(task, {}).get(METHOD_ROWS.get(method, ""), {})
    return _quoted(row.get(feature))


def class_proportion(region: str, class_name: str) -> Quoted | None:
    """Return the share of a class in a region's voxels, in percent, as the appendix (4.2.3) prints it.

    The region ``total`` is all four. As printed, the cortex sums to 99.97.

    Examples
    --------
    >>> class_proportion("VP", "axon"), class_proportion("total", "cell")
    (Quoted(mean=66.8, sd=None), Quoted(mean=6.36, sd=None))
    """
    return _quoted(_tables()["class_proportions_percent"].get(region, {}).get(class_name))


def training_hours(method: str, task: str, *, downsample: int) -> Quoted | None:
    """Return the hours that a self-supervised run took on an RTX 3090, by the appendix (3.3).

    It gives one number a resolution, for BYOL, MYOW and MYOW-m in ROI-C1.

    Examples
    --------
    >>> training_hours("byol", "roi-c1", downsample=2), training_hours("byol", "roi-c3", downsample=2)
    (Quoted(mean=1.5, sd=None), None)
    """
    if task != "roi-c1" or method not in ("byol", "myow", "myow-m"):
        return None
    resolution = "full" if downsample == 1 else f"downsample{downsample}"
    return _quoted(_tables()["hours_of_a_self_supervised_run"].get(resolution))
