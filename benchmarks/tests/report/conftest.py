"""Results that are given as rows, and what pictures hold."""

import base64
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from mtneuro_suite.execute.attempt import Attempt, execute
from mtneuro_suite.plan.plan import Plan, plan_of
from mtneuro_suite.preset.model import Preset, read_preset
from mtneuro_suite.report.about import FILE_NAME, about
from mtneuro_suite.report.figures import Picture
from mtneuro_suite.report.rows import rows_of
from mtneuro_suite.runs.row import Row
from mtneuro_suite.runs.run import Run
from mtneuro_suite.runs.store import Store, csv_text


class Told(Store):
    """A store whose runs all have these rows."""

    def __init__(self, root: Path, rows: list[Row]) -> None:
        super().__init__(root)
        self._told = rows

    def rows(self, runs: Iterable[Run]) -> list[Row]:
        return self._told


@pytest.fixture
def told(tmp_path: Path) -> Callable[[list[Row]], Store]:
    """Return a store whose runs all have these rows."""
    return lambda rows: Told(tmp_path, rows)


@pytest.fixture(scope="session")
def svg() -> Callable[[Picture], str]:
    """Return the text of a picture that is an SVG."""
    return lambda picture: base64.b64decode(picture.uri.partition(";base64,")[2]).decode()


@pytest.fixture(scope="session")
def small_preset() -> Preset:
    """Return a preset of two rows of Table 1, on a few slices."""
    smoke = read_preset("smoke").model_dump(exclude_unset=True)
    smoke["task1"] |= {"methods": ["pca"], "tasks": ["roi-c1"], "floors": ["mean-sd"]}
    return Preset.model_validate({**smoke, "task2": None, "task3": None})


@pytest.fixture(scope="session")
def carried_out() -> Callable[[Preset, Path, str], Plan]:
    """Do the runs of a preset, and write its folder of results: ``carried_out(preset, root, name)``."""

    def done(preset: Preset, root: Path, name: str) -> Plan:
        plan, store = plan_of(preset), Store(root)
        for run in plan.runs:
            if not store.done(run):
                execute(Attempt(run), root, lambda done, total: None)
        (root / name).mkdir()
        (root / name / "results.csv").write_text(csv_text(rows_of(plan, store)), "utf-8")
        (root / name / FILE_NAME).write_text(about(plan).model_dump_json(), "utf-8")
        return plan

    return done
