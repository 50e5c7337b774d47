import numpy as np
import pytest
from mtneuro_data.interpolation import interpolated_labels


def test_a_straight_boundary_moves_at_a_constant_speed() -> None:
    def slice_at(x: int) -> np.ndarray:
        return np.where(np.arange(40)[None, :] < x, 1, 2).repeat(12, 0).astype(np.uint8)

    filled = interpolated_labels(np.stack([slice_at(10), slice_at(30)]), np.array([100, 120]))
    for step in range(21):
        np.testing.assert_array_equal(filled[step], slice_at(10 + step))


def test_a_disk_grows_through_disks_of_the_radii_between() -> None:
    y, x = np.mgrid[:81, :81] - 40
    radius = np.hypot(y, x)
    filled = interpolated_labels(np.stack([radius < 10, radius < 30]).astype(np.uint8), np.array([0, 20]))
    for step in range(21):
        area = (filled[step] == 1).sum()
        assert np.sqrt(area / np.pi) == pytest.approx(10 + step, abs=1.5)
    assert not (filled == 255).any()


def test_annotated_slices_and_equal_pixels_stay(rng: np.random.Generator) -> None:
    labels = rng.integers(0, 4, (3, 20, 20), dtype=np.uint8)
    filled = interpolated_labels(labels, np.array([0, 5, 7]))
    np.testing.assert_array_equal(filled[[0, 5, 7]], labels)
    same = labels[0] == labels[1]
    assert (filled[1:5, same] == labels[0][same]).all()
    changed = ~same
    for slice_ in filled[1:5]:
        either = (slice_ == labels[0]) | (slice_ == labels[1]) | (slice_ == 255)
        assert either[changed].all()


def test_reversing_the_slices_reverses_the_result() -> None:
    first = np.where(np.add.outer(np.arange(30), np.arange(30)) < 21, 1, 2)
    last = np.where(np.add.outer(np.arange(30), np.arange(30)) < 42, 1, 2)
    forwards = interpolated_labels(np.stack([first, last]), np.array([0, 7]))
    backwards = interpolated_labels(np.stack([last, first]), np.array([0, 7]))
    np.testing.assert_array_equal(forwards, backwards[::-1])


def test_a_part_that_appears_is_left_undecided() -> None:
    labels = np.ones((2, 9, 9), np.uint8)
    labels[1, 3:6, 3:6] = 2
    filled = interpolated_labels(labels, np.array([0, 2]), undecided=99)
    assert (filled[1, 3:6, 3:6] == 99).all()
    assert (filled[1] == 99).sum() == 9


@pytest.mark.parametrize(
    ("labels", "z", "text"),
    [
        (np.zeros((1, 2, 2), np.uint8), [0], "two annotated slices or more"),
        (np.zeros((2, 2, 2), np.uint8), [0], "a position for each, got 2 and 1"),
        (np.zeros((2, 2, 2), np.uint8), [3, 3], r"must ascend, got \[3, 3\]"),
        (np.full((2, 2, 2), 255, np.uint8), [0, 3], "must not be in use, got 255"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_wrong_slices_are_refused(labels: np.ndarray, z: list[int], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        interpolated_labels(labels, np.array(z))
