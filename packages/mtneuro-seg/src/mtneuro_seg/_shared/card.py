"""The header of a model's card: what a hub reads of it."""

import json
from collections.abc import Mapping
from typing import Any


def header(fields: Mapping[str, Any], /) -> list[str]:
    """Return the lines of YAML that a card begins with.

    Values are written as JSON, which YAML contains.

    Examples
    --------
    >>> header({"library_name": "mtneuro-seg", "tags": ["2d"]})
    ['---', 'library_name: "mtneuro-seg"', 'tags: ["2d"]', '---']
    """
    return [
        "---",
        *(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in fields.items()),
        "---",
    ]


def model_index(name: str, task: str, scores: Mapping[str, float], *, dataset: str) -> list[dict[str, Any]]:
    """Return a card's ``model-index``: the scores of a model on some data.

    Examples
    --------
    >>> (entry,) = model_index("unet", "image-segmentation", {"mean_iou": 0.5}, dataset="validation images")
    >>> entry["results"][0]["metrics"]
    [{'type': 'mean_iou', 'value': 0.5}]
    """
    metrics = [{"type": metric, "value": value} for metric, value in scores.items()]
    about = {"name": dataset, "type": dataset.replace(" ", "-")}
    return [{"name": name, "results": [{"task": {"type": task}, "dataset": about, "metrics": metrics}]}]
