"""Which dimensions say nothing, and what standardising makes of them."""

import numpy as np
import pytest
from mtneuro_probe.scaling import constant_dimensions, fitted_scaler, spread
from sklearn.preprocessing import StandardScaler


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def last_bits(rng: np.random.Generator, *shape: int, value: float = 1.0) -> np.ndarray:
    """Return a value whose last bit in float32 differs."""
    near = np.float32(value)
    return np.where(rng.random(shape) < 0.5, near, np.nextafter(near, np.float32(np.inf)))


@pytest.mark.parametrize("value", [1.0, -3e-7, 1e20, 0.1])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_last_bits_of_float32_are_constant_at_any_scale(rng, value, kind):
    assert constant_dimensions(last_bits(rng, 50, 3, value=value).astype(kind)).all()


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
@pytest.mark.parametrize("shift", [0.0, 1e3])
def test_a_signal_is_none_however_small_its_unit(rng, scale, shift):
    assert not constant_dimensions((rng.normal(size=(50, 3)) + shift) * scale).any()


def test_a_constant_dimension_becomes_0_and_the_others_are_scikit_learns(rng):
    x = rng.normal(5, 2, size=(50, 4)).astype(np.float32)
    x[:, 1] = last_bits(rng, 50)
    x[:, 2] = 0
    made = np.asarray(fitted_scaler(x).transform(x.astype(np.float64)))
    expected = np.asarray(StandardScaler().fit_transform(x.astype(np.float64)))
    assert (made[:, 1:3] == 0).all()
    np.testing.assert_array_equal(made[:, [0, 3]], expected[:, [0, 3]])
    assert np.isinf(spread(x.astype(np.float64))[1:3]).all()
