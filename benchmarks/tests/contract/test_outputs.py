"""No command of any package replaces a file that is there, unless it is asked to."""

import inspect
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from cyclopts import App

from mtneuro_suite._shared.terminal import run
from mtneuro_suite.cli import app as suite

PACKAGES = ("mtneuro_data", "mtneuro_ssl", "mtneuro_seg", "mtneuro_probe")

WRITTEN = {"output", "figure", "picture", "curves", "scatter", "confident", "probabilities"}
"""Parameters of commands that name a file to write."""

WORDS = {
    ("mtneuro_data", "preview semantics -o a.png"),
    ("mtneuro_data", "correlation roi-c1 -o a.png"),
    ("mtneuro_data", "cutout none -o a.npy"),
    ("mtneuro_data", "interpolate none --slices 0 2 -o a.tif"),
    ("mtneuro_data", "export roi-c1 --split val -o a.npz"),
    ("mtneuro_data", "export roi-c1 --split val --format tif -o folder"),
    ("mtneuro_ssl", "embed none none -o a.npz"),
    ("mtneuro_ssl", "views none -o a.png"),
    ("mtneuro_ssl", "map none none -o m.zarr --window 8 8 --picture a.png"),
    ("mtneuro_ssl", "probe none none -o p"),
    ("mtneuro_ssl", "segment none none none -o a.zarr"),
    ("mtneuro_seg", "predict none none -o a.npy"),
    ("mtneuro_seg", "predict none none -o new.zarr --probabilities a.zarr"),
    ("mtneuro_seg", "evaluate none none --figure a.png"),
    ("mtneuro_seg", "render none -o a.svg"),
    ("mtneuro_seg", "train none -o m --curves a.png"),
    ("mtneuro_probe", "features none -o a.csv"),
    ("mtneuro_probe", "compare none none -o a.csv"),
    ("mtneuro_probe", "readout none none -o a.parquet"),
    ("mtneuro_probe", "readout none none --figure a.png"),
    ("mtneuro_probe", "readout none none --scatter a.png"),
    ("mtneuro_probe", "readout none --regions none --images none --confident a.png"),
    ("mtneuro_probe", "map none none none --feature cell_count -o a.zarr"),
    ("mtneuro_probe", "map none none none --feature cell_count -o m.zarr --figure a.png"),
    ("mtneuro_probe", "umap none -o a.png"),
    ("compare", "none -o a.tex"),
}


def app_of(name: str) -> App:
    if name == "compare":
        return suite["compare"]
    return import_module(f"{name}.cli").app


def commands(app: App) -> list[Callable[..., Any]]:
    named = [app[name] for name in app if not name.startswith("-")]
    return [found for each in (app, *named) if (found := each.default_command) is not None]


@pytest.mark.parametrize("name", [*PACKAGES, "compare"])
def test_every_command_that_writes_has_force(name: str) -> None:
    writing = [one for one in commands(app_of(name)) if WRITTEN & set(inspect.signature(one).parameters)]
    assert writing
    assert [one.__name__ for one in writing if "force" not in inspect.signature(one).parameters] == []


@pytest.mark.parametrize(("name", "words"), sorted(WORDS))
def test_an_output_that_is_there_is_asked_for_before_anything_is_read(
    name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    *_, output = words.split()
    there = Path(output)
    if output == "folder":
        from mtneuro_data import builtin_task

        (cube, box), *_ = builtin_task("roi-c1").boxes("val")
        there = Path("folder") / f"val-{cube}-z{box.lower[0]}-image.tif"
    there.parent.mkdir(exist_ok=True)
    there.write_text("older")
    if there.suffix == ".zarr":
        # What a prediction, or a map of a feature, wrote.
        there.unlink()
        there.mkdir()
        about = '{"attributes": {"prediction": {}, "feature": "a"}, "zarr_format": 3, "node_type": "group"}'
        (there / "zarr.json").write_text(about)
    assert run(app_of(name), words.split(), say=print) == 2
    told = capsys.readouterr().err
    assert told.endswith(f"got {there}, which is there already; --force replaces it\n")
    assert told.count("\n") == 1
    assert there.is_dir() or there.read_text() == "older"
