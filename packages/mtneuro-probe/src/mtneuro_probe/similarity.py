"""Compare representations of the same samples by CKA and RSA, whatever their dimensions mean."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from jaxtyping import Float, Float64
from scipy.spatial.distance import pdist
from scipy.stats import rankdata

from mtneuro_probe.embeddings import check_embeddings
from mtneuro_probe.readout.uncertainty import bootstrap_counts, interval, slice_runs
from mtneuro_probe.sample import sample_positions


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
        If the rows do not fit, a value is not finite, or a representation is the same for all samples.

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
    return _alignment(_kernel(first), _kernel(second))


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
        If the rows do not fit, a value is not finite, or a representation is the same for all samples.

    Notes
    -----
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
    return float(np.corrcoef(a, b)[0, 1])


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
        A row a pair: ``first``, ``second``, ``cka``, ``rsa`` (NaN where one has a single dimension).

    Raises
    ------
    ValueError
        If there are fewer than two, or as ``linear_cka``.
    """
    if len(embeddings) < 2:
        raise ValueError(f"there must be at least 2 representations to compare, got {len(embeddings)}")
    pairs = list(combinations(embeddings, 2))
    rows: list[dict[str, object]] = []
    for done, (a, b) in enumerate(pairs, start=1):
        x, y = embeddings[a], embeddings[b]
        flat = min(x.shape[1], y.shape[1]) < 2
        rows.append({"first": a, "second": b, "cka": linear_cka(x, y), "rsa": np.nan if flat else rsa(x, y)})
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
    """Lower end of the difference's 95 % interval, over runs of slices."""

    high: float
    """Upper end of it."""


def closeness(
    reference: Float[np.ndarray, "samples r"],
    first: Float[np.ndarray, "samples a"],
    second: Float[np.ndarray, "samples b"],
    *,
    sample_id: Sequence[str] | np.ndarray,
    run_length: int = 10,
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
        Slices in a run.
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
    kernels = [_kernel(x) for x in (reference, first, second)]
    at = sample_positions(sample_id)
    run = slice_runs(at.cube, at.z, length=run_length)
    counts = bootstrap_counts(int(run.max()) + 1, n_draws=n_bootstrap, rng=np.random.default_rng(seed))

    def towards(kept: np.ndarray) -> tuple[float, float]:
        r, a, b = (kernel[np.ix_(kept, kept)] for kernel in kernels)
        return _alignment(r, a), _alignment(r, b)

    drawn = [np.flatnonzero(count[run] > 0) for count in counts]
    draws = np.array([np.subtract(*towards(kept)) for kept in drawn if len(kept) >= _LEAST_SAMPLES])
    near, far = towards(np.arange(len(reference)))
    low, high = interval(draws.astype(np.float64))
    return Closeness(first=near, second=far, difference=near - far, low=low, high=high)


_LEAST_SAMPLES = 4


def _check_pair(first: np.ndarray, second: np.ndarray) -> None:
    for x in (first, second):
        check_embeddings(x, name="a representation")
        if (np.ptp(x, axis=0) == 0).all():
            raise ValueError("a representation must differ between samples, got the same vector for all")
    if len(first) != len(second) or len(first) < _LEAST_SAMPLES:
        raise ValueError(
            f"both representations must be of the same {_LEAST_SAMPLES} samples or more, "
            f"got {len(first)} and {len(second)}"
        )


def _kernel(x: np.ndarray) -> Float64[np.ndarray, "samples samples"]:
    """Return the inner products of samples without the diagonal."""
    x = x.astype(np.float64)
    # The estimate is unchanged by the mean; taking it away keeps digits.
    x = x - x.mean(axis=0)
    kernel = x @ x.T
    np.fill_diagonal(kernel, 0)
    return kernel


def _alignment(a: np.ndarray, b: np.ndarray) -> float:
    return float(_hsic(a, b) / np.sqrt(_hsic(a, a) * _hsic(b, b)))


def _hsic(a: np.ndarray, b: np.ndarray) -> float:
    """Return the unbiased Hilbert-Schmidt criterion of two kernels without a diagonal, up to its scale."""
    n = len(a)
    rows_a, rows_b = a.sum(axis=0), b.sum(axis=0)
    return float(
        (a * b).sum() + rows_a.sum() * rows_b.sum() / ((n - 1) * (n - 2)) - 2 * (rows_a @ rows_b) / (n - 2)
    )


def _dissimilarity(x: np.ndarray) -> Float64[np.ndarray, " pairs"]:
    x = x.astype(np.float64)
    spread = x.std(axis=0)
    standard = (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return np.asarray(pdist(standard, "correlation"), dtype=np.float64)
