import numpy as np
import pytest
import torch
from mtneuro_ssl import AttentiveProbeSettings, TrainSettings, fit_attentive_probe, train, untrained
from mtneuro_ssl.attentive_probe import AttentivePooling

ENCODER = TrainSettings(encoder="tiny_lab:encoder", latent_dim=None, device="cpu")
QUICK = AttentiveProbeSettings(steps=60, batch_size=16, learning_rate=0.02)


@pytest.fixture(scope="module")
def spots() -> tuple[np.ndarray, np.ndarray]:
    """Grey images, of which every other one has a small bright spot somewhere."""
    rng = np.random.default_rng(0)
    images = rng.normal(100, 15, (32, 24, 24)).clip(0, 255).astype(np.uint8)
    labels = np.arange(32) % 2
    for image in images[1::2]:
        y, x = rng.integers(0, 20, 2)
        image[y : y + 4, x : x + 4] = 255
    return images, labels


def test_it_finds_what_stands_at_one_place_and_leaves_the_model_as_it_is(spots, lab):
    images, labels = spots
    model = untrained(ENCODER)
    weights = model.fingerprint()
    calls = []
    probe = fit_attentive_probe(model, images, labels, QUICK, progress=lambda *call: calls.append(call))
    assert (probe.predict(images, batch_size=5) == labels).mean() > 0.9
    assert model.fingerprint() == weights
    assert calls[-1] == (60, 60)
    again = fit_attentive_probe(model, images, labels, QUICK)
    assert again.losses == probe.losses


def test_it_is_cross_attention_of_a_learnt_query():
    # torch's own attention with one head, whose projections are the identity.
    pooling = AttentivePooling(6, 3, queries=1).drawn(seed=0)
    torch.nn.init.normal_(pooling.queries)
    tokens = torch.randn(5, 6, 10, generator=torch.Generator().manual_seed(0))
    query = pooling.queries[None].expand(5, 1, 6)
    oracle = torch.nn.functional.scaled_dot_product_attention(query, tokens.mT, tokens.mT)
    torch.testing.assert_close(pooling(tokens), pooling.classifier(oracle[:, 0]))
    torch.testing.assert_close(pooling.weights(tokens).sum(dim=2), torch.ones(5, 1))


def test_queries_of_zeros_average_evenly():
    pooling = AttentivePooling(6, 3, queries=2).drawn(seed=0)
    torch.nn.init.zeros_(pooling.queries)
    tokens = torch.randn(5, 6, 10)
    mean = tokens.mean(dim=2).repeat(1, 2)
    torch.testing.assert_close(pooling(tokens), pooling.classifier(mean))


def test_subvolumes_are_classified_too(lab):
    rng = np.random.default_rng(0)
    labels = np.arange(8) % 2
    subvolumes = rng.normal(60 + 120 * labels[:, None, None, None], 8, (8, 4, 12, 12)).clip(0, 255)
    model = untrained(ENCODER.model_copy(update={"encoder": "tiny_lab:encoder_3d", "depth": 4}))
    probe = fit_attentive_probe(model, subvolumes.astype(np.uint8), labels, QUICK, classes=3)
    assert np.array_equal(probe.predict(subvolumes.astype(np.uint8)), labels)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda labels: labels[1:], r"shape \(32,\), one per image"),
        (lambda labels: labels - 1, "counted from 0"),
        (lambda labels: labels + 5, "below classes=2, got 6"),
        (lambda labels: labels / 2, "must be integers"),
    ],
)
def test_labels_that_do_not_fit_are_refused(change, reason, spots, lab, unchecked):
    images, labels = spots
    with pytest.raises(ValueError, match=reason):
        fit_attentive_probe(untrained(ENCODER), images, change(labels), QUICK, classes=2)


def test_models_without_feature_maps_are_refused(spots, tmp_path, lab):
    pca = train(spots[0], TrainSettings(method="pca", components=2), out=tmp_path / "pca")
    with pytest.raises(ValueError, match="feature maps need a model with a network"):
        fit_attentive_probe(pca, *spots)
