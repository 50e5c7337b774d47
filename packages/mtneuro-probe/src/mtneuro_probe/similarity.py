"""Compare representations of the same samples by CKA and RSA, whatever their dimensions mean."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from jaxtyping import Float, Float64
from scipy.spatial.distance import pdist
from scipy.stats import rankdata

from mtneuro_probe.embeddings import check_embeddings
from mtneuro_probe.readout.uncertainty import Runs, bootstrap_counts, interval, places_of
from mtneuro_probe.scaling import PRECISION, constant_dimensions, spread

_log = logging.getLogger(__name__)


def linear_cka(
    first: Float[np.ndarray, "samples features"], second: Float[np.ndarray, "samples others"]
) -> float:
    """Return the linear centred kernel alignment of two representations: 0 for unrelated, 1 for alike.

    With the unbiased estimate of the Hilbert-Schmidt independence criterion, so that many dimensions and
    few samples do not look alike by themselves; unrelated ones scatter around 0 on both sides. Unchanged by
    rotations and by a common scale of either.

    Parameters
    ----------
    first, second
        One vector a sample, of any dimensions, the rows in the same order. At least 4 samples.

    Raises
    ------
    ValueError
        If the rows do not fit, a value is not finite, a representation is the same for all samples, or its
        samples are alike but for one, for which the ratio is 0 / 0.

    Notes
    -----
    S. Kornblith et al. (2019), Similarity of neural network representations revisited, ICML; unbiased:
    L. Song et al. (2012), Feature selection via dependence maximization, JMLR 13, 1393-1434, equation 5, as
    in T. Nguyen, M. Raghu, S. Kornblith (2021), Do wide and deep networks learn the same things?, ICLR.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(20, 3))
    >>> round(linear_cka(x, 5 * x[:, ::-1] + 1), 6)
    1.0
    """
    _check_pair(first, second)
    a, b = (_Kernel.of(x) for x in (first, second))
    found = _alignment(a.centred(), b.centred())
    if np.isnan(found):
        which = "the first" if a.centred() is None else "the second"
        raise ValueError(
            f"CKA needs a representation in which several samples differ, got {which}, whose samples are "
            "alike but for one, or up to the precision of float32: the ratio would be 0 / 0"
        )
    return found


def rsa(first: Float[np.ndarray, "samples features"], second: Float[np.ndarray, "samples others"]) -> float:
    """Return the representational similarity of two representations: whether the same samples are alike.

    The rank correlation of their dissimilarities, 1 less the correlation of two samples' vectors after each
    dimension is standardised.

    Parameters
    ----------
    first, second
        One vector a sample, of at least 2 dimensions, the rows in the same order. At least 4 samples.

    Raises
    ------
    ValueError
        If the rows do not fit, a value is not finite, a representation is the same for all samples, or it is
        undefined: a sample has the same standardised value in every dimension, as where all dimensions are
        multiples of one, or all pairs of samples are equally dissimilar.

    Notes
    -----
    Dimensions that are constant up to the last bits of float32 are left out.

    N. Kriegeskorte, M. Mur, P. Bandettini (2008), Representational similarity analysis: connecting the
    branches of systems neuroscience, Frontiers in Systems Neuroscience 2, 4. Time and memory grow with the
    square of the samples: 5760 take about 0.5 GB.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(20, 3))
    >>> round(rsa(x, 5 * x[:, ::-1] + 1), 6)
    1.0
    """
    _check_pair(first, second)
    if min(first.shape[1], second.shape[1]) < 2:
        raise ValueError("rsa needs at least 2 dimensions, got a representation of 1; linear_cka takes it")
    a, b = (rankdata(_dissimilarity(x)) for x in (first, second))
    if min(np.ptp(a), np.ptp(b)) == 0:
        raise ValueError(
            "rsa needs pairs that differ in dissimilarity, got a representation where all are equal"
        )
    return float(np.clip(np.corrcoef(a, b)[0, 1], -1, 1))


def representation_similarity(
    embeddings: Mapping[str, Float[np.ndarray, "samples _"]],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Return CKA and RSA of every pair of representations of the same samples.

    Parameters
    ----------
    embeddings
        Vectors by name, all with the same samples in the same order. See ``aligned``.
    progress
        Called with the number of pairs done and of all pairs.

    Returns
    -------
    table
        A row a pair: ``first``, ``second``, ``cka``, ``rsa``; NaN where a measure is undefined for the pair,
        with the reason in the log.

    Raises
    ------
    ValueError
        If there are fewer than two, their rows do not fit, a value is not finite, or a representation is the
        same for all samples.
    """
    if len(embeddings) < 2:
        raise ValueError(f"there must be at least 2 representations to compare, got {len(embeddings)}")
    pairs = list(combinations(embeddings, 2))
    rows: list[dict[str, object]] = []
    for done, (a, b) in enumerate(pairs, start=1):
        x, y = embeddings[a], embeddings[b]
        _check_pair(x, y)
        row: dict[str, object] = {"first": a, "second": b}
        for name, measure in (("cka", linear_cka), ("rsa", rsa)):
            try:
                row[name] = measure(x, y)
            except ValueError as error:
                row[name] = np.nan
                _log.warning("%s of %s and %s is undefined: %s", name, a, b, error)
        rows.append(row)
        if progress is not None:
            progress(done, len(pairs))
    return pd.DataFrame(rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Closeness:
    """Which of two representations is closer to a third."""

    first: float
    """CKA of the first to the reference."""

    second: float
    """CKA of the second to the reference."""

    difference: float
    """First less second: above 0 where the first is closer."""

    low: float
    """Lower end of the difference's 95 % interval, over runs of slices, NaN where there is none."""

    high: float
    """Upper end of it."""

    interval_reason: str = ""
    """Why there is no interval; empty where there is one."""


def closeness(
    reference: Float[np.ndarray, "samples r"],
    first: Float[np.ndarray, "samples a"],
    second: Float[np.ndarray, "samples b"],
    *,
    sample_id: Sequence[str] | np.ndarray,
    run_length: int | None = None,
    n_bootstrap: int = 200,
    seed: int = 0,
) -> Closeness:
    """Return which of two representations is closer to a reference, and how sure that is.

    Parameters
    ----------
    reference, first, second
        Vectors of the same samples in the same order.
    sample_id
        Ids of the samples; the bootstrap draws runs of neighbouring slices.
    run_length
        Slices in a run. By default as many as are alike in what they add to the difference
        (``block_length``); below 12 runs there is no interval.
    n_bootstrap
        Draws of the bootstrap. In each the samples of the runs drawn count once, however often they are
        drawn: a sample beside its copy would make everything look alike.
    seed
        Seed of the draws.

    Raises
    ------
    ValueError
        As ``linear_cka``, or if the ids do not fit the rows.
    """
    _check_pair(reference, first)
    _check_pair(reference, second)
    if len(sample_id) != len(reference):
        raise ValueError(f"sample_id must have one id a sample, got {len(sample_id)} for {len(reference)}")
    if run_length is not None and run_length < 1:
        raise ValueError(f"run_length must be at least 1 slice, got {run_length}")
    near, far = (linear_cka(reference, x) for x in (first, second))
    kernels = [_Kernel.of(x) for x in (reference, first, second)]
    runs = Runs.of(_contributions(*kernels), *places_of(sample_id), length=run_length)
    if runs.reason:
        nan = float("nan")
        return Closeness(
            first=near, second=far, difference=near - far, low=nan, high=nan, interval_reason=runs.reason
        )
    counts = bootstrap_counts(runs.number, n_draws=n_bootstrap, rng=np.random.default_rng(seed))

    def towards(kept: np.ndarray) -> tuple[float, float]:
        r, a, b = (kernel.of_samples(kept).centred() for kernel in kernels)
        return _alignment(r, a), _alignment(r, b)

    drawn = [np.flatnonzero(count[runs.run] > 0) for count in counts]
    draws = np.array([np.subtract(*towards(kept)) for kept in drawn if len(kept) >= _LEAST_SAMPLES])
    low, high = interval(draws.astype(np.float64), n_runs=runs.number)
    return Closeness(first=near, second=far, difference=near - far, low=low, high=high)


def _contributions(
    reference: "_Kernel", first: "_Kernel", second: "_Kernel"
) -> Float64[np.ndarray, " samples"]:
    """Return how much each sample adds to the difference of two representations' CKA to a reference.

    The influence function of the ratio, up to a factor: the sample's share of the inner product of two
    kernels, less its shares of their lengths.
    """

    def of(a: "_Kernel", b: "_Kernel") -> Float64[np.ndarray, " samples"]:
        x, y = a.centred(), b.centred()
        if x is None or y is None:  # the caller has computed a CKA of the two
            return np.zeros(len(a.products))
        both, left, right = ((one * other).sum(axis=0) for one, other in ((x, y), (x, x), (y, y)))
        cosine = both.sum() / np.sqrt(left.sum() * right.sum())
        return cosine * (2 * both / both.sum() - left / left.sum() - right / right.sum())

    return of(reference, first) - of(reference, second)


_LEAST_SAMPLES = 4


def _check_pair(first: np.ndarray, second: np.ndarray) -> None:
    for x in (first, second):
        check_embeddings(x, name="a representation")
        if constant_dimensions(x).all():
            raise ValueError("a representation must differ between samples, got the same vector for all")
    if len(first) != len(second) or len(first) < _LEAST_SAMPLES:
        raise ValueError(
            f"both representations must be of the same {_LEAST_SAMPLES} samples or more, "
            f"got {len(first)} and {len(second)}"
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Kernel:
    """The inner products of centred samples, and how large rounding errors in them may be."""

    products: Float64[np.ndarray, "samples samples"]
    size: Float64[np.ndarray, " samples"]
    """Squared length of each sample's vector as it was given."""
    distance: Float64[np.ndarray, " samples"]
    """Squared length of each sample's vector from their mean."""

    @classmethod
    def of(cls, x: np.ndarray) -> "_Kernel":
        x = x.astype(np.float64)
        # The estimate is unchanged by the mean; taking it away keeps digits.
        away = x - x.mean(axis=0)
        products = away @ away.T
        return cls(products, (x**2).sum(axis=1), np.diag(products).copy())

    def of_samples(self, kept: np.ndarray) -> "_Kernel":
        return _Kernel(self.products[np.ix_(kept, kept)], self.size[kept], self.distance[kept])

    def centred(self) -> Float64[np.ndarray, "samples samples"] | None:
        """Return the kernel U-centred, of which the unbiased criterion is the inner product.

        Or None where nothing but rounding errors of float32 is left, as of samples alike but for one.
        G. J. Székely and M. L. Rizzo (2014), Partial distance correlation with methods for dissimilarities,
        Annals of Statistics 42, 2382-2412, definition 2.
        """
        n = len(self.products)
        kernel = self.products.copy()
        np.fill_diagonal(kernel, 0)
        rows = kernel.sum(axis=0)
        kernel -= (rows[:, None] + rows) / (n - 2)
        kernel += rows.sum() / ((n - 1) * (n - 2))
        np.fill_diagonal(kernel, 0)
        noise = PRECISION * np.sqrt(self.size.sum() * self.distance.sum())
        return kernel if np.linalg.norm(kernel) > noise else None


def _alignment(a: np.ndarray | None, b: np.ndarray | None) -> float:
    """Return the cosine of two U-centred kernels, NaN where one of them is nothing."""
    if a is None or b is None:
        return float("nan")
    cosine = np.vdot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.clip(cosine, -1, 1))


def _dissimilarity(x: np.ndarray) -> Float64[np.ndarray, " pairs"]:
    x = x.astype(np.float64)
    scale = spread(x)
    varied = np.isfinite(scale)
    x, scale = x[:, varied], scale[varied]
    standard = (x - x.mean(axis=0)) / scale
    length = np.linalg.norm(standard - standard.mean(axis=1, keepdims=True), axis=1)
    flat = np.flatnonzero(length <= PRECISION * np.linalg.norm(x / scale, axis=1))
    if len(flat):
        raise ValueError(
            f"rsa needs dimensions that differ within each sample, got the same standardised value in all "
            f"{len(scale)} that vary for {len(flat)} sample(s), the first in row {flat[0]}: no correlation "
            "with them is defined"
        )
    # Pairs that differ by rounding errors alone have one rank.
    return np.asarray(pdist(standard, "correlation").round(10), dtype=np.float64)
