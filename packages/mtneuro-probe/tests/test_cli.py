import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zarr
from mtneuro_probe import cli, load_embeddings, save_embeddings, semantic_features

HEAVY = ("sklearn", "umap", "numba", "matplotlib", "pandas", "scipy", "zarr", "torch", "cc3d")


@pytest.fixture
def labels() -> np.ndarray:
    rng = np.random.default_rng(5)
    return rng.choice(np.array([0, 0, 0, 0, 1, 2, 3], np.uint8), size=(60, 24, 24))


@pytest.fixture
def export(tmp_path: Path, labels) -> Path:
    """An export as mtneuro-data writes it."""
    np.savez(
        tmp_path / "images.npz",
        format_version=np.int64(1),
        images=labels * 50,
        masks=labels,
        region=np.repeat(np.int64([0, 1]), 30),  # pyright: ignore[reportArgumentType]
        sample_id=np.array([f"{cube}/z{z}" for cube in ("A-CTX", "A-STR") for z in range(110, 140)]),
        voxel_size_um=np.array([1.0, 2.0, 2.0]),
        region_names=np.array(["CTX", "STR"]),
        class_names=np.array(["background", "blood vessel", "cell", "axon"]),
    )
    return tmp_path / "images.npz"


def run(*words: object) -> int:
    """Run the command line in this process and return its exit status."""
    try:
        cli.main([str(word) for word in words])
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def embed(path: Path, export: Path, dimensions: int = 3) -> None:
    """Write embeddings that hold each image's label fractions and noise."""
    with np.load(export) as archive:
        masks, ids = archive["masks"], archive["sample_id"]
    columns = [(masks == value).mean(axis=(1, 2)) for value in (1, 2, 3)]
    noise = np.random.default_rng(0).normal(size=(len(masks), dimensions - 3))
    save_embeddings(path, np.column_stack([*columns, noise]), sample_id=ids)


@pytest.mark.parametrize(
    "words", [["--help"], ["features", "--help"], ["readout", "--help"], ["umap", "--help"]]
)
def test_help_teaches_and_loads_nothing_heavy(words):
    code = (
        "import sys, mtneuro_probe, mtneuro_probe.cli as cli\n"
        f"try:\n    cli.main({words!r})\nexcept SystemExit as ended:\n    assert not ended.code\n"
        f"print('loaded', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "loaded []" in done.stdout
    assert "mtneuro-probe" in done.stdout
    assert len(words) == 1 or "Example" in done.stdout


def test_features_of_an_export_are_written_with_its_ids_and_size(
    monkeypatch, capsys, tmp_path, export, labels
):
    assert run("features", export, "-o", tmp_path / "f.csv") == 0
    table = pd.read_csv(tmp_path / "f.csv", index_col="sample_id")
    expected = semantic_features(labels, voxel_size_um=(1, 2, 2))
    np.testing.assert_array_equal(table.to_numpy(), expected.to_numpy())
    assert table.index[0] == "A-CTX/z110"
    assert "60 images" in capsys.readouterr().out


def test_features_of_plain_arrays_and_zarr_agree(tmp_path, labels):
    np.save(tmp_path / "cube.npy", labels)
    zarr.save_array(str(tmp_path / "array.zarr"), labels)
    group = zarr.create_group(str(tmp_path / "ome.zarr"))
    group.create_array("0", data=labels)
    scale = {"type": "scale", "scale": [1.17, 1.17, 1.17]}
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [{"datasets": [{"path": "0", "coordinateTransformations": [scale]}]}],
    }
    tables = []
    for name in ("cube.npy", "array.zarr", "ome.zarr"):
        words = ("features", tmp_path / name, "-o", tmp_path / "f.csv", "--cube", "A-ZI", "--first-z", 110)
        assert run(*words) == 0
        tables.append((tmp_path / "f.csv").read_text())
    assert tables[0] == tables[1] == tables[2]
    assert "A-ZI/z110," in tables[0]


def test_what_was_not_annotated_is_left_empty(tmp_path, labels):
    np.save(tmp_path / "cube.npy", np.where(labels == 3, 0, labels))
    words = ("features", tmp_path / "cube.npy", "-o", tmp_path / "f.csv", "--not-annotated", "axon")
    assert run(*words) == 0
    assert np.isnan(pd.read_csv(tmp_path / "f.csv")["axon_density"]).all()


