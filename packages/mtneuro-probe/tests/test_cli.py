import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zarr
from mtneuro_probe import ALL_FEATURES, cli, load_embeddings, save_embeddings, semantic_features
from mtneuro_probe.reading import load_volume
from mtneuro_probe.tables import load_features

HEAVY = ("skimage", "sklearn", "umap", "numba", "matplotlib", "pandas", "scipy", "zarr", "torch", "cc3d")


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
    "words", [["--help"], *([verb, "--help"] for verb in ("features", "readout", "map", "umap", "compare"))]
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
    assert "60 rows" in capsys.readouterr().out


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


def test_the_ids_of_a_zarr_of_labels_are_those_of_its_rows(tmp_path, labels):
    ids = [f"A-CTX/z{110 + 2 * n}" for n in range(len(labels))]
    array = zarr.create_array(str(tmp_path / "labels.zarr"), data=labels)
    array.attrs["sample_id"] = ids
    assert run("features", tmp_path / "labels.zarr", "-o", tmp_path / "f.csv") == 0
    assert pd.read_csv(tmp_path / "f.csv")["sample_id"].tolist() == ids


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


def test_every_feature_corners_and_3d_are_options(tmp_path, export, labels):
    words = ("features", export, "-o", tmp_path / "f.csv", "--feature", "all", "--corners")
    assert run(*words, "--components", "3d") == 0
    table = load_features(tmp_path / "f.csv")
    expected = semantic_features(
        labels,
        sample_id=[f"{cube}/z{z}" for cube in ("A-CTX", "A-STR") for z in range(110, 140)],
        voxel_size_um=(1, 2, 2),
        features=ALL_FEATURES,
        corners=True,
        components="3d",
    )
    np.testing.assert_array_equal(table.to_numpy(), expected.to_numpy())
    assert table.index.tolist() == expected.index.tolist()


def test_the_original_definition_is_an_option(tmp_path, export):
    assert run("features", export, "-o", tmp_path / "f.csv", "--definition", "original") == 0
    assert len(load_features(tmp_path / "f.csv")) == 240


def test_labels_of_one_s_own_are_measured(tmp_path, export):
    words = ("features", export, "-o", tmp_path / "f.csv", "--label", "synapse=2", "--label", "vesicle=3")
    assert run(*words, "--ignore", "1") == 0
    assert "synapse_distance" in load_features(tmp_path / "f.csv").columns


def test_a_readout_has_floors_a_ceiling_and_a_scatter(capsys, tmp_path, export):
    embed(tmp_path / "e.npz", export)
    assert run("features", export, "-o", tmp_path / "f.csv") == 0
    words = ("readout", tmp_path / "e.npz", tmp_path / "f.csv", "-o", tmp_path / "r.csv", "--gap", 2)
    more = ("--images", export, "--second-annotation", tmp_path / "f.csv", "--scatter", tmp_path / "s.png")
    assert run(*words, *more, "--permutations", 20) == 0
    table = pd.read_csv(tmp_path / "r.csv", index_col="feature")
    assert table.loc["vessel_density", "r2_ceiling"] == 1
    assert table.loc["vessel_density", "p_value"] == pytest.approx(1 / 21)
    assert {"r2_pixels", "r2_random", "r2_low"} <= set(table.columns)
    assert (tmp_path / "s.png").stat().st_size > 1000


def test_regions_are_cross_validated_and_the_sure_and_unsure_images_shown(capsys, tmp_path, export):
    embed(tmp_path / "e.npz", export)
    words = ("readout", tmp_path / "e.npz", "--regions", export, "--gap", 2, "--classifier", "knn")
    assert run(*words, "--images", export, "--confident", tmp_path / "c.png") == 0
    assert "chance 0.500) on 60 samples" in capsys.readouterr().out
    assert (tmp_path / "c.png").stat().st_size > 1000


