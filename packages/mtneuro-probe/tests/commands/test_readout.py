import numpy as np
import pandas as pd
import pytest
from mtneuro_probe import load_embeddings, save_embeddings


@pytest.fixture
def words(tmp_path, export, embed, run) -> tuple[object, ...]:
    """The words that score features by embeddings."""
    embed(tmp_path / "e.npz")
    assert run("features", export, "-o", tmp_path / "f.csv") == 0
    return ("readout", tmp_path / "e.npz", tmp_path / "f.csv", "-o", tmp_path / "r.csv", "--gap", 2)


def test_scores_of_features_are_told_written_and_drawn(capsys, tmp_path, run, words):
    assert run(*words, "--figure", tmp_path / "r2.png") == 0
    table = pd.read_csv(tmp_path / "r.csv", index_col="feature")
    assert table.loc["vessel_density", "r2_cross_validated"] > 0.99
    assert table.loc["vessel_density", "r2_same_sample"] == pytest.approx(1)
    assert (tmp_path / "r2.png").stat().st_size > 1000
    told = capsys.readouterr().out
    assert "r2_cross_validated" in told
    assert (
        f"table of 5 rows written to {tmp_path / 'r.csv'}\nfigure written to {tmp_path / 'r2.png'}\n" in told
    )


def test_a_readout_has_floors_a_ceiling_and_a_scatter(tmp_path, export, run, words):
    more = ("--images", export, "--second-annotation", tmp_path / "f.csv", "--scatter", tmp_path / "s.png")
    assert run(*words, *more, "--permutations", 20) == 0
    table = pd.read_csv(tmp_path / "r.csv", index_col="feature")
    assert table.loc["vessel_density", "r2_ceiling"] == 1
    assert table.loc["vessel_density", "p_value"] == pytest.approx(1 / 21)
    assert {"r2_pixels", "r2_random", "r2_low"} <= set(table.columns)
    assert (tmp_path / "s.png").stat().st_size > 1000


def test_floors_come_from_the_part_of_a_volume_that_the_samples_were_cut_from(tmp_path, labels, run):
    volume = np.zeros((80, 30, 30), np.uint8)
    volume[10:70, 3:27, 3:27] = 50 * labels
    np.save(tmp_path / "scan.npy", volume)
    ids = [f"scan/z{z}" for z in range(10, 70)]
    brightness = (50 * labels).mean(axis=(1, 2))
    noise = np.random.default_rng(0).normal(size=(60, 2))
    save_embeddings(tmp_path / "e.npz", noise, sample_id=ids)
    pd.DataFrame({"sample_id": ids, "brightness": brightness}).to_csv(tmp_path / "f.csv", index=False)
    words = ("readout", tmp_path / "e.npz", tmp_path / "f.csv", "-o", tmp_path / "r.csv", "--gap", 2)
    part = ("--z", "10:70", "--y", "3:27", "--x", "3:27", "--permutations", 0)
    assert run(*words, "--images", tmp_path / "scan.npy", *part) == 0
    table = pd.read_csv(tmp_path / "r.csv", index_col="feature")
    assert table.loc["brightness", "r2_pixels"] > 0.999


def test_regions_are_scored_on_another_file(capsys, tmp_path, export, embed, run):
    embed(tmp_path / "e.npz")
    everything = load_embeddings(tmp_path / "e.npz")
    corners = np.char.add(everything.sample_id, "/br")
    save_embeddings(tmp_path / "t.npz", everything.embeddings, sample_id=corners)
    words = ("readout", tmp_path / "e.npz", "--test", tmp_path / "t.npz", "--regions", export)
    assert run(*words, "-o", tmp_path / "c.csv", "--figure", tmp_path / "c.png") == 0
    out = capsys.readouterr().out
    assert out.startswith("accuracy 0.")
    assert "balanced accuracy 0." in out
    assert pd.read_csv(tmp_path / "c.csv", index_col="region").to_numpy().sum() == 60


def test_regions_are_cross_validated_and_the_sure_and_unsure_images_shown(
    capsys, tmp_path, export, embed, run
):
    embed(tmp_path / "e.npz")
    words = ("readout", tmp_path / "e.npz", "--regions", export, "--gap", 2, "--classifier", "knn")
    assert run(*words, "--images", export, "--confident", tmp_path / "c.png") == 0
    assert "chance 0.500) on 60 samples" in capsys.readouterr().out
    assert (tmp_path / "c.png").stat().st_size > 1000


def test_too_few_runs_of_slices_are_told_instead_of_an_interval(capsys, tmp_path, run, words):
    assert run(*words, "--no-within-cubes", "--run-length", 30, "--permutations", 5) == 0
    assert "vessel_density: no interval: " in capsys.readouterr().out
    table = pd.read_csv(tmp_path / "r.csv", index_col="feature")
    assert np.isnan(table.loc["vessel_density", "r2_low"])
    assert table.loc["vessel_density", "run_length"] == 30
    assert run(*words, "--force", "--run-length", 0) == 2
    assert "--run-length must be at least 1 slice, got 0" in capsys.readouterr().err
