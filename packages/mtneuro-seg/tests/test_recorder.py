"""The history of a training, its resume points, its best epoch, and its early end."""

import logging
import math

import numpy as np
import pytest
from mtneuro_seg import run_loggers


class StopError(RuntimeError):
    """What a test interrupts a training with."""


def stop_at(step: int):
    def progress(done: int, total: int) -> None:
        if done == step:
            raise StopError

    return progress


@pytest.fixture
def judged(monkeypatch, segmenter):
    """Returns a segmenter whose validation finds so many hits in a hundred, epoch by epoch."""

    def new(hits: list[int], **changes: object):
        module = segmenter(epochs=len(hits), checkpoint_every=1, **changes)

        def validate() -> tuple[float, np.ndarray]:
            found = hits[module.global_step // 2 - 1]
            return 0.0, np.array([[0, 100 - found], [0, found]])

        monkeypatch.setattr(module, "validate", validate)
        return module

    return new


def test_a_row_holds_the_mean_loss_of_its_epoch(tmp_path, segmenter, fitted, monkeypatch):
    module, losses = segmenter(), []
    value = module.value
    monkeypatch.setattr(module, "value", lambda sums: losses.append(value(sums)) or losses[-1])
    history = fitted(module, tmp_path)
    # Two steps an epoch, each asked for its gradient and its loss, and then the validation images' own.
    steps = [each.detach().item() for at, each in enumerate(losses) if at % 5 in (1, 3)]
    assert [row["loss"] for row in history] == pytest.approx([np.mean(steps[:2]), np.mean(steps[2:])])


def test_a_row_holds_the_scores_of_the_validation_images(tmp_path, judged, fitted):
    history = fitted(judged([25, 80]), tmp_path)
    # All of class 0 is taken for class 1, so the mean is half of class 1's score.
    assert [row["val_iou"] for row in history] == pytest.approx([0.125, 0.4])


def test_without_validation_images_their_columns_are_nan(tmp_path, segmenter, fitted):
    module = segmenter(epochs=1)
    module.validation = None
    (row,) = fitted(module, tmp_path)
    assert all(math.isnan(row[name]) for name in ("val_loss", "val_iou", "val_f1"))


def test_each_epoch_is_logged(tmp_path, caplog, judged, fitted):
    with caplog.at_level(logging.INFO, logger="mtneuro_seg.recorder"):
        fitted(judged([50, 60]), tmp_path)
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["epoch 1", "epoch 2"]


def test_a_resume_point_is_left_at_every_epochs_end(tmp_path, segmenter, fitted):
    there: list[bool] = []
    point = tmp_path / "resume.ckpt"
    fitted(segmenter(), tmp_path, progress=lambda *_: there.append(point.exists()))
    assert there == [False, True, True, True]


def test_a_loss_that_is_not_finite_names_the_setting(tmp_path, segmenter, fitted):
    with pytest.raises(ValueError, match=r"must stay finite, got nan .* lower learning_rate"):
        fitted(segmenter(learning_rate=1e36, optimiser="sgd"), tmp_path)


def test_training_stops_after_as_many_epochs_without_a_better_score_as_patience_says(
    tmp_path, judged, fitted
):
    history = fitted(judged([10, 30, 20, 30, 90], patience=2), tmp_path)
    assert [row["epoch"] for row in history] == [1, 2, 3, 4]


@pytest.mark.parametrize("stop", [3, 8])
def test_early_stopping_resumes_too(tmp_path, judged, fitted, stop):
    hits = [10, 30, 20, 30, 90]
    whole = fitted(judged(hits, patience=2), tmp_path / "whole")
    with pytest.raises(StopError):
        fitted(judged(hits, patience=2), tmp_path / "cut", progress=stop_at(stop))
    assert fitted(judged(hits, patience=2), tmp_path / "cut") == whole


def test_loggers_get_the_settings_and_the_history_and_go_on(tmp_path, segmenter, fitted):
    pytest.importorskip("tensorboard", reason="a TensorBoard log needs the extra 'tensorboard'")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def loggers():
        (tmp_path / "net.partial").mkdir(exist_ok=True)
        return run_loggers(["tensorboard"], out=tmp_path / "net", folder=tmp_path / "log")

    with pytest.raises(StopError):
        fitted(segmenter(epochs=3, checkpoint_every=1), tmp_path, loggers=loggers(), progress=stop_at(5))
    history = fitted(segmenter(epochs=3, checkpoint_every=1), tmp_path, loggers=loggers())
    logged = EventAccumulator(str(tmp_path / "log" / "net")).Reload()
    for column in ("loss", "val_loss", "val_iou", "val_f1", "epoch"):
        found = [(event.step, pytest.approx(event.value)) for event in logged.Scalars(column)]
        assert [(row["step"], row[column]) for row in history] == found
    assert "learning_rate" in (tmp_path / "log" / "net" / "hparams.yaml").read_text()
