import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from mtneuro_probe import (
    FEATURES,
    confidence_figure,
    confusion_figure,
    map_figure,
    r2_figure,
    region_cross_validation,
    scatter_figure,
    umap_figure,
)


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


def test_bars_carry_interval_null_ceiling_and_floors():
    table = pd.DataFrame(
        {
            "r2_same_sample": [0.9, 0.8],
            "r2_cross_validated": [0.5, 0.4],
            "r2_low": [0.4, np.nan],
            "r2_high": [0.6, np.nan],
            "r2_null": [0.1, 0.2],
            "r2_ceiling": [0.95, np.nan],
            "r2_pixels": [0.2, -5.0],
        },
        index=["cell_count", "cell_size"],
    )
    figure = drawn(r2_figure(table))
    shown = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert "95 % of permutations" in shown
    assert "ceiling of the labels" in shown
    assert "floor: pixels" in shown


def test_a_scatter_shows_every_sample_that_was_read_out():
    measured = pd.DataFrame({"vessel_density": [0.01, 0.02, 0.03], "cell_count": [1.0, 2, np.nan]})
    figure = drawn(
        scatter_figure(measured, measured + 0.01, region=np.array([0, 1, 1]), region_names=["CTX", "STR"])
    )
    assert [axes.get_title() for axes in figure.axes] == ["Vessel density", "Cell count"]
    assert figure.axes[0].get_xlabel() == "measured (% of pixels)"
    points = np.concatenate([np.asarray(drawn.get_offsets()) for drawn in figure.axes[0].collections])
    np.testing.assert_allclose(points, [[1, 2], [2, 3], [3, 4]])


def test_the_surest_images_come_first():
    rng = np.random.default_rng(0)
    region = np.tile([0, 1], 20)
    x = region[:, None] + rng.normal(size=(40, 3))
    score = region_cross_validation(x, region, groups=np.arange(40) // 4, class_names=["CTX", "STR"])
    figure = drawn(confidence_figure(rng.random((40, 6, 6)), score, region, n_images=3))
    sure = [float(axes.get_title().split()[1].rstrip(",")) for axes in figure.axes]
    assert sure[0] == pytest.approx(np.nanmax(score.confidence), abs=0.006)
    assert sure[3] == pytest.approx(np.nanmin(score.confidence), abs=0.006)
    assert len(drawn(confidence_figure(rng.random((40, 2, 6, 6)), score, region, n_images=50)).axes) == 80


def test_a_map_is_drawn_in_millimetres_and_percent():
    values = np.linspace(0, 0.1, 200).reshape(10, 20)
    values[0, 0] = np.nan
    figure = drawn(map_figure(values, feature="axon_density", step_um=(50, 100), image=np.eye(4)))
    panel = figure.axes[1]
    assert panel.get_title() == "Axon density"
    assert panel.get_xlim() == (0, 2)
    assert panel.get_ylim() == (0.5, 0)
    assert figure.axes[-1].get_ylabel() == "% of pixels"


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
    with pytest.raises(ValueError, match="got 2 and 3"):
        scatter_figure(pd.DataFrame({"a": [1.0, 2]}), pd.DataFrame({"a": [1.0, 2, 3]}))
    with pytest.raises(ValueError, match="measured features, got b"):
        scatter_figure(pd.DataFrame({"a": [1.0]}), pd.DataFrame({"b": [1.0]}))
    with pytest.raises(ValueError, match="a known value"):
        map_figure(np.full((2, 2), np.nan), feature="cell_count")
