import numpy as np
import pytest

from mtneuro_suite.report.grids import grid_text
from mtneuro_suite.report.scaling import Point, median_point, scale_figure, scale_grid, slope

TITLES = {"load": "load voxels", "suite": "the suite, workers"}


def points(exponent, *, works=(1, 2, 4, 8)):
    return [Point(work, 3.0 * work**exponent, 10.0 * work) for work in works]


@pytest.mark.parametrize("exponent", [0, 0.5, 1, 2])
def test_the_slope_is_the_exponent(exponent):
    assert slope(points(exponent)) == pytest.approx(exponent, abs=1e-9)


def test_the_median_is_taken_of_time_and_memory_apart():
    measured = [Point(2, 1.0, 30.0), Point(2, 9.0, 10.0), Point(2, 2.0, 20.0)]
    assert median_point(measured) == Point(2, 2.0, 20.0)


def heights(drawn):
    return np.asarray(drawn.get_ydata()).tolist()


def test_the_drawing_has_the_line_of_proportion_beside_what_was_measured():
    figure = scale_figure({"load": points(1.5), "suite": points(-1, works=(1, 2, 4))}, TITLES)
    time, memory, workers = figure.axes
    assert [axes.get_xscale() for axes in figure.axes] == ["log", "log", "log"]
    assert [axes.get_yscale() for axes in figure.axes] == ["log", "log", "log"]
    measured, line = (heights(drawn) for drawn in time.get_lines())
    assert measured == pytest.approx([1, 2**1.5, 4**1.5, 8**1.5])
    assert line == [1, 8]
    assert heights(memory.get_lines()[0]) == [10, 20, 40, 80]
    ours, ideal = (heights(drawn) for drawn in workers.get_lines())
    assert ours == pytest.approx([3, 1.5, 0.75])
    assert ours == pytest.approx(ideal)


def test_the_suite_alone_is_one_panel():
    assert len(scale_figure({"suite": points(-1)}, TITLES).axes) == 1


def test_the_table_says_each_exponent_once():
    text = grid_text([scale_grid({"load": points(1), "suite": [Point(1, 5.0, 900.0)]}, TITLES)], "csv")
    assert text.splitlines()[1:] == [
        "Cost against work,load voxels,1,3.0,10.0,1.0",
        "Cost against work,load voxels,2,6.0,20.0,",
        "Cost against work,load voxels,4,12.0,40.0,",
        "Cost against work,load voxels,8,24.0,80.0,",
        'Cost against work,"the suite, workers",1,5.0,900.0,',
    ]
