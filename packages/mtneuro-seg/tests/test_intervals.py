"""Confidence intervals: their coverage, their blocks, and what is refused."""

import numpy as np
import pytest
from mtneuro_seg import bootstrap_intervals, confusion_per_image, scores


def images(n: int, rng: np.random.Generator, *, run: int = 1) -> np.ndarray:
    """Return confusion matrices whose hit rate is the same over ``run`` neighbours."""
    rates = rng.uniform(0.4, 0.9, -(-n // run)).repeat(run)[:n]
    hits = rng.binomial(100, rates)
    return np.stack([np.array([[900, 100 - h], [100 - h, h]]) for h in hits])


def test_the_interval_holds_the_score_of_the_set():
    confusions = images(60, np.random.default_rng(0))
    found = bootstrap_intervals(confusions, block=5)
    score = scores(confusions.sum(axis=0))
    assert (found.low.iou < score.iou).all()
    assert (score.iou < found.high.iou).all()
    assert found.low.mean_f1 < score.mean_f1 < found.high.mean_f1
    assert found.low.accuracy < score.accuracy < found.high.accuracy
    assert found.low.balanced_accuracy < score.balanced_accuracy < found.high.balanced_accuracy


def test_blocks_widen_the_interval_of_slices_that_depend_on_each_other():
    confusions = images(100, np.random.default_rng(0), run=10)
    widths = [
        found.high.mean_iou - found.low.mean_iou
        for found in (bootstrap_intervals(confusions, block=block) for block in (1, 10))
    ]
    assert widths[1] > 1.8 * widths[0]


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(1)
    truth = scores(images(200_00, rng).sum(axis=0)).iou[1]
    covered = 0
    for _ in range(100):
        found = bootstrap_intervals(images(60, rng), block=1, resamples=200, level=0.9)
        covered += bool(found.low.iou[1] <= truth <= found.high.iou[1])
    assert 78 <= covered <= 98


def test_groups_keep_their_size_and_their_blocks():
    # One group is always right, the other always wrong: the pooled score cannot vary.
    right, wrong = np.array([[5, 0], [0, 5]]), np.array([[0, 5], [5, 0]])
    confusions = np.stack([right] * 12 + [wrong] * 12)
    groups = np.repeat([0, 1], 12)
    found = bootstrap_intervals(confusions, block=4, groups=groups)
    assert found.low.mean_iou == found.high.mean_iou
    without = bootstrap_intervals(confusions, block=4)
    assert without.low.mean_iou < without.high.mean_iou


def test_every_slice_is_drawn_as_often_as_any_other():
    # A single good slice, at the end: runs that never reached round the end would hardly draw it.
    confusions = np.stack([np.array([[10, 10], [10, 10]])] * 19 + [np.array([[1000, 0], [0, 1000]])])
    found = bootstrap_intervals(confusions, block=10, level=0.5)
    assert found.high.mean_iou >= scores(confusions.sum(axis=0)).mean_iou


def test_a_stack_shorter_than_a_block_is_one_block():
    confusions = images(3, np.random.default_rng(0))
    found = bootstrap_intervals(confusions, block=10)
    assert found.low.mean_iou == found.high.mean_iou


def test_a_class_nowhere_has_no_interval():
    truth = np.zeros((4, 3, 3), int)
    found = bootstrap_intervals(confusion_per_image(truth, truth, classes=2))
    assert np.isnan(found.low.iou[1])
    assert found.high.mean_iou == 1


def test_the_same_seed_draws_the_same():
    confusions = images(30, np.random.default_rng(0))
    first, again, other = (bootstrap_intervals(confusions, seed=seed).low.mean_iou for seed in (1, 1, 2))
    assert first == again != other


def test_numbers_out_of_range_are_refused():
    confusions = images(4, np.random.default_rng(0))
    with pytest.raises(ValueError, match="block and resamples must be at least 1, got 0 and 1000"):
        bootstrap_intervals(confusions, block=0)
    with pytest.raises(ValueError, match="block and resamples"):
        bootstrap_intervals(confusions, resamples=0)
    with pytest.raises(ValueError, match=r"level must lie between 0 and 1, got 1\.0"):
        bootstrap_intervals(confusions, level=1.0)
    with pytest.raises(ValueError, match="at least one image"):
        bootstrap_intervals(confusions[:0])


def test_ids_group_by_cube_and_order_by_z_as_groups_in_order_do():
    confusions = images(40, np.random.default_rng(0), run=5)
    ids = np.array([f"{cube}-CTX/z{z}" for cube in "AD" for z in range(20)])
    by_group = bootstrap_intervals(confusions, block=5, groups=np.repeat([0, 1], 20))
    # The first stays the first, as the cubes are drawn in the order of their appearance.
    order = np.concatenate([[0], 1 + np.random.default_rng(1).permutation(39)])
    for chosen in (np.arange(40), order):
        by_id = bootstrap_intervals(confusions[chosen], block=5, sample_id=ids[chosen])
        assert by_id.low.mean_iou == by_group.low.mean_iou
        assert by_id.high.mean_f1 == by_group.high.mean_f1


def test_corners_of_a_slice_are_drawn_together():
    confusions = images(20, np.random.default_rng(0))
    whole = bootstrap_intervals(confusions, block=4, sample_id=[f"A/z{z}" for z in range(20)])
    ids = [f"A/z{z}/{corner}" for corner in ("tl", "br") for z in range(20)]
    corners = bootstrap_intervals(np.concatenate([confusions, confusions]), block=4, sample_id=ids)
    assert corners.low.mean_iou == whole.low.mean_iou


def test_images_that_nobody_places_are_drawn_one_by_one():
    confusions = images(30, np.random.default_rng(0))
    found = bootstrap_intervals(confusions, block=10, sample_id=[f"img_{n}" for n in range(30)])
    one_by_one = bootstrap_intervals(confusions, block=1)
    assert found.low.mean_iou == one_by_one.low.mean_iou


def test_groups_and_ids_that_do_not_fit_are_refused(unchecked):
    confusions = images(30, np.random.default_rng(0))
    with pytest.raises(ValueError, match="either groups or sample_id"):
        bootstrap_intervals(confusions, groups=np.zeros(30, int), sample_id=["A/z0"] * 30)
    with pytest.raises(ValueError, match="sample_id must name all 30 images, got 1"):
        bootstrap_intervals(confusions, sample_id=["A/z0"])
    with pytest.raises(ValueError, match="groups must name all 30 images, got 1"):
        bootstrap_intervals(confusions, groups=np.zeros(1, int))
