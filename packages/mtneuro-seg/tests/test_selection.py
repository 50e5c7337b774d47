"""The paper's search, run small: every axis, and the choice by the validation images."""

import json
from pathlib import Path

import numpy as np
import pytest
from mtneuro_seg import TrainSettings, best_run, paper_search, train


def written(folder: Path, ious: list[float], *, keep: str = "last", data: str = "a") -> Path:
    """Write what the choice reads of a finished run."""
    folder.mkdir()
    validation = {"validation_images": {"blake2b": data}, "validation_masks": {"blake2b": data}}
    config = {"settings": {"keep": keep}, "provenance": {"data": validation}}
    (folder / "config.json").write_text(json.dumps(config))
    rows = [f"{epoch},{epoch},0.5,nan,{iou},nan" for epoch, iou in enumerate(ious, start=1)]
    (folder / "history.csv").write_text("\n".join(["epoch,step,loss,val_loss,val_iou,val_f1", *rows]) + "\n")
    return folder


def test_the_search_crosses_rates_batches_encoders_and_optimisers():
    runs = paper_search("fpn", 3, encoders=["resnet18", "resnet34"], optimisers=["adam", "sgd"], seed=7)
    axes = {(run.learning_rate, run.batch_size, run.encoder_name, run.optimiser) for run in runs}
    assert len(axes) == len(runs) == 5 * 5 * 2 * 2
    assert {run.seed for run in runs} == {7}
    assert len({run.model_dump_json() for run in paper_search("unet", 4)}) == 25


def test_an_axis_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="optimiser"):
        paper_search("fpn", 3, optimisers=["adamw"])
    with pytest.raises(ValueError, match="has no encoder"):
        paper_search("unet3d", 3, encoders=["resnet18"])


def test_the_last_epoch_decides_unless_the_best_was_kept(tmp_path):
    fading = written(tmp_path / "fading", [0.9, 0.2])
    steady = written(tmp_path / "steady", [0.3, 0.4])
    kept = written(tmp_path / "kept", [0.8, 0.1], keep="best")
    assert best_run([fading, steady]) == steady
    assert best_run([fading, steady, kept]) == kept
    assert best_run([steady, written(tmp_path / "equal", [0.4])]) == steady
    assert best_run([written(tmp_path / "none", [0.1, float("nan")]), steady]) == steady


def test_runs_that_cannot_be_compared_are_refused(tmp_path):
    one = written(tmp_path / "one", [0.5])
    with pytest.raises(ValueError, match="at least one run"):
        best_run([])
    with pytest.raises(ValueError, match="same validation images"):
        best_run([one, written(tmp_path / "other", [0.6], data="b")])
    with pytest.raises(ValueError, match="must have validation scores"):
        best_run([written(tmp_path / "unscored", [float("nan")])])
    with pytest.raises(FileNotFoundError, match=r"a finished run must hold config\.json"):
        best_run([tmp_path / "nowhere"])


def test_a_small_search_is_trained_and_chosen_from(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (6, 16, 16), dtype=np.uint8)
    masks = (images > 128).astype(np.uint8)
    runs = [
        TrainSettings(
            model="unet", classes=2, filters=2, levels=2, epochs=4, batch_size=3, learning_rate=rate
        )
        for rate in (1e-9, 0.05)
    ]
    held_out = (images[:2], masks[:2])
    for number, settings in enumerate(runs):
        train(images, settings, masks=masks, out=tmp_path / str(number), validation=held_out)
    assert best_run([tmp_path / "0", tmp_path / "1"]) == tmp_path / "1"
