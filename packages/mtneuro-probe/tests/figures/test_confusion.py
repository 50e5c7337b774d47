import numpy as np
import pytest
from matplotlib.figure import Figure
from mtneuro_probe import confusion_figure


def drawn(figure: Figure) -> Figure:
    figure.canvas.draw()
    return figure


def test_a_confusion_shows_its_counts():
    axes = drawn(confusion_figure(np.array([[3, 1], [0, 0]]), ["CTX", "STR"])).axes[0]
    assert [text.get_text() for text in axes.texts] == ["3", "1", "0", "0"]
    image = axes.images[0].get_array()
    np.testing.assert_array_equal(np.asarray(image), [[0.75, 0.25], [0, 0]])


@pytest.mark.usefixtures("unchecked")
def test_a_matrix_of_another_size_than_the_names_is_refused():
    with pytest.raises(ValueError, match="2 x 2, as many as names"):
        confusion_figure(np.zeros((3, 3), int), ["CTX", "STR"])
