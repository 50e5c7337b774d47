import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from mtneuro_probe import r2_figure


def drawn(figure: Figure) -> Figure:
    figure.canvas.draw()
    return figure


def test_bars_stand_for_both_scores_and_a_missing_one_is_a_dash():
    table = pd.DataFrame(
        {"r2_same_sample": [0.9, np.nan], "r2_cross_validated": [0.5, -0.25]},
        index=["cell_count", "cell_size"],
    )
    axes = drawn(r2_figure(table)).axes[0]
    assert [text.get_text() for text in axes.texts] == ["0.90", "–", "0.50", "-0.25"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["Cell\ncount", "Cell\nsize"]


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


def test_scores_that_could_not_be_had_are_dashes():
    table = pd.DataFrame({"r2_same_sample": [np.nan], "r2_cross_validated": [np.nan]}, index=["cell_count"])
    assert [text.get_text() for text in drawn(r2_figure(table)).axes[0].texts] == ["–", "–"]


def test_a_table_without_a_score_is_refused():
    with pytest.raises(ValueError, match="table must have a column of r2_same_sample"):
        r2_figure(pd.DataFrame({"score": [1.0]}))
