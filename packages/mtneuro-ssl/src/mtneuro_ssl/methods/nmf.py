"""Non-negative matrix factorisation of the crops' pixels."""

import logging
import warnings

import numpy as np
from jaxtyping import Float32, Real
from typing_extensions import override

from mtneuro_ssl.methods.components import ComponentModel, component_count, scaled_pixels
from mtneuro_ssl.settings import TrainSettings
from mtneuro_ssl.types import Progress

log = logging.getLogger(__name__)


class NMF(ComponentModel):
    """NMF by scikit-learn's coordinate descent, which starts as the settings say with their seed."""

    @override
    @classmethod
    def fit(
        cls, crops: Real[np.ndarray, "n *crop"], settings: TrainSettings, *, progress: Progress | None
    ) -> "NMF":
        """Fit non-negative parts of these crops and return their model."""
        from sklearn import decomposition
        from sklearn.exceptions import ConvergenceWarning

        factorisation = decomposition.NMF(
            # The type stubs allow the default only, a string.
            n_components=component_count(crops, settings),  # pyright: ignore[reportArgumentType]
            init=settings.nmf_start,
            random_state=settings.seed,
            max_iter=settings.nmf_iterations,
        )
        with warnings.catch_warnings():
            # The log below says so, with the figures.
            warnings.simplefilter("ignore", ConvergenceWarning)
            factorisation.fit(scaled_pixels(crops))
        if factorisation.n_iter_ >= settings.nmf_iterations:
            log.warning(
                "nmf: not converged after %d iterations, reconstruction error %.4g: raise nmf_iterations",
                factorisation.n_iter_, factorisation.reconstruction_err_,
            )  # fmt: skip
        parts = factorisation.components_.astype(np.float32)
        return cls(settings, components=parts.reshape(-1, *crops.shape[1:]))

    def _coefficients(self, pixels: Float32[np.ndarray, "n pixels"]) -> Float32[np.ndarray, "n k"]:
        return nonnegative_coefficients(pixels, self.components.reshape(self.dim, -1))


def nonnegative_coefficients(
    rows: Float32[np.ndarray, "n pixels"],
    parts: Float32[np.ndarray, "k pixels"],
) -> Float32[np.ndarray, "n k"]:
    """Return the non-negative combination of parts that is nearest to each row, exactly, by an active set.

    Each row is solved by itself. scikit-learn's ``transform`` starts and stops by properties of the whole
    batch, so there a row's coefficients depend on its neighbours in the array; and descent along one part at
    a time, which it uses, is far from the nearest combination for a long time where parts overlap.

    C. L. Lawson and R. J. Hanson (1974), Solving least squares problems, Prentice-Hall, chapter 23.

    Examples
    --------
    >>> nonnegative_coefficients(np.float32([[2, 0], [-1, 3]]), np.float32([[1, 0], [0, 1]]))
    array([[2., 0.],
           [0., 3.]], dtype=float32)
    """
    from scipy.optimize import lsq_linear, nnls

    # Rotated into the space of the parts, a problem is as small as their number, and its solution the same.
    rotation, triangle = np.linalg.qr(parts.astype(np.float64).T)
    wanted = rows.astype(np.float64) @ rotation
    found = np.empty((len(rows), len(parts)))
    failed = 0
    for row, target in enumerate(wanted):
        try:
            found[row] = nnls(triangle, target, maxiter=30 * len(parts))[0]
        except RuntimeError:  # rounding can send the active set of nearly equal parts round in circles
            nearest = lsq_linear(triangle, target, bounds=(0, np.inf), tol=1e-12)
            found[row] = nearest.x
            failed += not nearest.success
    if failed:
        log.warning("nmf: the coefficients of %d of %d crops did not converge", failed, len(rows))
    return found.astype(np.float32)
