import numpy as np
from mtneuro_data.phantom import Phantom
from mtneuro_data.phantom.areas import NATIVE_SHAPE, Areas
from mtneuro_data.phantom.tubes import Segments, drawn_tubes
from mtneuro_data.phantom.vessels import segments_near

AREAS = Areas(NATIVE_SHAPE, seed=0)


def test_a_tube_is_drawn_as_a_tube():
    tube = Segments(
        start=np.array([[8.0, 8.0, 4.0]]),
        stop=np.array([[8.0, 8.0, 24.0]]),
        radius_start=np.array([3.0], dtype=np.float32),
        radius_stop=np.array([3.0], dtype=np.float32),
        tone=np.array([0.5], dtype=np.float32),
    )
    distance, tone = drawn_tubes(tube, (0, 0, 0), (17, 17, 29))
    assert distance[8, 8, 14] == -3
    assert distance[8, 12, 14] == 1
    assert distance[8, 8, 28] == 1  # beyond the end: a round cap
    assert np.unique(tone[distance < 1]).tolist() == [0.5]


def test_a_wide_vessel_is_near_black_inside():
    box = ((150, 400, 4600), (151, 656, 4856))
    phantom = Phantom("image")
    distance, _ = drawn_tubes(segments_near(0, AREAS, *box)["trunks"], *box)
    deep = (distance < -3) & (distance > -4)
    assert deep.any()
    assert phantom.read(*box)[deep].mean() < 20
