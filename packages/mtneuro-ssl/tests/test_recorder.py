import csv

import pytest
import torch
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
