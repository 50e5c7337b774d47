"""Choose the best run of a search by its scores on the validation images."""

import csv
import json
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def best_run(folders: Iterable[str | os.PathLike[str]]) -> Path:
    """Return the model's folder with the highest mean IoU on the validation images; the first where two tie.

    A run counts with the epoch whose weights it kept: its last, or its best where it was asked to keep that.

    Parameters
    ----------
    folders
        Folders that `train` wrote, all with the same validation images.

    Raises
    ------
    FileNotFoundError
        If a run is not finished.
    ValueError
        If there is no folder, one was trained without validation images, or two with different ones.
    """
    runs = [Path(folder) for folder in folders]
    if not runs:
        raise ValueError("there must be at least one run to choose from, got none")
    judged: list[Any] = []
    scores: list[float] = []
    for run in runs:
        config = _config(run)
        data: Any = config.get("provenance", {}).get("data", {})
        judged.append([data.get("validation_images"), data.get("validation_masks")])
        if judged[-1] != judged[0]:
            raise ValueError(
                f"all runs must be scored on the same validation images, got others in {str(run)!r} than in "
                f"{str(runs[0])!r}"
            )
        scores.append(_score(run, best=config["settings"].get("keep") == "best"))
    return runs[scores.index(max(scores))]


def _config(run: Path) -> dict[str, Any]:
    for name in ("config.json", "history.csv"):
        if not (run / name).is_file():
            raise FileNotFoundError(f"a finished run must hold {name}, got {str(run)!r} without it")
    return json.loads((run / "config.json").read_text("utf-8"))


def _score(run: Path, *, best: bool) -> float:
    with (run / "history.csv").open(newline="", encoding="utf-8") as file:
        found = [float(row["val_iou"]) for row in csv.DictReader(file)]
    if not found or all(math.isnan(score) for score in found):
        raise ValueError(f"a run must have validation scores to be chosen by, got none in {str(run)!r}")
    # A run whose kept score is nan is chosen last.
    kept = [-1.0 if math.isnan(score) else score for score in found]
    return max(kept) if best else kept[-1]
