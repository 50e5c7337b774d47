"""Score how well a simple classifier tells brain regions apart by their embeddings."""

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Float64, Int64, Integer, Shaped
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix
from sklearn.neighbors import KNeighborsClassifier

from mtneuro_probe._shared.masked import check_unmasked
from mtneuro_probe._shared.words import unknown_name
from mtneuro_probe.embeddings import check_embeddings
from mtneuro_probe.readout.blocks import block_splits
from mtneuro_probe.readout.uncertainty import Runs, bootstrap_counts, interval, places_of
from mtneuro_probe.sample import lone_samples, sample_positions
from mtneuro_probe.scaling import fitted_scaler

Classifier = Literal["logistic", "knn"]

_NO_SLICES = "the samples' slices are not known"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RegionScore:
    """What a region readout got right on its test samples."""

    accuracy: float
    """Fraction of test samples whose region was predicted correctly."""

    confusion: Int64[np.ndarray, "classes classes"]
    """Number of test samples, a row for each true region and a column for each predicted one."""

    class_names: tuple[str, ...]
    """Names of the regions, in the order of the rows."""

    predicted: Int64[np.ndarray, " samples"]
    """Region predicted for each sample; -1 for one that was never tested."""

    confidence: Float64[np.ndarray, " samples"]
    """Probability that the classifier gives to the region it predicts, NaN where never tested."""

    n_train: int
    """Number of training samples; the mean over the splits where there are several."""

    n_test: int
    """Number of test samples."""

    converged: bool
    """Whether every fit reached its optimum within the iterations allowed."""

    chance: float
    """Accuracy of always predicting the most common region of the test samples."""

    accuracy_low: float = float("nan")
    """Lower end of the accuracy's 95 % interval, NaN where there is none."""

    accuracy_high: float = float("nan")
    """Upper end of it."""

    interval_reason: str = _NO_SLICES
    """Why there is no interval; empty where there is one."""

    @property
    def balanced_accuracy(self) -> float:
        """Mean over the regions of the test samples of the fraction of each that was predicted correctly."""
        return balanced_accuracy(self.confusion)


def balanced_accuracy(confusion: Int64[np.ndarray, "classes classes"], /) -> float:
    """Return the mean over the classes that there are of the fraction of each that was predicted correctly.

    Parameters
    ----------
    confusion
        Number of samples, a row for each true class and a column for each predicted one.

    Examples
    --------
    >>> balanced_accuracy(np.array([[9, 1, 0], [1, 1, 0], [0, 0, 0]]))
    0.7
    """
    tested = confusion.sum(axis=1)
    return float((confusion.diagonal()[tested > 0] / tested[tested > 0]).mean())


