"""How well a linear model tells brain regions apart by their embeddings."""

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Int64
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix
from sklearn.preprocessing import StandardScaler

from mtneuro_probe.embeddings import check_embeddings

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RegionScore:
    """What a region readout got right on its test samples."""

    accuracy: float
    """Fraction of test samples whose region was named."""

    confusion: Int64[np.ndarray, "classes classes"]
    """Number of test samples, a row a true region and a column a named one."""

    class_names: tuple[str, ...]
    """Names of the regions, in the order of the rows."""

    predicted: Int64[np.ndarray, " samples"]
    """Region named for each test sample."""

    n_train: int
    """Number of training samples."""

    n_test: int
    """Number of test samples."""

    converged: bool
    """Whether the fit reached its optimum within the iterations allowed."""


def region_readout(
    train_embeddings: Float[np.ndarray, "train features"],
    train_region: Int[np.ndarray, " train"],
    test_embeddings: Float[np.ndarray, "test features"],
    test_region: Int[np.ndarray, " test"],
    *,
    class_names: Sequence[str] | None = None,
    C: float = 1.0,  # noqa: N803 (scikit-learn's name)
    max_iter: int = 2000,
    seed: int = 0,
) -> RegionScore:
    """Return how well a multinomial logistic regression names the region of test samples.

    Embeddings are standardised by the training set's mean and standard deviation; the regression is fitted to
    convergence.

    Parameters
    ----------
    train_embeddings, test_embeddings
        One vector a sample.
    train_region, test_region
        Region of each sample, counted from 0.
    class_names
        Names of the regions. By default their numbers.
    C
        Inverse strength of the L2 penalty, as in scikit-learn.
    max_iter
        Iterations allowed. Falling short is logged and recorded in ``converged``.
    seed
        Handed to the solver, whose present method (L-BFGS) draws nothing.

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
    if not C > 0:
        raise ValueError(f"C must be above 0, got {C}")
    for name, x, region in (
        ("train", train_embeddings, train_region),
        ("test", test_embeddings, test_region),
    ):
        check_embeddings(x, name=f"{name}_embeddings")
        if region.shape != (len(x),) or region.dtype.kind not in "ui" or region.min() < 0:
            raise ValueError(
                f"{name}_region must be {len(x)} integers from 0, one a sample, "
                f"got {region.dtype} of shape {region.shape}"
            )
    if train_embeddings.shape[1] != test_embeddings.shape[1]:
        raise ValueError(
            "training and test embeddings must have as many features, "
            f"got {train_embeddings.shape[1]} and {test_embeddings.shape[1]}"
        )
    if len(np.unique(train_region)) < 2:
        raise ValueError(f"train_region must hold at least 2 regions, got only {train_region[0]}")
    n_classes = int(max(train_region.max(), test_region.max())) + 1
    names = tuple(map(str, range(n_classes))) if class_names is None else tuple(map(str, class_names))
    if n_classes > len(names):
        raise ValueError(f"class_names must name every region up to {n_classes - 1}, got {len(names)} names")
    scaler = StandardScaler().fit(train_embeddings.astype(np.float64))
    model = LogisticRegression(C=C, max_iter=max_iter, tol=1e-6, random_state=seed)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(scaler.transform(train_embeddings.astype(np.float64)), train_region)
    for told in caught:
        if not issubclass(told.category, ConvergenceWarning):
            warnings.warn_explicit(told.message, told.category, told.filename, told.lineno)
    converged = not any(issubclass(told.category, ConvergenceWarning) for told in caught)
    if not converged:
        _log.warning("the region readout did not converge within %d iterations; raise max_iter", max_iter)
    predicted = np.asarray(model.predict(scaler.transform(test_embeddings.astype(np.float64))), np.int64)
    return RegionScore(
        accuracy=float((predicted == test_region).mean()),
        confusion=confusion_matrix(test_region, predicted, labels=np.arange(len(names))).astype(np.int64),
        class_names=names,
        predicted=predicted,
        n_train=len(train_region),
        n_test=len(test_region),
        converged=converged,
    )
