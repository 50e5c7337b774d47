import csv
import logging
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from mtneuro_ssl import TrainSettings, train
from mtneuro_ssl.monitor import effective_rank, neighbour_accuracy, spread
from sklearn.neighbors import KNeighborsClassifier


def small(**changes: object) -> TrainSettings:
    values: dict[str, object] = {
        "method": "byol", "encoder": "tiny_lab:encoder", "batch_size": 4, "steps": 8, "hidden": 8,
        "projection": 4, "latent_dim": None, "device": "cpu",
    }  # fmt: skip
    return TrainSettings.model_validate(values | changes)


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (12, 16, 16), dtype=np.uint8)


def rows_of(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "monitor.csv").read_text().splitlines()))


def test_the_rank_counts_equal_directions_and_ignores_place_and_scale():
    generator = torch.Generator().manual_seed(0)
    directions = torch.linalg.qr(torch.randn(20, 5, generator=generator)).Q
    points = torch.cat([torch.eye(5), -torch.eye(5)]) @ directions.T
    assert effective_rank(points) == pytest.approx(5)
    assert effective_rank(7 * points + 3) == pytest.approx(5, rel=1e-4)
    assert effective_rank(points[:, :1] @ torch.ones(1, 4)) == pytest.approx(1, abs=1e-5)
    assert effective_rank(torch.ones(4, 3)) == 1.0


def test_the_rank_is_that_of_unequal_variances():
    points = torch.tensor([[3.0, 0], [-3, 0], [0, 1], [0, -1]])
    assert effective_rank(points) == pytest.approx(math.exp(-0.75 * math.log(0.75) - 0.25 * math.log(0.25)))


def test_the_spread_ignores_length():
    points = torch.randn(500, 40, generator=torch.Generator().manual_seed(0))
    assert spread(points) == pytest.approx(1, abs=0.05)
    assert spread(points * torch.rand(500, 1)) == pytest.approx(spread(points), abs=1e-6)
    assert spread(points * 1e-4 + 1) < 0.01


def test_the_neighbours_vote_agrees_with_scikit_learn():
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(40) % 2
    points = torch.randn(40, 5, generator=generator) + 0.8 * labels[:, None]
    right = 0
    for i in range(40):
        others = [j for j in range(40) if j != i]
        voter = KNeighborsClassifier(5, metric="cosine").fit(points[others], labels[others])
        right += int(voter.predict(points[i : i + 1])[0] == labels[i])
    assert neighbour_accuracy(points, labels, neighbours=5) == pytest.approx(right / 40)


def test_a_run_records_rank_spread_and_the_neighbours_vote(images, tmp_path):
    labels = np.arange(12, dtype=np.int64) % 2
    train(images, small(monitor_neighbours=3), labels=labels, out=tmp_path / "model")
    rows = rows_of(tmp_path / "model")
    assert [int(row["step"]) for row in rows] == [0, 2, 4, 6, 8]
    assert all(1 <= float(row["rank"]) <= 16 and 0 <= float(row["spread"]) <= 1 for row in rows)
    assert all(0 <= float(row["neighbour_accuracy"]) <= 1 for row in rows)


def test_measuring_changes_nothing(images, tmp_path):
    often = train(images, small(monitor_every=1), out=tmp_path / "often")
    seldom = train(images, small(monitor_every=8), out=tmp_path / "seldom")
    np.testing.assert_array_equal(often._embedded(images), seldom._embedded(images))
    assert [len(rows_of(tmp_path / name)) for name in ("often", "seldom")] == [9, 2]


def test_a_collapsed_run_gives_a_warning(images, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        train(images, small(encoder="tiny_lab:constant"), out=tmp_path / "model")
    assert "byol has collapsed at step 8: rank" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        train(images, small(), out=tmp_path / "alive")
    assert "collapsed" not in caplog.text
