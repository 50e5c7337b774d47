import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from mtneuro_probe import FEATURES, umap_figure


@pytest.fixture
def points() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)


def drawn(figure: Figure) -> Figure:
    figure.canvas.draw()
    return figure


def test_a_umap_has_a_panel_for_the_region_and_each_feature(points):
    features = pd.DataFrame(np.random.default_rng(1).random((20, 5)), columns=list(FEATURES))
    features["axon_density"] = np.nan
    figure = drawn(
        umap_figure(points, region=np.arange(20) % 2, region_names=["CTX", "STR"], features=features)
    )
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == [
        "Region",
        "Vessel density",
        "Axon density",
        "Cell count",
        "Cell size",
        "Nearest neighbour distance",
    ]
    bars = [axes.get_ylabel() for axes in figure.axes if not axes.get_title()]
    assert bars == ["% of pixels", "cells", "µm²", "µm"]
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["CTX", "STR"]


def test_densities_are_drawn_in_percent(points):
    figure = umap_figure(points, features=pd.DataFrame({"vessel_density": np.linspace(0, 0.05, 20)}))
    values = figure.axes[0].collections[1].get_array()
    assert values is not None
    assert np.max(values) == pytest.approx(5)


def test_no_figure_is_left_in_pyplot(points):
    umap_figure(points)
    assert plt.get_fignums() == []


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"region": np.zeros(3, int)}, "region must have one row a point, got 3 for 20"),
        ({"region": np.ones(20, int), "region_names": ["CTX"]}, "each have a name"),
        ({"features": pd.DataFrame({"a": [1.0]})}, "features must have one row a point, got 1 for 20"),
    ],
)
def test_rows_and_names_that_do_not_fit_are_refused(points, settings, told):
    with pytest.raises(ValueError, match=told):
        umap_figure(points, **settings)
