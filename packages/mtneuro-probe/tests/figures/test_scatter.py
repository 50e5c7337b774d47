import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from mtneuro_probe import scatter_figure


def drawn(figure: Figure) -> Figure:
    figure.canvas.draw()
    return figure


def test_a_scatter_shows_every_sample_that_was_read_out():
    measured = pd.DataFrame({"vessel_density": [0.01, 0.02, 0.03], "cell_count": [1.0, 2, np.nan]})
    figure = drawn(
        scatter_figure(measured, measured + 0.01, region=np.array([0, 1, 1]), region_names=["CTX", "STR"])
    )
    assert [axes.get_title() for axes in figure.axes] == ["Vessel density", "Cell count"]
    assert figure.axes[0].get_xlabel() == "measured (% of pixels)"
    points = np.concatenate([np.asarray(drawn.get_offsets()) for drawn in figure.axes[0].collections])
    np.testing.assert_allclose(points, [[1, 2], [2, 3], [3, 4]])


@pytest.mark.parametrize(
    ("measured", "predicted", "told"),
    [
        ({"a": [1.0, 2]}, {"a": [1.0, 2, 3]}, "got 2 and 3"),
        ({"a": [1.0]}, {"b": [1.0]}, "measured features, got b"),
    ],
)
def test_predictions_of_other_samples_or_features_are_refused(measured, predicted, told):
    with pytest.raises(ValueError, match=told):
        scatter_figure(pd.DataFrame(measured), pd.DataFrame(predicted))
