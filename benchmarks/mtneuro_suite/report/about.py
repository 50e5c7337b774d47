"""Read and write about.json, which describes a folder of results so that it can be read without its plan."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from mtneuro_suite import SUITE_VERSION
from mtneuro_suite._shared.settings import Settings
from mtneuro_suite._shared.words import one_line
from mtneuro_suite.plan.plan import Plan
from mtneuro_suite.preset.model import shown_values
from mtneuro_suite.runs.row import Row
from mtneuro_suite.runs.run import Run
from mtneuro_suite.steps import Umap

FILE_NAME = "about.json"


class RegionColumn(Settings):
    """Where a sub-task of Task 1 stands in the paper."""

    paper_column: str
    downsample: int


class About(Settings):
    """The preset that made a ``results.csv``, and how its tasks are called in the paper."""

    about_version: Literal[1] = 1
    suite_version: str
    name: str
    caveat: str
    """Why the figures cannot be judged as a reproduction; empty if they can."""

    regions: dict[str, RegionColumn]
    """Sub-tasks of Task 1."""

    segmentation: dict[str, str]
    """Class setting, ``3class`` or ``4class``, of each task of Task 2."""

    preset: dict[str, Any]
    """The resolved preset."""

    runs: tuple[str, ...]
    """Folders below ``runs`` that the results were read from."""

    scored: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    """Those of them that give a model's numbers, by the model."""

    animals: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    """Those of them that give an animal's numbers, by the phantom's seed, where there are several animals."""


def about(plan: Plan) -> About:
    """Return the description of a plan's results."""
    scored: dict[str, list[str]] = {}
    animals: dict[str, tuple[str, ...]] = {}
    for animal, one in plan.animals.items() or [("", plan)]:
        giving = {run.id: model for run in one.runs if (model := _model_of(run))}
        for name, model in giving.items():
            scored.setdefault(model, []).append(name)
        if animal:
            animals[animal] = tuple(giving)
    return About(
        suite_version=SUITE_VERSION,
        name=plan.preset.name,
        caveat=plan.inputs.caveat,
        regions={
            region.name: RegionColumn(paper_column=region.paper_column, downsample=region.downsample)
            for region in plan.inputs.scored_regions
        },
        segmentation={half.name: half.classes for half in plan.inputs.segmentation},
        preset=shown_values(plan.preset),
        runs=tuple(run.id for run in plan.runs),
        scored={model: tuple(names) for model, names in scored.items()},
        animals=animals,
    )


def _model_of(run: Run) -> str:
    """Return the model whose numbers a run gives; empty where it gives none."""
    return "" if isinstance(run.step, Umap) else str(getattr(run.step, "model", ""))


def read_about(folder: Path) -> About:
    """Return the description in a folder of results.

    Raises
    ------
    FileNotFoundError
        If the folder has no ``about.json``.
    ValueError
        If the file is not one that this suite writes.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} must hold {FILE_NAME} beside results.csv, and does not; `mtneuro run` writes both: "
            "run its command again, which repeats no finished run"
        )
    try:
        return About.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ValueError(f"{path}: {one_line(error)}") from None


@dataclass(frozen=True, slots=True)
class Results:
    """One folder's rows, and their description."""

    name: str
    about: About
    rows: tuple[Row, ...]


_LATER = {"low", "high", "cube", "animal"}
"""Columns that the files of earlier versions lack."""


def _read_rows(path: Path) -> tuple[Row, ...]:
    fields = list(Row.__dataclass_fields__)
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        try:
            missing = set(fields) - set(reader.fieldnames or ()) - _LATER
            lines = [] if missing else [{name: values.get(name, "") for name in fields} for values in reader]
            rows = tuple(map(_row, lines))
        except (ValueError, TypeError, csv.Error):
            raise ValueError(
                f"{path} is damaged in line {reader.line_num + 1}; run the same `mtneuro run` again, which "
                "repeats no finished run and writes it anew"
            ) from None
    if missing:
        raise ValueError(
            f"{path} must have the columns of a results.csv, and lacks {', '.join(sorted(missing))}"
        )
    return rows


def _row(text: dict[str, str]) -> Row:
    values: dict[str, Any] = {**text, "seed": int(text["seed"]), "n": int(text["n"])}
    values |= {name: float(text[name]) if text[name] else None for name in ("value", "low", "high")}
    return Row(**values)


def _folders(path: Path) -> list[Path]:
    """Return the folder itself if it holds results, or those in it that do."""
    if (path / "results.csv").is_file():
        return [path]
    found = sorted(file.parent for file in path.glob("*/results.csv"))
    if not found:
        raise FileNotFoundError(
            f"{path} must be a folder in which `mtneuro run` wrote results.csv, or its --output; it has none"
        )
    return found


def read_results(paths: Iterable[Path]) -> list[Results]:
    """Return the results in folders that ``mtneuro run`` wrote.

    Parameters
    ----------
    paths
        Folders of a preset (``results/demo``), or whole output folders (``results``).

    Raises
    ------
    FileNotFoundError
        If a folder holds no results.
    ValueError
        If a file is not what the suite writes.
    """
    folders = list(dict.fromkeys(folder.resolve() for path in paths for folder in _folders(path)))
    names = [folder.name for folder in folders]
    return [
        Results(
            folder.name if names.count(folder.name) == 1 else f"{folder.parent.name}/{folder.name}",
            read_about(folder),
            _read_rows(folder / "results.csv"),
        )
        for folder in folders
    ]
