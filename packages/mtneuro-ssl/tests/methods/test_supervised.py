from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from mtneuro_ssl import TrainSettings, new_method, train
from mtneuro_ssl.methods.base import Draw
from scipy.stats import kstest
from torch import Tensor

BATCH = 5


@pytest.mark.parametrize(
    ("name", "weights"),
    [("supervised", "batch"), ("supervised+mixup", "batch"), ("supervised+mixup", "image")],
)
def test_supervised_is_its_formula(name, weights, method_of, assert_same_gradients, monkeypatch):
    method = method_of(name, dropout=0.0, mixup_probability=1.0, mixup_weights=weights)
    single = Draw.whole
    monkeypatch.setattr(Draw, "whole", lambda draw: single(draw).double())
    draw = method.draw_at(3)
    images, labels = draw.whole(), draw.batch_labels()
    pixels = ((draw.images[draw.positions] / 255 - 0.4894) / 0.1238)[:, None]
    torch.testing.assert_close(images, pixels.double(), rtol=1e-5, atol=1e-5)
    weight, partner = (
        (torch.ones(BATCH), torch.arange(BATCH))
        if name == "supervised"
        else method.mixture(method.draw_at(3))
    )
    mixed = torch.stack([w * images[i] + (1 - w) * images[partner[i]] for i, w in enumerate(weight)])
    scores = method.classifier(method.encoder(mixed))
    chance = torch.exp(scores) / torch.exp(scores).sum(1, keepdim=True)
    literal = torch.stack([
        -weight[i] * torch.log(row[labels[i]]) - (1 - weight[i]) * torch.log(row[labels[partner[i]]])
        for i, row in enumerate(chance)
    ]).mean()  # fmt: skip
    assert ((weight > 0) & (weight <= 1)).all()
    assert len(weight.unique()) == (BATCH if weights == "image" else 1)
    assert_same_gradients(method, method.step_logs(method.draw_at(3))["loss"], literal)


def test_a_feature_is_dropped_as_often_as_asked_and_the_rest_scaled(method_of):
    method = method_of("supervised", dropout=0.25, latent_dim=400).float()
    seen: list[Tensor] = []
    method.classifier.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    method.encoder.forward = lambda images: torch.ones(len(images), 400)
    draw = method.draw_at(0)
    method.scores(draw.whole(), draw)
    assert (seen[0] == 0).float().mean() == pytest.approx(0.25, abs=0.04)
    assert seen[0].unique().tolist() == pytest.approx([0, 1 / 0.75])


def test_the_classifier_alone_is_trained_where_the_encoder_is_not_but_for_the_statistics(tmp_path):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (10, 16, 16), dtype=np.uint8), np.arange(10) % 2
    settings = TrainSettings(
        method="supervised", epochs=1, batch_size=4, latent_dim=7, weight_decay=0.5, mean=0, sd=1,
        train_encoder=False, partial_batches=True,
    )  # fmt: skip
    before: Any = new_method(images, settings, labels=labels)
    after: Any = train(images, settings, labels=labels, out=tmp_path / "model")
    weights = {name for name, _ in before.encoder.named_parameters()}
    for name, value in after.encoder.state_dict().items():
        same = torch.equal(value, before.encoder.state_dict()[name])
        assert same == (name in weights), name
    # Ten images in batches of four are three steps, of which the last has two images.
    assert after.encoder.state_dict()["bn1.num_batches_tracked"] == 3
    assert not torch.equal(after.classifier.weight, before.classifier.weight)
    history = (tmp_path / "model" / "history.csv").read_text().splitlines()
    assert [line.split(",")[1] for line in history[1:]] == ["1", "1", "1"]


@pytest.mark.parametrize(("how", "count"), [("batch", 1), ("image", BATCH)])
def test_the_lesser_share_of_a_mixture_is_uniform(how, count, method_of):
    """As where a weight is drawn evenly from 0 to a half; the original's library draws one an image."""
    method = method_of("supervised+mixup", mixup_probability=1.0, mixup_weights=how)
    draw = method.draw_at(0)
    draws = (replace(draw, generator=torch.Generator().manual_seed(seed)) for seed in range(500))
    weights = np.stack([method.mixture(each)[0] for each in draws])
    assert kstest(np.minimum(weights, 1 - weights)[:, :count].ravel(), "uniform", args=(0, 0.5)).pvalue > 0.01
    # A weight of its own leaves an image its greater share; one of all images may be any.
    assert (weights > 0.5).all() == (how == "image")
    assert (np.ptp(weights, axis=1) > 0).all() == (how == "image")
