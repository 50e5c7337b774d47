"""Results that are given as rows, and what pictures hold."""

import base64
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from mtneuro_suite.report.figures import Picture
from mtneuro_suite.runs.row import Row
from mtneuro_suite.runs.run import Run
from mtneuro_suite.runs.store import Store


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