@pytest.mark.parametrize("name", ["m.zarr", "m.npy"])
def test_a_map_of_a_feature_is_written_and_drawn(capsys, tmp_path, export, name):
    embed(tmp_path / "e.npz", export)
    assert run("features", export, "-o", tmp_path / "f.csv") == 0
    places = np.random.default_rng(0).uniform(0.1, 0.2, size=(3, 8, 9, 3)).astype(np.float32)
    places[0, 0, 0] = np.nan
    np.save(tmp_path / "places.npy", places)
    words = ("map", tmp_path / "e.npz", tmp_path / "f.csv", tmp_path / "places.npy", "--gap", 2)
    options = ("--feature", "vessel_density", "-o", tmp_path / name, "--figure", tmp_path / "m.png", "--z", 1)
    assert run(*words, *options, "--step-um", 10, 10) == 0
    assert "of the map lies outside the range of the labelled samples" in capsys.readouterr().out
    written = np.asarray(load_volume(tmp_path / name).array[...])
    np.testing.assert_allclose(written[1:], places[1:, ..., 0], atol=0.002)
    assert np.isnan(written[0, 0, 0])
    assert (tmp_path / "m.png").stat().st_size > 1000


def test_encoders_are_compared_and_the_closer_one_named(capsys, tmp_path, export):
    embed(tmp_path / "near.npz", export, 6)
    near = load_embeddings(tmp_path / "near.npz")
    rng = np.random.default_rng(0)
    save_embeddings(tmp_path / "ref.npz", 2 * near.embeddings[::-1], sample_id=near.sample_id[::-1])
    save_embeddings(
        tmp_path / "far.npz", rng.normal(size=(60, 5)).astype(np.float32), sample_id=near.sample_id
    )
    words = ("compare", tmp_path / "near.npz", tmp_path / "far.npz", "--reference", tmp_path / "ref.npz")
    assert run(*words, "-o", tmp_path / "c.csv", "--run-length", 3) == 0
    assert "closer to ref: near" in capsys.readouterr().out
    assert len(pd.read_csv(tmp_path / "c.csv")) == 3


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["features", "none.npy", "-o", "f.csv"], "found none at none.npy"),
        (["features", "images.npz", "-o", "f.txt"], "must end in .csv, .parquet, got f.txt"),
        (["features", "images.npz", "-o", "no/where/f.csv"], "the folder to write to must exist"),
        (["features", "images.npz", "-o", "f.csv", "--cell-value", "1"], "label_values must differ"),
        (["features", "e.npz", "-o", "f.csv"], "it has no masks, only"),
        (["features", "images.npz", "-o", "f.csv", "--not-annotated", "axons"], "axons"),
        (["features", "images.npz"], "--output"),
        (["measure"], "measure"),
        (["readout", "e.npz"], "needs a table of features"),
        (["readout", "e.npz", "f.csv", "--regions", "images.npz"], "--regions scores regions"),
        (["readout", "images.npz", "images.npz"], "plain arrays format_version, embeddings and sample_id"),
        (["readout", "e.npz", "broken.csv"], "must have a column 'sample_id'"),
        (["readout", "e.npz", "other.csv"], "60 sample(s) have an embedding but no features: A-CTX/z110"),
        (["readout", "e.npz", "--test", "e.npz", "--regions", "e.npz"], "it has no region"),
        (["umap", "e.npz", "-o", "u.txt"], "must end in .png, .pdf, .svg, got u.txt"),
        (["features", "images.npz", "-o", "f.csv", "--feature", "cell_cuont"], "did you mean 'cell_count'"),
        (["features", "images.npz", "-o", "f.csv", "--label", "synapse"], "must read NAME=VALUE"),
        (
            ["features", "images.npz", "-o", "f.csv", "--label", "a=1", "--feature", "all"],
            "goes with no other",
        ),
        (["readout", "e.npz", "f.csv", "--test", "e.npz"], "needs a table of features, or --regions"),
        (["readout", "e.npz", "--regions", "images.npz", "--confident", "c.png"], "needs the images"),
        (["map", "e.npz", "own.csv", "m.npy", "--feature", "cells", "-o", "m2.npy"], "got 'cells'"),
        (["map", "e.npz", "own.csv", "m.npy", "--feature", "cell_count", "-o", "m2.npy"], "features, got 9"),
        (["map", "e.npz", "own.csv", "m.npy", "--feature", "cell_count", "-o", "m2.png"], ".zarr, .npy"),
        (["compare", "e.npz", "e.npz"], "must be given once"),
        (["compare", "e.npz", "t.npz"], "e and t must be of the same samples, 2 are in one only: B/z0"),
    ],
)
def test_a_mistake_is_one_line_and_status_two(monkeypatch, capsys, tmp_path, export, words, told):
    embed(tmp_path / "e.npz", export)
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
