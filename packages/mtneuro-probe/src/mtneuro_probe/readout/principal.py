"""Principal components of embeddings, for a score that must have few dimensions."""

import numpy as np
from jaxtyping import Float64
from scipy import linalg

from mtneuro_probe.scaling import PRECISION, spread


def principal_components(
    x: Float64[np.ndarray, "samples features"], *, most: int
) -> Float64[np.ndarray, "samples components"]:
    """Return the coordinates of standardised embeddings along the directions in which they vary most.

    Standardised: each dimension less its mean and over its standard deviation, a constant one is 0.
    Directions in which embeddings vary by no more than the rounding of float32 are left out, so that there
    may be fewer. K. Pearson (1901), On lines and planes of closest fit to systems of points in space,
    Philosophical Magazine 2, 559-572.

    Parameters
    ----------
    x
        One vector a sample.
    most
        Components at most.

    Returns
    -------
    components
        Uncorrelated coordinates of mean 0, those of the largest variance first.

    Examples
    --------
    >>> x = np.array([[1.0, 2, 5], [3, 6, 5], [2, 4, 5]])
    >>> principal_components(x, most=2).shape  # the second column is the first, doubled
    (3, 1)
    """
    scale = spread(x)
    left, singular, _ = linalg.svd((x - x.mean(axis=0)) / scale, full_matrices=False, check_finite=False)
    # The Frobenius norm of all rounding errors together is at least the largest variation that they make.
    rounding = np.sqrt(len(x) * ((PRECISION * np.abs(x).max(axis=0) / scale) ** 2).sum())
    kept = min(most, int((singular > rounding).sum()))
    return left[:, :kept] * singular[:kept]
