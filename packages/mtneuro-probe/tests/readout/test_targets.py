import numpy as np
import pandas as pd
import pytest
from mtneuro_probe.readout.targets import constant_target, feature_targets
from mtneuro_probe.registry import REGISTRY


def test_a_feature_is_read_out_as_it_is():
    table = pd.DataFrame({"cell_count": [1, 2], "my_own": [0.5, np.nan]})
    targets = feature_targets(table)
    np.testing.assert_array_equal(targets["cell_count"], [[1], [2]])
    np.testing.assert_array_equal(targets["my_own"], [[0.5], [np.nan]])


@pytest.mark.parametrize("name", [name for name, feature in REGISTRY.items() if feature.period])
def test_an_angle_is_read_out_as_a_point_on_the_circle(name):
    period = REGISTRY[name].period or np.nan
    targets = feature_targets(pd.DataFrame({name: [0.0, period, period / 4, np.nan]}))[name]
    np.testing.assert_allclose(targets, [[1, 0], [1, 0], [0, 1], [np.nan, np.nan]], atol=1e-12)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (pd.DataFrame(index=["a"]), "at least one column"),
        (pd.DataFrame({"a": ["x"]}), "a column of numbers, got"),
        (pd.DataFrame({"a": [np.inf]}), "infinity in a"),
    ],
)
def test_what_cannot_be_read_out_is_refused(table, told):
    with pytest.raises(ValueError, match=told):
        feature_targets(table)


def test_what_differs_by_rounding_is_constant_and_so_is_nothing():
    assert constant_target(np.zeros((0, 1)))
    assert constant_target(np.array([[0.1 + 0.2, 1], [0.3, 1]]))
    assert not constant_target(np.array([[0.3, 1], [0.3, 1 + 1e-9]]))