def region_readout(
    train_embeddings: Float[np.ndarray, "train features"],
    train_region: Integer[np.ndarray, " train"],
    test_embeddings: Float[np.ndarray, "test features"],
    test_region: Integer[np.ndarray, " test"],
    *,
    class_names: Sequence[str] | None = None,
    classifier: Classifier = "logistic",
    C: float = 1.0,  # noqa: N803 (scikit-learn's name)
    max_iter: int = 2000,
    n_neighbors: int = 5,
    test_sample_id: Sequence[str] | np.ndarray | None = None,
    run_length: int | None = None,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> RegionScore:
    """Return how well a classifier fitted to training samples predicts the region of test samples.

    Embeddings are standardised by the training set's mean and standard deviation; a dimension whose last bits
    alone differ there is left out.

    Parameters
    ----------
    train_embeddings, test_embeddings
        One vector a sample.
    train_region, test_region
        Region of each sample, counted from 0.
    class_names
        Names of the regions. By default their numbers.
    classifier
        ``logistic``: multinomial logistic regression, fitted to convergence. ``knn``: the most common
        region among the nearest training samples by cosine.
    C
        Inverse strength of the logistic regression's L2 penalty, as in scikit-learn.
    max_iter
        Iterations allowed to it. Falling short is logged and recorded in ``converged``.
    n_neighbors
        Number of neighbours that ``knn`` asks.
    test_sample_id
        Ids of the test samples; with them the accuracy gets its interval, by bootstrap over runs of slices.
    run_length
        Slices in a run. By default as many as are alike in being right or wrong (``block_length``); below 12
        runs there is no interval.
    n_bootstrap
        Draws of the bootstrap; 0 for no interval.
    seed
        Seed of the draws.

    Raises
    ------
    ValueError
        If an embedding is not finite, sizes do not fit, a region has no name, or the training set has one
        region only.

    Notes
    -----
    Source: the paper, section 4.1: a linear readout of frozen features (Table 1).

    Examples
    --------
    >>> x = np.array([[0.0], [1], [10], [11]])
    >>> region = np.array([0, 0, 1, 1])
    >>> score = region_readout(x, region, np.array([[2.0], [9], [3]]), np.array([0, 1, 1]))
    >>> round(score.accuracy, 3), score.confusion.tolist()
    (0.667, [[1, 0], [1, 1]])
    """
    train_region = _checked_samples(train_embeddings, train_region, name="train_")
    test_region = _checked_samples(test_embeddings, test_region, name="test_")
    if train_embeddings.shape[1] != test_embeddings.shape[1]:
        raise ValueError(
            "training and test embeddings must have as many features, "
            f"got {train_embeddings.shape[1]} and {test_embeddings.shape[1]}"
        )
    if len(np.unique(train_region)) < 2:
        raise ValueError(f"train_region must hold at least 2 regions, got only {train_region[0]}")
    names = _checked_names(class_names, int(max(train_region.max(), test_region.max())) + 1)
    place = None
    if test_sample_id is not None:
        if len(test_sample_id) != len(test_region):
            raise ValueError(
                "test_sample_id must have one id a test sample, "
                f"got {len(test_sample_id)} for {len(test_region)}"
            )
        place = _Place(*places_of(test_sample_id), run_length)
    model = _Model(classifier, C, max_iter, n_neighbors)
    predicted, confidence, converged = model.named(train_embeddings, train_region, test_embeddings)
    return _score(
        test_region,
        predicted,
        confidence,
        names=names,
        place=place,
        n_train=len(train_region),
        converged=converged,
        n_bootstrap=n_bootstrap,
        seed=seed,
    )


def region_cross_validation(
    embeddings: Float[np.ndarray, "samples features"],
    region: Integer[np.ndarray, " samples"],
    *,
    sample_id: Sequence[str] | np.ndarray | None = None,
    groups: Shaped[np.ndarray, " samples"] | None = None,
    class_names: Sequence[str] | None = None,
    classifier: Classifier = "logistic",
    C: float = 1.0,  # noqa: N803 (scikit-learn's name)
    max_iter: int = 2000,
    n_neighbors: int = 5,
    n_splits: int = 5,
    gap: int = 10,
    run_length: int | None = None,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> RegionScore:
    """Return how well a classifier names the region of samples that it was not fitted near.

    Every sample is tested once, by a classifier fitted to other blocks of slices (``block_splits``). Where
    each region is a single cube, this still tells cubes apart, not regions: give the cubes' sets as
    ``groups`` to hold out whole cubes.

    Parameters
    ----------
    embeddings, region
        One vector and one region a sample, regions counted from 0.
    sample_id
        Ids of the samples, which say cube and slice.
    groups
        Instead of ids: the group of each sample. Whole groups are held out, and drawn by the bootstrap.
        Samples whose ids name no slices are groups by themselves, of which the log warns.
    class_names, classifier, C, max_iter, n_neighbors, run_length, n_bootstrap, seed
        As in ``region_readout``.
    n_splits, gap
        As in ``block_splits``.

    Raises
    ------
    ValueError
        As ``region_readout``; if neither or both of ids and groups are given; or if the slices are too few.
    """
    region = _checked_samples(embeddings, region, name="")
    names = _checked_names(class_names, int(region.max()) + 1)
    if len(np.unique(region)) < 2:
        raise ValueError(f"region must hold at least 2 regions, got only {region[0]}")
    if sample_id is not None and groups is None and (alone := lone_samples(sample_id)) is not None:
        sample_id, groups = None, alone
    if sample_id is not None and groups is None:
        at = sample_positions(sample_id)
        cube, z, length = at.cube, at.z, run_length
    elif groups is not None and sample_id is None:
        z = np.unique(groups, return_inverse=True)[1].astype(np.int64)
        cube, gap, length = np.zeros(len(z), dtype="U1"), 0, 1
    else:
        raise ValueError("region_cross_validation needs either sample_id or groups")
    if len(z) != len(region):
        raise ValueError(f"every sample must have an id or a group, got {len(z)} for {len(region)} samples")
    model = _Model(classifier, C, max_iter, n_neighbors)
    predicted, confidence = np.full(len(region), -1, dtype=np.int64), np.full(len(region), np.nan)
    converged, sizes = True, list[int]()
    for train, test in block_splits(cube, z, n_splits=n_splits, gap=gap):
        if len(np.unique(region[train])) < 2:
            raise ValueError("each training set must hold at least 2 regions; give other splits or groups")
        predicted[test], confidence[test], done = model.named(
            embeddings[train], region[train], embeddings[test]
        )
        converged &= done
        sizes.append(len(train))
    return _score(
        region,
        predicted,
        confidence,
        names=names,
        place=_Place(cube, z, length),
        n_train=round(float(np.mean(sizes))),
        converged=converged,
        n_bootstrap=n_bootstrap,
        seed=seed,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    """Cube and slice of each sample, and how many slices the bootstrap draws together, if that is known."""

    cube: np.ndarray
    z: Int64[np.ndarray, " samples"]
    run_length: int | None


@dataclass(frozen=True, slots=True)
class _Model:
    """A classifier and its settings."""

    classifier: str
    strength: float
    max_iter: int
    n_neighbors: int

    def __post_init__(self) -> None:
        if self.classifier not in get_args(Classifier):
            raise ValueError(unknown_name("classifier", self.classifier, get_args(Classifier)))
        if not self.strength > 0:
            raise ValueError(f"C must be above 0, got {self.strength}")
        if self.n_neighbors < 1:
            raise ValueError(f"n_neighbors must be at least 1, got {self.n_neighbors}")

    def named(
        self, train: np.ndarray, region: np.ndarray, test: np.ndarray
    ) -> tuple[Int64[np.ndarray, " test"], Float64[np.ndarray, " test"], bool]:
        """Return each test sample's predicted region, its probability, and whether the fit converged."""
        scaler = fitted_scaler(train)
        if self.classifier == "knn":
            model = KNeighborsClassifier(min(self.n_neighbors, len(train)), metric="cosine")
        else:
            model = LogisticRegression(C=self.strength, max_iter=self.max_iter, tol=1e-6)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(scaler.transform(train.astype(np.float64)), region)
        for told in caught:
            if not issubclass(told.category, ConvergenceWarning):
                warnings.warn_explicit(told.message, told.category, told.filename, told.lineno)
        converged = not any(issubclass(told.category, ConvergenceWarning) for told in caught)
        if not converged:
            _log.warning(
                "the region readout did not converge within %d iterations; raise max_iter", self.max_iter
            )
        probability = np.asarray(model.predict_proba(scaler.transform(test.astype(np.float64))))
        best = probability.argmax(axis=1)
        return np.asarray(model.classes_, np.int64)[best], probability.max(axis=1), converged


def _score(
    region: np.ndarray,
    predicted: Int64[np.ndarray, " samples"],
    confidence: Float64[np.ndarray, " samples"],
    *,
    names: tuple[str, ...],
    place: _Place | None,
    n_train: int,
    converged: bool,
    n_bootstrap: int,
    seed: int,
) -> RegionScore:
    tested = predicted >= 0
    right = (predicted == region)[tested]
    low = high = float("nan")
    reason = _NO_SLICES if n_bootstrap else "none was asked for"
    if place is not None and n_bootstrap:
        runs = Runs.of(right - right.mean(), place.cube[tested], place.z[tested], length=place.run_length)
        reason = runs.reason
        if not reason:
            counts = bootstrap_counts(runs.number, n_draws=n_bootstrap, rng=np.random.default_rng(seed))
            number = counts @ np.bincount(runs.run)
            hits = counts @ np.bincount(runs.run, weights=right)
            low, high = interval(hits / number, n_runs=runs.number)
    return RegionScore(
        accuracy=float(right.mean()),
        confusion=confusion_matrix(region[tested], predicted[tested], labels=np.arange(len(names))).astype(
            np.int64
        ),
        class_names=names,
        predicted=predicted,
        confidence=confidence,
        n_train=n_train,
        n_test=int(tested.sum()),
        converged=converged,
        chance=float(np.bincount(region[tested]).max() / tested.sum()),
        accuracy_low=low,
        accuracy_high=high,
        interval_reason=reason,
    )


def _checked_samples(x: np.ndarray, region: np.ndarray, *, name: str) -> Int64[np.ndarray, " samples"]:
    """Return the regions as signed numbers, which all that follows counts with."""
    check_embeddings(x, name=f"{name}embeddings")
    check_unmasked(region, f"{name}region")
    if region.shape != (len(x),) or region.dtype.kind not in "ui" or region.min() < 0:
        raise ValueError(
            f"{name}region must be {len(x)} integers from 0, one a sample, "
            f"got {region.dtype} of shape {region.shape}"
        )
    return region.astype(np.int64)


def _checked_names(class_names: Sequence[str] | None, n_classes: int) -> tuple[str, ...]:
    names = tuple(map(str, range(n_classes))) if class_names is None else tuple(map(str, class_names))
    if n_classes > len(names):
        raise ValueError(f"class_names must name every region up to {n_classes - 1}, got {len(names)} names")
    return names
