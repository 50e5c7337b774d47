"""Acquisition functions against the formulas, and choices against plain searches."""

import itertools
import math

import numpy as np
import pytest
import torch
from mtneuro_seg.acquisition import UNCERTAINTIES, farthest_apart, highest_apart, overlapping


def probabilities(classes: int = 4) -> np.ndarray:
    drawn = np.random.default_rng(0).dirichlet(np.ones(classes), (5, 6))
    return np.moveaxis(drawn, -1, 0)


def test_the_entropy_is_that_of_its_formula():
    given = probabilities()
    expected = [
        [-sum(p * math.log(p) for p in given[:, y, x]) / math.log(4) for x in range(6)] for y in range(5)
    ]
    found = UNCERTAINTIES["entropy"](torch.from_numpy(given))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)


def test_the_margin_is_that_of_its_formula():
    given = probabilities()
    ranked = np.sort(given, axis=0)
    found = UNCERTAINTIES["margin"](torch.from_numpy(given))
    np.testing.assert_allclose(found.numpy(), 1 - (ranked[-1] - ranked[-2]), rtol=1e-12)


@pytest.mark.parametrize("name", UNCERTAINTIES)
def test_what_is_sure_is_0_and_what_is_undecided_is_1(name):
    given = torch.tensor([[1.0, 1 / 3], [0.0, 1 / 3], [0.0, 1 / 3]])
    np.testing.assert_allclose(UNCERTAINTIES[name](given), [0, 1], atol=1e-6)


def test_boxes_that_share_a_voxel_overlap():
    rng = np.random.default_rng(1)
    corners, size = rng.integers(0, 12, (60, 3)), (2, 3, 4)
    lower, upper = (4, 5, 3), (9, 7, 8)
    marked = np.zeros((20, 20, 20), bool)
    marked[4:9, 5:7, 3:8] = True
    expected = [bool(marked[z : z + 2, y : y + 3, x : x + 4].any()) for z, y, x in corners]
    assert 0 < sum(expected) < 60
    assert overlapping(corners, size, lower=lower, upper=upper).tolist() == expected


def apart(corners: np.ndarray, size: tuple[int, ...], chosen: list[int]) -> bool:
    return not any(
        (np.abs(corners[first] - corners[second]) < size).all()
        for first, second in itertools.combinations(chosen, 2)
    )


def test_the_highest_are_those_of_a_plain_search():
    rng = np.random.default_rng(2)
    corners, size = rng.integers(0, 10, (50, 3)), (2, 4, 4)
    # Few values, so that many tie.
    scores = rng.integers(0, 6, 50).astype(float)
    expected: list[int] = []
    for box in sorted(range(50), key=lambda box: (-scores[box], box)):
        if apart(corners, size, [*expected, box]):
            expected.append(box)
    assert highest_apart(scores, corners, size, count=4) == expected[:4]
    assert highest_apart(scores, corners, size, count=50) == expected
    assert apart(corners, size, expected)


def plain_k_center(
    vectors: np.ndarray, corners: np.ndarray, size: tuple[int, ...], centres: list[int], count: int
) -> tuple[list[int], list[float]]:
    chosen: list[int] = []
    distances: list[float] = []
    for _ in range(count):
        best, farthest = -1, -1.0
        for box in range(len(vectors)):
            if box in centres or box in chosen or not apart(corners, size, [*chosen, box]):
                continue
            nearest = min(float(np.linalg.norm(vectors[box] - vectors[at])) for at in [*centres, *chosen])
            if nearest > farthest:
                best, farthest = box, nearest
        if best < 0:
            break
        chosen.append(best)
        distances.append(farthest)
    return chosen, distances


@pytest.mark.parametrize("spread", [1, 12])
def test_the_farthest_are_those_of_k_center_by_brute_force(spread):
    rng = np.random.default_rng(3)
    corners, size = rng.integers(0, 1 + 4 * spread, (40, 3)), (2, 4, 4)
    # Whole numbers: distances tie, and are exact.
    vectors = rng.integers(0, 4, (40, 3)).astype(np.float64)
    expected, distances = plain_k_center(vectors, corners, size, [5, 11], 12)
    found, told = farthest_apart(vectors, corners, size, count=12, centres=[5, 11])
    assert found == expected
    np.testing.assert_allclose(told, distances, rtol=1e-12)
    assert apart(corners, size, found)


def test_without_a_centre_the_first_is_the_one_nearest_to_the_mean():
    vectors = np.array([[0.0], [10.0], [4.0], [6.0]])
    corners = np.arange(4)[:, None] * [0, 0, 4]
    assert farthest_apart(vectors, corners, (1, 4, 4), count=2)[0] == [2, 1]


def test_only_what_is_free_is_taken_and_what_is_not_may_be_a_centre():
    vectors = np.array([[0.0], [1.0], [9.0], [10.0]])
    corners = np.arange(4)[:, None] * [0, 0, 4]
    free = np.array([True, True, False, False])
    found = farthest_apart(vectors, corners, (1, 4, 4), count=4, centres=[3], free=free)
    assert found == ([0, 1], [10.0, 1.0])
