import numpy as np
import pytest
from matplotlib.figure import Figure
from mtneuro_probe import map_figure


def drawn(figure: Figure) -> Figure:
    figure.canvas.draw()
    return figure


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
@pytest.mark.parametrize("values", [np.full((2, 2), np.nan), np.zeros((2, 2, 2))])
def test_a_map_without_a_value_or_of_other_axes_is_refused(values):
    with pytest.raises(ValueError, match="a known value"):
        map_figure(values, feature="cell_count")
