"""A model trained on with corrections, asked for on the command line."""

import numpy as np
import pytest
from mtneuro_seg import load_model, read_boxes
from mtneuro_seg.nifti import read_nifti, write_nifti

QUICK = ("--set", "epochs=1", "--set", "batch_size=2")


@pytest.fixture
def round1(model, tmp_path, run):
    """A folder of three suggested boxes of a model."""
    volume = np.random.default_rng(1).integers(0, 256, (4, 40, 40), dtype=np.uint8)
    np.save(tmp_path / "volume.npy", volume)
    words = ("--boxes", "3", "--size", "1", "16", "16", "--strategy", "random")
    assert run("suggest", model, tmp_path / "volume.npy", "-o", tmp_path / "round1", *words) == 0
    return tmp_path / "round1"


def test_what_was_corrected_is_said_and_learnt_from(model, round1, tmp_path, run, capsys):
    first, second, third = (box.name for box in read_boxes(round1))
    path = round1 / "boxes" / first / "labels.nii.gz"
    labels = read_nifti(path).array
    labels[0, :4] = (labels[0, :4] + 1) % 3
    write_nifti(path, labels, voxel_size_um=None)
    capsys.readouterr()
    line = ("finetune", model, round1, "-o", tmp_path / "new", "--accept", second, *QUICK)
    assert run(*line) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[:3] == [
        f"{first}  25.00% of its labels changed",
        f"{second}  0.00% of its labels changed",
        f"1 boxes left out, which were not changed: {third}",
    ]
    assert told[3].startswith("unet: 1 steps, loss ")
    assert told[4] == f"model written to {tmp_path / 'new'}"
    tuned = load_model(tmp_path / "new")
    assert tuned.settings.learning_rate == pytest.approx(load_model(model).settings.learning_rate / 10)
    assert tuned.provenance["data"]["images"]["shape"] == [2, 16, 16]
    assert run(*line, "--set", "seed=1") == 2
    assert "--force (replace=True) replaces it" in capsys.readouterr().err
    assert run(*line, "--set", "seed=1", "--force") == 0


def test_a_log_is_given_what_is_learnt(model, round1, tmp_path, run):
    pytest.importorskip("tensorboard", reason="a TensorBoard log needs the extra 'tensorboard'")
    words = ("--accept", "all", "--log", "tensorboard", "--log-folder", tmp_path / "logs", *QUICK)
    assert run("finetune", model, round1, "-o", tmp_path / "new", *words) == 0
    assert list((tmp_path / "logs" / "new").glob("events.*"))


def test_wrong_words_are_one_line(model, round1, tmp_path, run, capsys):
    capsys.readouterr()
    for words, told in (
        ((model, "-o", tmp_path / "new"), "FOLDERS must name a folder of suggestions"),
        ((model, round1, "-o", model), "--output must be another folder than MODEL"),
        ((model, tmp_path, "-o", tmp_path / "new"), "must hold suggestions.json, found none in "),
        ((model, round1, "-o", tmp_path / "new"), "right as they are with --accept"),
        ((model, round1, "-o", tmp_path / "new", "--set", "epoch=1"), "did you mean 'epochs'?"),
        (
            (model, round1, "-o", tmp_path / "new", "--accept", "all", "--set", "filters=8"),
            "start must be a model of the network that the settings describe, 'unet' of 3 classes",
        ),
    ):
        assert run("finetune", *words) == 2, words
        said = capsys.readouterr().err
        assert told in said
        assert said.count("\n") == 1
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "new.partial").exists()


def test_the_help_teaches_what_counts_as_corrected(capsys, run):
    assert run("finetune", "--help") == 0
    told = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for word in ("labels differ from those that were suggested", "255", "--accept", "learning_rate"):
        assert word in told
