import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mtneuro_probe import __version__, load_embeddings, save_embeddings

HEAVY = ("skimage", "sklearn", "umap", "numba", "matplotlib", "pandas", "scipy", "zarr", "torch", "cc3d")
VERBS = ("features", "points", "readout", "map", "umap", "compare")
MAP = ("map", "e.npz", "own.csv", "m.npy", "--feature", "cell_count")


@pytest.mark.parametrize("words", [["--help"], *([verb, "--help"] for verb in VERBS)])
def test_help_teaches_and_loads_nothing_heavy(words):
    code = (
        "import sys, mtneuro_probe, mtneuro_probe.cli as cli\n"
        f"sys.argv[1:] = {words!r}\n"
        "try:\n    cli.main()\nexcept SystemExit as ended:\n    assert not ended.code\n"
        f"print('loaded', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "loaded []" in done.stdout
    assert "mtneuro-probe" in done.stdout
    assert len(words) == 1 or "Example" in done.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["features", "none.npy", "-o", "f.csv"], "no file or folder at none.npy"),
        (["features", "images.npz", "-o", "f.txt"], "must be written to a .csv or .parquet, got 'f.txt'"),
        (
            ["features", "images.npz", "-o", "f.csv", "--cell-value", "1"],
            "must have a value of its own, got --vessel-value 1, --cell-value 1",
        ),
        (
            ["features", "e.npz", "-o", "f.csv"],
            "e.npz is not a file of masks: it holds no masks but embeddings",
        ),
        (["features", "images.npz", "-o", "f.csv", "--workers", "0"], "--workers must be at least 1, got 0"),
        (["features", "none.npz", "-o", "e.npz/f.csv"], "e.npz is not a folder"),
        (["readout", "none.npz", "f.csv", "-o", "e.npz/f.csv"], "e.npz is not a folder"),
        (["umap", "none.npz", "-o", "e.npz/u.png"], "e.npz is not a folder"),
        (["compare", "none.npz", "t.npz", "-o", "e.npz/f.csv"], "e.npz is not a folder"),
        ([*MAP, "-o", "e.npz/m2.npy"], "e.npz is not a folder"),
        (["readout", "e.npz", "f.csv", "--permutations", "-1"], "--permutations must be at least 0, got -1"),
        (
            ["umap", "e.npz", "-o", "u.png", "--seed", "-1"],
            "--seed must be at least 0 and less than 2**32, got -1",
        ),
        (["umap", "e.npz", "-o", "u.png", "--n-neighbors", "1"], "--neighbours must be at least 2, got 1"),
        (["compare", "e.npz", "t.npz", "--run-length", "0"], "--run-length must be at least 1 slice, got 0"),
        (
            ["compare", "e.npz", "."],
            ". is not an embeddings file, as mtneuro-ssl embed writes: it is a folder",
        ),
        (["features", "images.npz", "-o", "f.csv", "--z", "0:99"], "0 <= first < end <= 60, got '0:99'"),
        (["features", "images.npz", "-o", "f.csv", "--not-annotated", "axons"], "axons"),
        (["features", "images.npz"], "--output"),
        (["measure"], "measure"),
        (["readout", "e.npz"], "needs a table of features"),
        (["readout", "e.npz", "own.csv", "--z", "0:9"], "which part of --images VOLUME to read"),
        (["readout", "e.npz", "f.csv", "--regions", "images.npz"], "--regions scores regions"),
        (
            ["readout", "images.npz", "images.npz"],
            "images.npz is not an embeddings file, as mtneuro-ssl embed writes: it holds no embeddings",
        ),
        (["readout", "e.npz", "broken.csv"], "must have a column 'sample_id'"),
        (["readout", "e.npz", "other.csv"], "60 sample(s) have an embedding but no features: A-CTX/z110"),
        (
            ["readout", "e.npz", "--test", "e.npz", "--regions", "e.npz"],
            "'region is not a file in the archive'",
        ),
        (["umap", "e.npz", "-o", "u.txt"], "must be written to a .png, .pdf or .svg, got 'u.txt'"),
        (["features", "images.npz", "-o", "f.csv", "--feature", "cell_cuont"], "did you mean 'cell_count'"),
        (["features", "images.npz", "-o", "f.csv", "--label", "synapse"], "must be one of background"),
        (
            ["features", "images.npz", "-o", "f.csv", "--label", "a=1", "--feature", "all"],
            "that they count as background (--ignore, ignore=)",
        ),
        (["readout", "e.npz", "f.csv", "--test", "e.npz"], "needs a table of features, or --regions"),
        (["readout", "e.npz", "--regions", "images.npz", "--confident", "c.png"], "needs the images"),
        (["map", "e.npz", "own.csv", "m.npy", "--feature", "cells", "-o", "m2.npy"], "got 'cells'"),
        ([*MAP, "-o", "m2.npy"], "features, got 9"),
        ([*MAP, "-o", "m2.png"], ".zarr or .npy"),
        ([*MAP, "-o", "n.npy", "--figure", "n.png", "--z", "1:2"], "0 <= first < end <= 1, got '1:2'"),
        (["compare", "e.npz", "e.npz"], "must be given once"),
        (["compare", "e.npz", "t.npz"], "e and t must be of the same samples, 2 are in one only: B/z0"),
    ],
)
def test_a_mistake_is_one_line_and_status_two(monkeypatch, capsys, tmp_path, export, embed, run, words, told):
    embed(tmp_path / "e.npz")
    np.save(tmp_path / "m.npy", np.zeros((4, 5, 9), np.float32))
    own = load_embeddings(tmp_path / "e.npz")
    save_embeddings(tmp_path / "t.npz", own.embeddings, sample_id=["B/z0", *own.sample_id[1:]])
    pd.DataFrame({"sample_id": own.sample_id, "cell_count": range(60)}).to_csv(
        tmp_path / "own.csv", index=False
    )
    (tmp_path / "broken.csv").write_text("name,cell_count\nA/z0,1\n")
    (tmp_path / "other.csv").write_text("sample_id,cell_count\nB/z0,1\n")
    before = sorted(tmp_path.iterdir())
    monkeypatch.chdir(tmp_path)
    assert run(*words) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("mtneuro-probe: error: ")
    assert told in lines[0]
    assert sorted(tmp_path.iterdir()) == before


def test_an_interrupt_is_one_line_and_status_130(monkeypatch, capsys, tmp_path, export, run):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mtneuro_probe.semantic_features", interrupted)
    assert run("features", export, "-o", tmp_path / "f.csv") == 130
    assert capsys.readouterr().err == "mtneuro-probe: interrupted; files that it had written are complete\n"


def test_the_version_is_the_package_s(capsys, run):
    assert run("--version") == 0
    assert capsys.readouterr().out.strip() == __version__


def test_the_installed_command_runs(tmp_path: Path, export):
    command = Path(sys.executable).with_name("mtneuro-probe")
    if not command.exists():
        pytest.skip("the package is not installed with its command")
    words = [command, "features", export, "-o", tmp_path / "f.csv"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "f.csv").exists()
