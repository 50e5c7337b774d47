import numpy as np
import pytest
from mtneuro_probe.readout.principal import principal_components
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


@pytest.mark.parametrize("shape", [(30, 8), (20, 60)])
def test_they_are_scikit_learns_of_standardised_embeddings_but_for_their_signs(rng, shape):
    x = rng.normal(size=shape) @ rng.normal(size=(shape[1], shape[1])) + 5
    found = principal_components(x, most=6)
    expected = PCA(6).fit_transform(StandardScaler().fit_transform(x))
    np.testing.assert_allclose(found, expected * np.sign(found[0] * expected[0]), atol=1e-9)


def test_their_scale_is_no_matter_and_constant_dimensions_are_none(rng):
    x = rng.normal(size=(20, 5))
    constant = np.full((20, 1), 0.1)
    found = principal_components(np.column_stack([x * 1000 - 3, constant]), most=9)
    assert found.shape == (20, 5)
    np.testing.assert_allclose(np.abs(found), np.abs(principal_components(x, most=9)), rtol=1e-6)


def test_directions_of_rounding_errors_are_left_out(rng):
    # Two directions in forty dimensions, computed in single precision far from 0.
    x = (rng.normal(size=(30, 2)) @ rng.normal(size=(2, 40)) + 50).astype(np.float32)
    assert principal_components(x.astype(np.float64), most=10).shape == (30, 2)
    assert principal_components(np.ones((9, 4)), most=3).shape == (9, 0)
