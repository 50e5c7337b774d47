from typing import Any

import numpy as np
import pytest
from mtneuro_probe import region_cross_validation, region_readout
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler


def clusters(seed: int, n: int = 40, apart: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    region = np.arange(n) % 4
    return rng.normal(size=(n, 6)) + apart * np.eye(4, 6)[region], region


def test_regions_far_apart_are_all_named():
    score = region_readout(*clusters(0, apart=20), *clusters(1, apart=20))
    assert score.accuracy == 1.0
    np.testing.assert_array_equal(score.confusion, 10 * np.eye(4, dtype=int))
    assert score.converged
    assert (score.n_train, score.n_test, score.class_names) == (40, 40, ("0", "1", "2", "3"))


def test_accuracy_is_the_diagonal_of_the_confusion():
    score = region_readout(*clusters(0), *clusters(1))
    assert 0.25 < score.accuracy < 1
    assert score.accuracy == np.trace(score.confusion) / score.confusion.sum()
    _, region = clusters(1)
    np.testing.assert_array_equal(score.confusion.sum(axis=1), np.bincount(region))
    np.testing.assert_array_equal(score.confusion.sum(axis=0), np.bincount(score.predicted, minlength=4))


def test_balanced_accuracy_is_scikit_learns_and_leaves_untested_regions_out():
    x, region = clusters(0)
    # Ten of region 0, five of region 1, and none of the others.
    kept = np.concatenate([np.flatnonzero(region == 0), np.flatnonzero(region == 1)[:5]])
    x_test = clusters(1)[0][kept]
    score = region_readout(x, region, x_test, region[kept])
    right = score.predicted == region[kept]
    assert score.balanced_accuracy == pytest.approx((right[:10].mean() + right[10:].mean()) / 2)
    full = region_readout(x, region, *clusters(2))
    assert full.balanced_accuracy == pytest.approx(balanced_accuracy_score(region, full.predicted))


def test_scale_and_shift_of_the_embeddings_change_nothing():
    (x, region), (x_test, test_region) = clusters(0), clusters(1)
    factors = np.logspace(-3, 3, 6)
    plain = region_readout(x, region, x_test, test_region)
    scaled = region_readout(5 + x * factors, region, 5 + x_test * factors, test_region)
    np.testing.assert_array_equal(plain.confusion, scaled.confusion)


def test_the_test_set_does_not_move_the_scale():
    (x, region), (x_test, test_region) = clusters(0), clusters(1)
    both = region_readout(x, region, np.concatenate([x_test, x_test * 1e6]), np.tile(test_region, 2))
    np.testing.assert_array_equal(
        both.predicted[:40], region_readout(x, region, x_test, test_region).predicted
    )


def test_a_region_that_the_test_lacks_keeps_its_row():
    x, region = clusters(0)
    score = region_readout(x, region, x[:2], region[:2], class_names=["CTX", "STR", "VP", "ZI"])
    assert score.confusion.shape == (4, 4)
    assert score.confusion[2:].sum() == 0


def test_a_fit_that_falls_short_is_told(caplog):
    score = region_readout(*clusters(0), *clusters(1), max_iter=1)
    assert not score.converged
    assert "did not converge within 1 iterations" in caplog.text


def test_neighbours_vote_by_cosine():
    (x, region), (x_test, test_region) = clusters(0), clusters(1)
    score = region_readout(x, region, x_test, test_region, classifier="knn", n_neighbors=3)
    scaler = StandardScaler().fit(x)
    expected = KNeighborsClassifier(3, metric="cosine").fit(scaler.transform(x), region)
    np.testing.assert_array_equal(score.predicted, expected.predict(scaler.transform(x_test)))
    np.testing.assert_allclose(score.confidence, expected.predict_proba(scaler.transform(x_test)).max(axis=1))


def test_ids_of_the_test_samples_give_an_interval():
    (x, region), (x_test, test_region) = clusters(0), clusters(1)
    names = [f"B/z{z}" for z in range(40)]
    score = region_readout(x, region, x_test, test_region, test_sample_id=names, run_length=2)
    assert 0 < score.accuracy_low < score.accuracy < score.accuracy_high <= 1
    assert (score.chance, score.interval_reason) == (0.25, "")
    unknown = region_readout(x, region, x_test, test_region)
    assert np.isnan(unknown.accuracy_low)
    assert unknown.interval_reason == "the samples' slices are not known"
    few = region_readout(x, region, x_test, test_region, test_sample_id=names, run_length=10)
    assert np.isnan(few.accuracy_low)
    assert few.interval_reason == "4 run(s) of at least 10 slices, and 12 are needed"


def samples(n: int = 120) -> tuple[np.ndarray, np.ndarray, list[str]]:
    x, _ = clusters(2, n, apart=0)
    region = np.repeat(np.arange(4), n // 4)
    names = [f"A-{'WXYZ'[r]}/z{z}" for r, z in zip(region, np.tile(np.arange(n // 4), 4), strict=True)]
    return x + 3 * np.eye(4, 6)[region], region, names


def test_every_sample_is_tested_once_by_a_readout_from_elsewhere():
    x, region, names = samples()
    score = region_cross_validation(x, region, sample_id=names, gap=3)
    assert score.n_test == 120
    assert score.confusion.sum() == 120
    assert score.n_train < 100
    assert 0.7 < score.accuracy_low <= score.accuracy <= score.accuracy_high


def test_embeddings_that_know_nothing_score_at_chance():
    _, region, names = samples()
    noise = np.random.default_rng(0).normal(size=(120, 6))
    for classifier in ("logistic", "knn"):
        score = region_cross_validation(noise, region, sample_id=names, gap=3, classifier=classifier)
        assert abs(score.accuracy - score.chance) < 0.15


def test_groups_are_held_out_whole():
    x, region, _ = samples()
    score = region_cross_validation(x, region, groups=np.arange(120) % 6, n_splits=6)
    assert score.n_train == 100
    assert score.accuracy > 0.8


def test_ids_or_groups_are_needed():
    x, region, _ = samples()
    with pytest.raises(ValueError, match="either sample_id or groups"):
        region_cross_validation(x, region)


def test_a_training_set_of_one_region_is_refused():
    x, region, _ = samples()
    with pytest.raises(ValueError, match="at least 2 regions; give other splits"):
        region_cross_validation(x[:60], region[:60], groups=region[:60], n_splits=2)


def test_every_sample_needs_an_id():
    x, region, names = samples()
    with pytest.raises(ValueError, match="got 3 for 120 samples"):
        region_cross_validation(x, region, sample_id=names[:3])


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"train_region": np.zeros(40, int)}, "at least 2 regions, got only 0"),
        ({"train_region": np.zeros(39, int)}, "40 integers from 0"),
        ({"test_region": np.full(40, -1)}, "40 integers from 0"),
        ({"train_embeddings": np.full((40, 6), np.nan)}, "train_embeddings must be finite"),
        ({"test_embeddings": np.zeros((40, 5))}, "as many features, got 6 and 5"),
        ({"class_names": ["CTX", "STR"]}, "name every region up to 3, got 2 names"),
        ({"C": 0.0}, "C must be above 0"),
        ({"n_neighbors": 0}, "n_neighbors must be at least 1"),
        ({"classifier": "svm"}, "classifier must be one of logistic, knn, got 'svm'"),
        ({"test_sample_id": ["A/z0"]}, "one id a test sample, got 1 for 40"),
    ],
)
def test_wrong_input_is_refused(change, told):
    (x, region), (x_test, test_region) = clusters(0), clusters(1)
    arguments: dict[str, Any] = {
        "train_embeddings": x,
        "train_region": region,
        "test_embeddings": x_test,
        "test_region": test_region,
        **change,
    }
    with pytest.raises(ValueError, match=told):
        region_readout(**arguments)


@pytest.mark.parametrize("classifier", ["logistic", "knn"])
def test_dimensions_whose_last_bits_alone_differ_change_no_readout(classifier):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 3)).astype(np.float32)
    region = (x[:, 0] + 0.5 * rng.normal(size=80) > 0).astype(np.int64)
    one = np.float32(1)
    dead = np.where(rng.random((80, 60)) < 0.5, one, np.nextafter(one, np.float32(2)))
    scores = [
        region_readout(each[:40], region[:40], each[40:], region[40:], classifier=classifier)
        for each in (x, np.hstack([x, dead]))
    ]
    assert scores[0].accuracy == scores[1].accuracy
    np.testing.assert_allclose(scores[0].confidence, scores[1].confidence, rtol=1e-4)


def test_regions_of_samples_whose_ids_name_no_slices_are_told_with_a_warning(caplog):
    x, region = clusters(0)
    ids = [f"img_{n}" for n in range(len(region))]
    by_id = region_cross_validation(x, region, sample_id=ids)
    assert "each sample is held out and drawn by itself" in caplog.text
    by_group = region_cross_validation(x, region, groups=np.arange(len(region)))
    assert (by_id.accuracy, by_id.accuracy_low) == (by_group.accuracy, by_group.accuracy_low)
    tested = region_readout(x, region, x, region, test_sample_id=ids)
    assert tested.accuracy_low <= tested.accuracy
