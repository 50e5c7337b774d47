"""The notebooks run from top to bottom, here on a few slices of the phantom."""

import json
from pathlib import Path

import numpy as np
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_saves_arrays(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MTNEURO_SOURCE", "phantom")
    monkeypatch.setenv("MTNEURO_Z_STEP", "30")
    names: dict[str, object] = {}
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            exec(compile("".join(cell["source"]), path.name, "exec"), names)
    for saved in tmp_path.glob("*.npz"):
        with np.load(saved, allow_pickle=False) as file:
            assert len(file["images"]) == len(file["sample_id"]) > 0
    assert list(tmp_path.glob("*.npz"))


def test_there_is_a_notebook_for_each_task() -> None:
    assert [path.stem.split("_")[0] for path in NOTEBOOKS] == ["task1", "task2", "task3"]
