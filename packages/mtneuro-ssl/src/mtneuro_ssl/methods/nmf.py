"""Non-negative matrix factorisation of the crops' pixels."""

import logging
import warnings

import numpy as np
from jaxtyping import Float32, UInt8
from typing_extensions import override

from mtneuro_ssl.methods.components import ComponentModel, component_count, scaled_pixels
from mtneuro_ssl.settings import TrainSettings
from mtneuro_ssl.types import Progress

log = logging.getLogger(__name__)

_SWEEPS = 200


class NMF(ComponentModel):
    """NMF by scikit-learn's coordinate descent, which starts from NNDSVDa with the settings' seed."""

    @override
    @classmethod
    def fit(
        cls, crops: UInt8[np.ndarray, "n h w"], settings: TrainSettings, *, progress: Progress | None
    ) -> "NMF":
        """Fit non-negative parts of these crops and return their model."""
        from sklearn import decomposition
        from sklearn.exceptions import ConvergenceWarning

        factorisation = decomposition.NMF(
            # The type stubs allow the default only, a string.
            n_components=component_count(crops, settings),  # pyright: ignore[reportArgumentType]
            init="nndsvda",
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
    """Return the non-negative combination of parts nearest to each row, by cyclic coordinate descent from 0.

    Each row is solved independently. scikit-learn's ``transform`` starts and stops by properties of the whole
    batch, so there a row's coefficients depend on its neighbours in the array.

    Examples
    --------
    >>> nonnegative_coefficients(np.float32([[2, 0], [-1, 3]]), np.float32([[1, 0], [0, 1]]))
    array([[2., 0.],
           [0., 3.]], dtype=float32)
    """
    parts64 = parts.astype(np.float64)
    gram = parts64 @ parts64.T
    scale = np.maximum(np.diag(gram), np.finfo(np.float64).tiny)
    wanted = np.ascontiguousarray((rows.astype(np.float64) @ parts64.T).T)
    found = np.zeros_like(wanted)
    for _ in range(_SWEEPS):
        before = found.copy()
        for k in range(len(parts)):
            found[k] = np.maximum(found[k] + (wanted[k] - gram[k] @ found) / scale[k], 0)
        if np.abs(found - before).max(initial=0) <= 1e-7 * found.max(initial=1):
            break
    return found.T.astype(np.float32)
