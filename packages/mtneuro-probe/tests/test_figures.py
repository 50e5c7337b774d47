import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from mtneuro_probe import FEATURES, confusion_figure, r2_figure, umap_figure


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


def test_bars_stand_for_both_scores_and_a_missing_one_is_a_dash():
    table = pd.DataFrame(
        {"r2_same_sample": [0.9, np.nan], "r2_cross_validated": [0.5, -0.25]},
        index=["cell_count", "cell_size"],
    )
    axes = drawn(r2_figure(table)).axes[0]
    assert [text.get_text() for text in axes.texts] == ["0.90", "–", "0.50", "-0.25"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["Cell\ncount", "Cell\nsize"]


def test_a_confusion_shows_its_counts():
    axes = drawn(confusion_figure(np.array([[3, 1], [0, 0]]), ["CTX", "STR"])).axes[0]
    assert [text.get_text() for text in axes.texts] == ["3", "1", "0", "0"]
    image = axes.images[0].get_array()
    np.testing.assert_array_equal(np.asarray(image), [[0.75, 0.25], [0, 0]])


@pytest.mark.usefixtures("unchecked")
def test_wrong_input_is_refused(points):
    with pytest.raises(ValueError, match="region must have one row a point, got 3 for 20"):
        umap_figure(points, region=np.zeros(3, int))
    with pytest.raises(ValueError, match="each have a name"):
        umap_figure(points, region=np.ones(20, int), region_names=["CTX"])
    with pytest.raises(ValueError, match="2 x 2, as many as names"):
        confusion_figure(np.zeros((3, 3), int), ["CTX", "STR"])
    with pytest.raises(ValueError, match="table must have a column of r2_same_sample"):
        r2_figure(pd.DataFrame({"score": [1.0]}))
