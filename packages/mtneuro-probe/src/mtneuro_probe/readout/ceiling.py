"""The highest score that a readout can be expected to reach, from how well two annotators agree."""

import numpy as np
import pandas as pd

from mtneuro_probe.readout.targets import constant_target, feature_targets
from mtneuro_probe.sample import first_ten


def label_ceiling(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Return the highest R² that a perfect readout can be expected to reach against one annotation.

    Of a feature measured twice as t + e₁ and t + e₂, with errors alike in size, independent of the truth t
    and of each other, the best prediction is t itself: R² = Var t / (Var t + Var e), which is the
    correlation of the two measurements. C. Spearman (1904), The proof and measurement of association
    between two things, American Journal of Psychology 15, 72-101.

    Parameters
    ----------
    first, second
        Features of the same samples by two annotators, indexed by sample id, in any order of rows. Only
        columns of both are compared.

    Returns
    -------
    table
        A row a feature: ``n_samples`` where both have it, and ``r2_ceiling``, NaN below three samples or
        for a constant feature, 0 where the two disagree altogether.

    Raises
    ------
    ValueError
        If the samples differ or no column is shared.

    Examples
    --------
    >>> first = pd.DataFrame({"cell_count": [1.0, 2, 3, 4]}, index=[f"A/z{z}" for z in range(4)])
    >>> second = first.assign(cell_count=[1.0, 3, 2, 4])
    >>> round(float(label_ceiling(first, second)["r2_ceiling"].iloc[0]), 6)
    0.8
    """
    for index in (first.index, second.index):
        if index.has_duplicates:
            twice = first_ten(list(index[index.duplicated()].unique()))
            raise ValueError(f"two annotations must name each sample once, got twice: {twice}")
    lost = first.index.symmetric_difference(second.index)
    if len(lost):
        raise ValueError(f"two annotations must be of the same samples, in one only: {first_ten(list(lost))}")
    shared = [name for name in first.columns if name in second.columns]
    if not shared:
        raise ValueError("two annotations must share a feature, got none in common")
    ours = feature_targets(first.filter(items=shared))
    theirs = feature_targets(second.filter(items=shared).reindex(first.index))
    rows: list[dict[str, object]] = []
    for name, a in ours.items():
        both = np.isfinite(a).all(axis=1) & np.isfinite(theirs[name]).all(axis=1)
        rows.append(
            {
                "feature": name,
                "n_samples": int(both.sum()),
                "r2_ceiling": _agreement(a[both], theirs[name][both]),
            }
        )
    return pd.DataFrame(rows).set_index("feature")


def _agreement(a: np.ndarray, b: np.ndarray) -> float:
    """Return the correlation over all columns together, 0 at least."""
    if len(a) < 3 or constant_target(a) or constant_target(b):
        return float("nan")
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    return float(np.clip((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum()), 0, 1))
