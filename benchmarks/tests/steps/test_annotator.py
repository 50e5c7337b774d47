import numpy as np

from mtneuro_suite.steps.annotator import Annotator


def squares(side: int, *, apart: int = 16) -> np.ndarray:
    truth = np.zeros((8, 128, 128), np.uint8)
    for y in range(4, 120, apart):
        for x in range(4, 120, apart):
            truth[:, y : y + side, x : x + side] = 2
    return truth


def test_outlines_move_by_about_half_a_pixel_and_keep_their_area():
    truth = squares(9)
    drawn = Annotator(missed=0).labels(truth, seed=0)
    moved = (drawn != truth).sum() / (truth > 0).sum()
    # Of a square of 9 pixels, half a pixel at each side of four is 2 / 9.
    assert 0.1 < moved < 0.3
    assert abs((drawn > 0).sum() / (truth > 0).sum() - 1) < 0.03


def test_a_quarter_of_small_objects_is_missed_and_no_large_one():
    person = Annotator(shift=0)
    small, large = (person.labels(squares(side), seed=0) for side in (4, 5))
    assert 0.15 < 1 - (small > 0).sum() / (squares(4) > 0).sum() < 0.35
    assert (large == squares(5)).all()


def test_another_seed_is_another_annotation_and_the_same_the_same():
    person, truth = Annotator(), squares(6)
    first, again, other = (person.labels(truth, seed=seed) for seed in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()
