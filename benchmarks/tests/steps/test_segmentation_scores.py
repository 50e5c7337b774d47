from typing import Any

import numpy as np
import pytest
from mtneuro_data import UNLABELLED
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, jaccard_score

from mtneuro_suite.steps.over_cubes import ratio_interval
from mtneuro_suite.steps.segmentation_scores import ScoredNetwork, scored

CLASSES = ("background", "vessel", "cell")


class Given(ScoredNetwork):
    """Scores a prediction that the test made."""

    def run(self, roles, out, progress):
        raise NotImplementedError


@pytest.fixture
def outcome(arrays_folder, tmp_path, monkeypatch):
    """Score predictions, given in place of a network's, against masks."""

    def score(masks, predictions, *, name="test", **about):
        folder = arrays_folder(name, np.zeros_like(masks), masks=masks, class_names=CLASSES, **about)
        monkeypatch.setattr("mtneuro_seg.predict", lambda model, images: predictions)
        step = Given(model="unet", task="t", training_set="t:train", test_set="t:test", seed=3)
        return scored(None, step, {"test": [folder]}, tmp_path, extra={"images": 7})  # pyright: ignore[reportArgumentType]

    return score


def test_scores_of_each_class_are_scikit_learns_over_all_pixels(outcome, unchecked):
    rng = np.random.default_rng(0)
    masks, predictions = rng.integers(0, 3, (2, 5, 16, 16)).astype(np.uint8)
    found = outcome(masks, predictions)
    values = {(row.metric, row.class_name): row.value for row in found.rows if not row.cube}
    truth, guess = masks.ravel(), predictions.ravel()
    oracles: dict[str, Any] = {"f1": f1_score, "iou": jaccard_score}
    for metric, oracle in oracles.items():
        per_class = oracle(truth, guess, average=None)
        assert [values[metric, name] for name in CLASSES] == pytest.approx(per_class.tolist())
        assert values[metric, "average"] == pytest.approx(per_class.mean())
    assert values["accuracy", ""] == pytest.approx(accuracy_score(truth, guess))
    assert values["balanced_accuracy", ""] == pytest.approx(balanced_accuracy_score(truth, guess))
    assert {(row.model, row.task, row.test_set, row.seed) for row in found.rows} == {
        ("unet", "t", "t:test", 3)
    }
    assert {row.n for row in found.rows if not row.cube} == {5}
    assert found.extra == {"class_names": list(CLASSES), "images": 7}


def test_each_score_has_its_interval_over_cubes(outcome, unchecked):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, (6, 16, 16)).astype(np.uint8)
    guess = np.where(rng.random(truth.shape) < 0.3, rng.integers(0, 3, truth.shape), truth).astype(np.uint8)
    ids = [f"{cube}/z{z}" for cube in "ABC" for z in (0, 1)]
    rows = outcome(truth, guess, ids=ids).rows
    found = {(row.metric, row.class_name): row for row in rows if not row.cube}
    hits, either = (
        np.array([[op((truth[i : i + 2] == 1), (guess[i : i + 2] == 1)).sum()] for i in (0, 2, 4)], float)
        for op in (np.logical_and, np.logical_or)
    )
    vessel = found["iou", "vessel"]
    assert (vessel.low, vessel.high) == ratio_interval(hits, either)
    by_cube = [row for row in rows if row.cube and (row.metric, row.class_name) == ("iou", "vessel")]
    assert [row.cube for row in by_cube] == ["A", "B", "C"]
    assert [(row.value, row.n) for row in by_cube] == [
        (pytest.approx(hit / n), n) for hit, n in zip(hits[:, 0], either[:, 0], strict=True)
    ]
    average = found["f1", "average"]
    assert average.low is not None
    assert average.low < average.value < average.high
    # One cube cannot say how cubes vary.
    alone = outcome(truth, guess, ids=[f"A/z{z}" for z in range(6)], name="alone").rows
    assert {row.low for row in alone} == {None}


def test_a_class_that_is_nowhere_has_no_score_and_a_note(outcome, unchecked):
    masks = np.zeros((2, 16, 16), np.uint8)
    masks[:, :4] = 2
    rows = outcome(masks, masks).rows
    found = {(row.metric, row.class_name): row for row in rows if not row.cube}
    assert not any(row.cube and row.class_name == "vessel" for row in rows)
    assert found["iou", "vessel"].value is None
    assert found["iou", "vessel"].note == "no such pixel in the truth or the prediction"
    assert (found["iou", "cell"].value, found["iou", "cell"].note) == (1.0, "")


def test_the_middle_sample_of_each_region_is_kept_and_the_first_regions_whole_stack(
    outcome, unchecked, tmp_path
):
    masks = np.arange(6, dtype=np.uint8)[:, None, None] % 3 * np.ones((1, 16, 16), np.uint8)
    ids = [f"A-{region}/z{z}" for region in ("CTX", "VP") for z in range(3)]
    outcome(masks, masks, region=[0, 0, 0, 1, 1, 1], ids=ids)
    with np.load(tmp_path / "examples.npz") as kept:
        assert kept["sample_id"].tolist() == ["A-CTX/z1", "A-VP/z1"]
        assert np.array_equal(kept["truth"], masks[[1, 4]])
    with np.load(tmp_path / "volume.npz") as kept:
        assert np.array_equal(kept["prediction"], masks[:3])
        assert kept["region"] == "CTX"


def test_the_stack_that_is_kept_is_one_cubes_whatever_the_order_of_its_slices(outcome, unchecked, tmp_path):
    masks = np.arange(6, dtype=np.uint8)[:, None, None] % 3 * np.ones((1, 16, 16), np.uint8)
    ids = ["B-CTX/z2", "A-CTX/z0", "B-CTX/z0", "A-CTX/z1", "B-CTX/z1", "A-CTX/z2"]
    outcome(masks, masks, ids=ids)
    with np.load(tmp_path / "volume.npz") as kept:
        assert np.array_equal(kept["truth"], masks[[2, 4, 0]])


def test_of_one_region_three_samples_are_kept_from_first_to_last(outcome, unchecked, tmp_path):
    masks = np.zeros((7, 16, 16), np.uint8)
    outcome(masks, masks)
    with np.load(tmp_path / "examples.npz") as kept:
        assert kept["sample_id"].tolist() == ["A-CTX/z0", "A-CTX/z3", "A-CTX/z6"]


def test_what_the_last_subvolume_lacks_is_not_scored(outcome, unchecked, tmp_path):
    rng = np.random.default_rng(0)
    masks, predictions = rng.integers(0, 3, (2, 3, 8, 16, 16)).astype(np.uint8)
    masks[2, 5:] = UNLABELLED
    found = {(row.metric, row.class_name): row.value for row in outcome(masks, predictions).rows}
    labelled = masks != UNLABELLED
    oracle: Any = f1_score
    per_class = oracle(masks[labelled], predictions[labelled], average=None)
    assert [found["f1", name] for name in CLASSES] == pytest.approx(per_class.tolist())
    with np.load(tmp_path / "volume.npz") as kept:
        assert kept["truth"].max() < len(CLASSES)
