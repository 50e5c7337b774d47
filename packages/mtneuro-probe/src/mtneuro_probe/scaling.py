"""Standardise embeddings, and tell which of their dimensions say nothing."""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Float64

if TYPE_CHECKING:
    from sklearn.preprocessing import StandardScaler

PRECISION = 8 * float(np.finfo(np.float32).eps)
"""Spread of a dimension, relative to its values, below which only the last bits of float32 differ."""


def constant_dimensions(x: Float[np.ndarray, "samples features"]) -> Bool[np.ndarray, " features"]:
    """Return which dimensions are the same for all samples, up to the last bits of float32.

    Embeddings are computed in float32, whatever type they come in: a dimension whose last bits alone differ
    carries rounding errors, which a standardisation would scale up to the size of a signal.

    Examples
    --------
    >>> one = np.nextafter(np.float32(1), np.float32(2))
    >>> constant_dimensions(np.array([[1, 0.5], [one, 0.6]], np.float32)).tolist()
    [True, False]
    """
    x = x.astype(np.float64)
    return x.std(axis=0) <= PRECISION * np.abs(x).max(axis=0)


def spread(x: Float64[np.ndarray, "samples features"]) -> Float64[np.ndarray, " features"]:
    """Return the standard deviation of each dimension, infinite for a constant one, which it divides to 0."""
    return np.where(constant_dimensions(x), np.inf, x.std(axis=0))


def fitted_scaler(x: Float[np.ndarray, "samples features"]) -> "StandardScaler":
    """Return scikit-learn's scaler of these embeddings, which gives 0 for a constant dimension."""
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(x.astype(np.float64))
    scaler.scale_ = np.where(constant_dimensions(x), np.inf, np.asarray(scaler.scale_))
    return scaler
