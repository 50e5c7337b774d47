"""DeepSets against its formula, point by point, and against itself in another order and with more padding."""

import numpy as np
import pytest
import torch
from mtneuro_ssl.deepsets import DeepSets, deepsets


@pytest.fixture
def clouds() -> torch.Tensor:
    """Five clouds of 0 to 9 points."""
    rng = np.random.default_rng(0)
    points = np.zeros((5, 9, 4), np.float32)
    for cloud, count in zip(points, (9, 0, 4, 1, 6), strict=True):
        cloud[:count] = np.column_stack([
            rng.integers(1, 4, count), rng.normal(0, 80, (count, 2)), rng.gamma(2, 60, count)
        ])  # fmt: skip
    return torch.from_numpy(points.reshape(5, -1))


@pytest.fixture
def encoder(clouds: torch.Tensor) -> DeepSets:
    """An encoder that has seen some clouds, so that its statistics are theirs."""
    torch.manual_seed(1)
    made = DeepSets(latent_dim=6, hidden=16)
    made(clouds)
    return made.eval()


def by_hand(encoder: DeepSets, clouds: torch.Tensor) -> np.ndarray:
    """The formula in numpy: rho(sum of phi(point)), a point at a time."""
    held = {name: value.numpy() for name, value in encoder.state_dict().items()}

    def linear(name: str, values: np.ndarray) -> np.ndarray:
        return held[f"{name}.weight"] @ values + held[f"{name}.bias"]

    answers = []
    for cloud in clouds.numpy().astype(np.float64).reshape(len(clouds), -1, 4):
        total = np.zeros(16)
        for number, y, x, size in cloud:
            if number == 0:
                continue
            mean, variance = held["scale.running_mean"], held["scale.running_var"]
            place = (np.array([y, x, np.log(1 + size)]) - mean) / np.sqrt(variance + 1e-5)
            inner = np.maximum(linear("place", place) + held["kind.weight"][int(number)], 0)
            total += np.maximum(linear("phi.1", inner), 0)
        mean, variance = held["rho.0.running_mean"], held["rho.0.running_var"]
        scaled = (total - mean) / np.sqrt(variance + 1e-5) * held["rho.0.weight"] + held["rho.0.bias"]
        answers.append(linear("rho.3", np.maximum(linear("rho.1", scaled), 0)))
    return np.array(answers)


def test_an_embedding_is_the_formula(encoder, clouds):
    with torch.no_grad():
        np.testing.assert_allclose(encoder(clouds).numpy(), by_hand(encoder, clouds), atol=1e-5)


def test_the_order_of_points_does_not_matter(encoder, clouds):
    order = torch.randperm(9, generator=torch.Generator().manual_seed(2))
    mixed = clouds.reshape(5, 9, 4)[:, order].reshape(5, -1)
    with torch.no_grad():
        torch.testing.assert_close(encoder(mixed), encoder(clouds), rtol=0, atol=1e-6)
        assert (encoder(clouds)[0] - encoder(clouds)[2]).abs().max() > 1e-2


def test_padding_does_not_matter_in_training_or_after(encoder, clouds):
    padded = torch.nn.functional.pad(clouds, (0, 40))
    with torch.no_grad():
        torch.testing.assert_close(encoder(padded), encoder(clouds), rtol=0, atol=1e-6)
        encoder.train()
        torch.testing.assert_close(encoder(padded), encoder(clouds), rtol=0, atol=1e-6)


def test_a_point_more_or_of_another_class_or_size_is_seen(encoder, clouds):
    with torch.no_grad():
        plain = encoder(clouds)[2]
        for at, value in ((0, 3.0), (1, 50.0), (3, 900.0)):
            changed = clouds.clone()
            changed[2, at] = value if changed[2, at] != value else value - 1
            assert (encoder(changed)[2] - plain).abs().max() > 1e-3
        more = clouds.clone()
        more[2, 16:20] = more[2, :4]
        assert (encoder(more)[2] - plain).abs().max() > 1e-3


def test_the_scale_is_the_mean_and_spread_of_all_points(clouds):
    made = DeepSets(hidden=16)
    points = clouds.reshape(-1, 4)
    points = points[points[:, 0] > 0]
    made(clouds)
    for _ in range(2):
        made(torch.zeros(2, 8))  # clouds without a point teach it nothing
    expected = torch.cat([points[:, 1:3], points[:, 3:].log1p()], dim=1)
    torch.testing.assert_close(made.scale.running_mean, expected.mean(dim=0))
    torch.testing.assert_close(made.scale.running_var, expected.var(dim=0))


def test_weights_get_gradients_in_arithmetic_of_16_bits_too(clouds):
    made = deepsets(latent_dim=None)
    with torch.autocast("cpu", torch.bfloat16):
        features = made(clouds)
    assert features.shape == (5, 128)
    features.float().square().sum().backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in made.parameters())
