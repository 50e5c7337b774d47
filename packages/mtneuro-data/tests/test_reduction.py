import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from mtneuro_data import downsampled_images, downsampled_labels, four_corners
from mtneuro_data.reduction import downsampled_instances


def test_a_mean_and_a_majority_worked_by_hand() -> None:
    image = np.array([[1, 2, 0, 1], [3, 4, 0, 1]], np.uint8)
    assert downsampled_images(image, 2).tolist() == [[2, 0]]  # 2.5 and 0.5 go to the even neighbour
    labels = np.array([[3, 3, 1, 2], [0, 3, 2, 1]], np.uint8)
    assert downsampled_labels(labels, 2).tolist() == [[3, 1]]  # a tie goes to the smaller label


images = hnp.arrays(np.uint8, st.tuples(st.integers(1, 3), st.just(8), st.just(12)))


@given(images, st.sampled_from([1, 2, 4]))
def test_means_agree_with_exact_fractions(stack: np.ndarray, factor: int) -> None:
    reduced = downsampled_images(stack, factor)
    for n, v, u in np.ndindex(reduced.shape):
        block = stack[n, v * factor : (v + 1) * factor, u * factor : (u + 1) * factor]
        assert reduced[n, v, u] == round(Fraction(int(block.sum()), factor**2))


@given(hnp.arrays(np.uint8, (2, 8, 12), elements=st.integers(0, 4)), st.sampled_from([1, 2, 4]))
def test_majorities_agree_with_a_naive_loop(stack: np.ndarray, factor: int) -> None:
    reduced = downsampled_labels(stack, factor)
    for n, v, u in np.ndindex(reduced.shape):
        block = stack[n, v * factor : (v + 1) * factor, u * factor : (u + 1) * factor]
        assert reduced[n, v, u] == np.bincount(block.ravel()).argmax()


@given(
    hnp.arrays(np.int64, (2, 6, 12), elements=st.sampled_from([-2, 0, 1, 5, 1 << 40, 1 << 60])),
    st.sampled_from([1, 2, 3, 6]),
)
def test_majorities_of_ids_agree_with_a_naive_loop(stack: np.ndarray, factor: int) -> None:
    reduced = downsampled_labels(stack, factor)
    for n, v, u in np.ndindex(reduced.shape):
        block = stack[n, v * factor : (v + 1) * factor, u * factor : (u + 1) * factor]
        values, counts = np.unique(block, return_counts=True)
        assert reduced[n, v, u] == values[counts.argmax()]


@given(
    hnp.arrays(np.uint64, (2, 6, 12), elements=st.sampled_from([0, 1, 5, 1 << 60, (1 << 64) - 1])),
    st.sampled_from([1, 2, 3, 6]),
    st.integers(0, 5),
)
def test_instances_are_reduced_by_what_lies_inside_alone(
    stack: np.ndarray, factor: int, elsewhere: int
) -> None:
    inside = stack % 5 != elsewhere
    reduced = downsampled_instances(stack, inside, factor)
    for n, v, u in np.ndindex(reduced.shape):
        at = n, slice(v * factor, (v + 1) * factor), slice(u * factor, (u + 1) * factor)
        values, counts = np.unique(stack[at][inside[at]], return_counts=True)
        assert reduced[n, v, u] == (values[counts.argmax()] if len(values) else 0)


def test_the_majority_of_many_ids_does_not_take_a_pass_over_the_volume_for_each(
    rng: np.random.Generator,
) -> None:
    # 16384 ids; at a pass of a millisecond for each this would take many seconds.
    ids = np.arange(1, 16385, dtype=np.uint64).reshape(4, 64, 64).repeat(8, 1).repeat(8, 2) << np.uint64(40)
    start = time.process_time()
    np.testing.assert_array_equal(downsampled_labels(ids, 4), ids[:, ::4, ::4])
    assert time.process_time() - start < 2


@given(images)
def test_a_constant_stays_and_reducing_twice_by_two_is_close_to_by_four(stack: np.ndarray) -> None:
    flat = np.full_like(stack, 77)
    assert (downsampled_images(flat, 4) == 77).all()
    twice = downsampled_images(downsampled_images(stack, 2), 2).astype(int)
    assert np.abs(twice - downsampled_images(stack, 4)).max() <= 1


def test_leading_axes_are_kept(rng: np.random.Generator) -> None:
    deep = rng.integers(0, 256, (2, 3, 8, 8), dtype=np.uint8)
    np.testing.assert_array_equal(downsampled_images(deep, 2)[1, 2], downsampled_images(deep[1, 2], 2))
    assert four_corners(deep).shape == (2, 3, 4, 4, 4)


def test_corners_of_odd_images_leave_the_middle_out() -> None:
    image = np.arange(15, dtype=np.uint8).reshape(3, 5)
    assert four_corners(image).tolist() == [[[0, 1]], [[3, 4]], [[10, 11]], [[13, 14]]]


def test_corners_of_even_images_tile_them(rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, (6, 10), dtype=np.uint8)
    tl, tr, bl, br = four_corners(image)
    np.testing.assert_array_equal(np.block([[tl, tr], [bl, br]]), image)


@pytest.mark.parametrize("reduced", [downsampled_images, downsampled_labels])
def test_an_indivisible_size_is_refused(reduced: object) -> None:
    assert callable(reduced)
    with pytest.raises(ValueError, match="factor 2 must divide rows and columns, got 5 by 4"):
        reduced(np.zeros((5, 4), np.uint8), 2)
    with pytest.raises(ValueError, match="factor must be 1 or more"):
        reduced(np.zeros((4, 4), np.uint8), 0)


def test_an_image_without_corners_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 by 2"):
        four_corners(np.zeros((1, 4), np.uint8))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
def test_the_mean_of_the_brightest_image_of_a_type_does_not_overflow(dtype: type[np.unsignedinteger]) -> None:
    brightest = np.iinfo(dtype).max
    reduced = downsampled_images(np.full((1, 64, 64), brightest, dtype), 64)
    assert (reduced.dtype, reduced.item()) == (dtype, brightest)


@given(hnp.arrays(np.int64, (2, 4, 8), elements=st.integers(-3, 3)), st.sampled_from([2, 4]))
def test_majorities_of_any_ids_agree_with_a_naive_loop(stack: np.ndarray, factor: int) -> None:
    reduced = downsampled_labels(stack << 40, factor)
    for n, v, u in np.ndindex(reduced.shape):
        block = stack[n, v * factor : (v + 1) * factor, u * factor : (u + 1) * factor]
        values, counts = np.unique(block, return_counts=True)
        assert reduced[n, v, u] == values[counts.argmax()] << 40


def test_means_of_signed_and_of_real_numbers() -> None:
    assert downsampled_images(np.array([[-1, -2], [-3, -4]], np.int16), 2).tolist() == [[-2]]
    half = downsampled_images(np.array([[0.5, 1], [0, 0]], np.float32), 2)
    assert (half.dtype, half.tolist()) == (np.float32, [[0.375]])
