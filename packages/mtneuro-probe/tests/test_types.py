from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from mtneuro_probe._shared.volume_file import LazyArray
from mtneuro_probe.types import ChunkedSource, rows_at_once


@pytest.fixture
def stored(tmp_path: Path) -> "zarr.Array[Any]":
    return zarr.create_array(str(tmp_path / "a.zarr"), shape=(100, 8, 8), chunks=(7, 8, 8), dtype="u1")


def test_arrays_of_numpy_and_zarr_are_sources(stored):
    assert isinstance(np.zeros(3), LazyArray)
    assert isinstance(stored, ChunkedSource)


def test_about_as_many_rows_are_read_together_as_asked():
    assert rows_at_once(np.zeros((100, 8, 8)), elements=640) == 10


@pytest.mark.parametrize(("elements", "rows"), [(1, 7), (640, 7), (64 * 20, 21)])
def test_whole_chunks_are_read_together(stored, elements, rows):
    assert rows_at_once(stored, elements=elements) == rows


def test_a_row_at_least_is_read():
    assert rows_at_once(np.zeros((4, 100)), elements=10) == 1
