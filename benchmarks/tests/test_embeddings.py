"""A row of embeddings of a script that knows nothing of our packages, from the export to the report."""

import ast
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from mtneuro_suite import cli
from mtneuro_suite.commands.compare import compare

EXAMPLE = Path(__file__).parent.parent / "examples" / "numpy_embeddings.py"


@pytest.fixture
def run_all(tmp_path, monkeypatch, capsys):
    def run(*words):
        arguments = ["--preset", "smoke", "--workers", "0", "--output", str(tmp_path / "results"), *words]
        monkeypatch.setattr(sys, "argv", ["mtneuro", "run", *arguments])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        shown = capsys.readouterr()
        assert stopped.value.code == 0, shown.err
        return shown.out

    return run


def test_the_example_imports_numpy_and_the_standard_library_alone():
    nodes = list(ast.walk(ast.parse(EXAMPLE.read_text())))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    assert "numpy" in names
    assert {name.partition(".")[0] for name in names} - {"numpy"} <= sys.stdlib_module_names


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_row_of_embeddings_made_elsewhere_stands_in_every_table(run_all, tmp_path):
    images, file = tmp_path / "images", tmp_path / "mine.npz"
    assert f"samples written to {images}" in run_all("--export-images", str(images))
    assert "already" in run_all("--export-images", str(images))
    subprocess.run([sys.executable, str(EXAMPLE), str(images), str(file)], check=True, cwd=tmp_path)
    shown = run_all("--embeddings", f"By hand={file}")

    results = tmp_path / "results" / "smoke-with-By_hand"
    rows = pd.read_csv(results / "results.csv").set_index("metric")
    assert set(rows["model"]) == {"By hand"}
    assert float(rows.loc[["accuracy_corners"], "value"].max()) > 0.5
    tables = shown.partition("Table 1")[2]
    assert "By hand" in tables
    assert "Embeddings of a file, made elsewhere: By hand." in tables
    assert "By hand" in (results / "report.html").read_text("utf-8")
    lines = str(compare(results)).splitlines()
    assert any("By hand" in line and "roi-c1" in line for line in lines)
    for metric in ("r2_same_sample", "r2_cross_validated"):
        assert len(rows.loc[[metric]]) == 5
    assert "By hand" in tables.partition("Table 3")[2]
    assert any("By hand" in line and "vessel_density" in line for line in lines)