def test_a_readout_is_scored_and_drawn(capsys, tmp_path, export):
    embed(tmp_path / "e.npz", export)
    assert run("features", export, "-o", tmp_path / "f.csv") == 0
    words = ("readout", tmp_path / "e.npz", tmp_path / "f.csv", "-o", tmp_path / "r.csv", "--gap", 2)
    assert run(*words, "--figure", tmp_path / "r2.png") == 0
    table = pd.read_csv(tmp_path / "r.csv", index_col="feature")
    assert table.loc["vessel_density", "r2_cross_validated"] > 0.99
    assert table.loc["vessel_density", "r2_same_sample"] == pytest.approx(1)
    assert (tmp_path / "r2.png").stat().st_size > 1000
    assert "r2_cross_validated" in capsys.readouterr().out


def test_regions_are_scored_on_another_file(capsys, tmp_path, export):
    embed(tmp_path / "e.npz", export)
    everything = load_embeddings(tmp_path / "e.npz")
    corners = np.char.add(everything.sample_id, "/br")
    save_embeddings(tmp_path / "t.npz", everything.embeddings, sample_id=corners)
    words = ("readout", tmp_path / "e.npz", "--test", tmp_path / "t.npz", "--regions", export)
    assert run(*words, "-o", tmp_path / "c.csv", "--figure", tmp_path / "c.png") == 0
    assert "accuracy 0." in capsys.readouterr().out
    assert pd.read_csv(tmp_path / "c.csv", index_col="region").to_numpy().sum() == 60


def test_a_umap_is_drawn_from_files(tmp_path, export):
    embed(tmp_path / "e.npz", export, 5)
    assert run("features", export, "-o", tmp_path / "f.csv") == 0
    words = ("umap", tmp_path / "e.npz", "-o", tmp_path / "u.svg", "--features", tmp_path / "f.csv")
    assert run(*words, "--regions", export) == 0
    assert "</svg>" in (tmp_path / "u.svg").read_text()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["features", "none.npy", "-o", "f.csv"], "found none at none.npy"),
        (["features", "images.npz", "-o", "f.txt"], "must end in .csv or .parquet, got f.txt"),
        (["features", "images.npz", "-o", "no/where/f.csv"], "the folder to write to must exist"),
        (["features", "images.npz", "-o", "f.csv", "--cell-value", "1"], "label_values must differ"),
        (["features", "e.npz", "-o", "f.csv"], "it has no masks, only"),
        (["features", "images.npz", "-o", "f.csv", "--not-annotated", "axons"], "axons"),
        (["features", "images.npz"], "--output"),
        (["measure"], "measure"),
        (["readout", "e.npz"], "needs a table of features"),
        (["readout", "e.npz", "f.csv", "--regions", "images.npz"], "--regions needs --test"),
        (["readout", "images.npz", "images.npz"], "plain arrays format_version, embeddings and sample_id"),
        (["readout", "e.npz", "broken.csv"], "must have a column 'sample_id'"),
        (["readout", "e.npz", "other.csv"], "60 sample(s) have an embedding but no features: A-CTX/z110"),
        (["readout", "e.npz", "--test", "e.npz", "--regions", "e.npz"], "it has no region"),
        (["umap", "e.npz", "-o", "u.txt"], "must end in .png, .pdf, .svg, got u.txt"),
    ],
)
def test_a_mistake_is_one_line_and_status_two(monkeypatch, capsys, tmp_path, export, words, told):
    embed(tmp_path / "e.npz", export)
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


def test_a_traceback_can_be_asked_for(monkeypatch):
    monkeypatch.setenv("MTNEURO_TRACEBACK", "1")
    with pytest.raises(FileNotFoundError):
        run("features", "none.npy", "-o", "f.csv")


def test_an_interrupt_is_one_line_and_status_130(monkeypatch, capsys, tmp_path, export):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mtneuro_probe.features.semantic_features", interrupted)
    assert run("features", export, "-o", tmp_path / "f.csv") == 130
    assert "mtneuro-probe: interrupted" in capsys.readouterr().err


def test_the_installed_command_runs(tmp_path, export):
    command = Path(sys.executable).with_name("mtneuro-probe")
    if not command.exists():
        pytest.skip("the package is not installed with its command")
    words = [command, "features", export, "-o", tmp_path / "f.csv"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "f.csv").exists()
