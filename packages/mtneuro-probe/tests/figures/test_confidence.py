import numpy as np
import pytest
from matplotlib.figure import Figure
from mtneuro_probe import RegionScore, confidence_figure, region_cross_validation


def drawn(figure: Figure) -> Figure:
    figure.canvas.draw()
    return figure


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def region() -> np.ndarray:
    return np.tile([0, 1], 20)


@pytest.fixture
def score(rng: np.random.Generator, region: np.ndarray) -> RegionScore:
    x = region[:, None] + rng.normal(size=(40, 3))
    return region_cross_validation(x, region, groups=np.arange(40) // 4, class_names=["CTX", "STR"])


def test_the_surest_images_come_first(rng, region, score):
    figure = drawn(confidence_figure(rng.random((40, 6, 6)), score, region, n_images=3))
    sure = [float(axes.get_title().split()[1].rstrip(",")) for axes in figure.axes]
    assert sure[0] == pytest.approx(np.nanmax(score.confidence), abs=0.006)
    assert sure[3] == pytest.approx(np.nanmin(score.confidence), abs=0.006)


def test_of_a_small_volume_the_middle_slice_is_shown(rng, region, score):
    volumes = rng.random((40, 3, 6, 6))
    shown = drawn(confidence_figure(volumes, score, region, n_images=1)).axes[0].images[0].get_array()
    np.testing.assert_array_equal(np.asarray(shown), volumes[np.nanargmax(score.confidence), 1])


def test_no_more_images_are_shown_than_there_are(rng, region, score):
    assert len(drawn(confidence_figure(rng.random((40, 6, 6)), score, region, n_images=50)).axes) == 80


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("shape", "told"), [((39, 6, 6), "got 39, 40 and 40"), ((40, 6), r"\(n, y, x\) or \(n, z, y, x\)")]
)
def test_images_of_other_samples_or_shapes_are_refused(region, score, shape, told):
    with pytest.raises(ValueError, match=told):
        confidence_figure(np.zeros(shape), score, region)
