import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch.loggers import CSVLogger
from mtneuro_ssl import TrainSettings, train
from mtneuro_ssl.recorder import Recorder


def recorder(folder) -> Recorder:
    return Recorder(folder, epoch_steps=2, every=9, progress=None)


def test_a_history_comes_back_from_a_checkpoint(tmp_path):
    first, second = recorder(tmp_path), recorder(tmp_path)
    for step in (1, 2, 3):
        first._pending.append((step, 0.5, {"loss": torch.tensor(1.0 / step)}))
    first.collect()
    second.load_state_dict(first.state_dict())
    assert second.as_csv() == first.as_csv()
    rows = list(csv.DictReader(first.as_csv().splitlines()))
    assert [(row["step"], row["epoch"]) for row in rows] == [("1", "1"), ("2", "1"), ("3", "2")]
    assert [row["learning_rate"] for row in rows] == ["0.5"] * 3


def test_a_loss_that_is_not_finite_names_its_step(tmp_path):
    kept = recorder(tmp_path)
    kept._pending.append((7, 0.5, {"loss": torch.tensor(float("nan"))}))
    with pytest.raises(ValueError, match="loss must stay finite, got nan at step 7: lower learning_rate"):
        kept.collect()


def test_lightnings_loggers_get_the_settings_and_the_rows_of_the_history(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (12, 16, 16), dtype=np.uint8)
    settings = TrainSettings(
        method="myow", encoder="tiny_lab:encoder", batch_size=4, steps=6, hidden=16, projection=8,
        latent_dim=None, device="cpu", checkpoint_every=0,
    )  # fmt: skip
    logger = CSVLogger(tmp_path / "logs", flush_logs_every_n_steps=1)
    train(images, settings, out=tmp_path / "model", loggers=[logger])
    logged = list(csv.DictReader((Path(logger.log_dir) / "metrics.csv").read_text().splitlines()))
    history = list(csv.DictReader((tmp_path / "model" / "history.csv").read_text().splitlines()))
    assert len(logged) == len(history) == 6
    for row, of_step in zip(logged, history, strict=True):
        # What is not a number is not logged.
        assert {name: float(row[name] or "nan") for name in of_step} == pytest.approx(
            {name: float(value) for name, value in of_step.items()}, nan_ok=True
        )
    assert "method: myow" in (Path(logger.log_dir) / "hparams.yaml").read_text()
