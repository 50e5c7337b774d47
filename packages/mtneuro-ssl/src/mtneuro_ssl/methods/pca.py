"""Principal components of the crops' pixels."""

import numpy as np
from jaxtyping import Float32, Float64, Real
from typing_extensions import override

from mtneuro_ssl.methods.components import ComponentModel, component_count, scaled_pixels
from mtneuro_ssl.settings import TrainSettings
from mtneuro_ssl.types import Progress

_BLOCK = 1024


class PCA(ComponentModel):
    """Exact PCA by the smaller of the two Gram matrices: crops by crops, or pixels by pixels."""

    names = ("components", "mean")

    def __init__(
        self,
        settings: TrainSettings,
        *,
        components: Float32[np.ndarray, "k *crop"],
        mean: Float32[np.ndarray, "*crop"],
    ) -> None:
        super().__init__(settings, components=components)
        self.mean = mean
        """Mean crop."""

    @override
    @classmethod
    def fit(
        cls, crops: Real[np.ndarray, "n *crop"], settings: TrainSettings, *, progress: Progress | None
    ) -> "PCA":
        """Fit the principal components of these crops and return their model."""
        rows = scaled_pixels(crops)
        mean = rows.mean(axis=0, dtype=np.float64)
        components = principal_components(rows, mean, count=component_count(crops, settings))
        shape = crops.shape[1:]
        return cls(
            settings,
            components=components.astype(np.float32).reshape(-1, *shape),
            mean=mean.astype(np.float32).reshape(shape),
        )

    def _coefficients(self, pixels: Float32[np.ndarray, "n pixels"]) -> Float32[np.ndarray, "n k"]:
        return (pixels - self.mean.ravel()) @ self.components.reshape(self.dim, -1).T


def principal_components(
    rows: Float32[np.ndarray, "n pixels"], mean: Float64[np.ndarray, " pixels"], *, count: int
) -> Float64[np.ndarray, "k pixels"]:
    """Return the leading principal components, largest variance first, as unit rows.

    Where there are fewer rows than columns, the eigenvectors ``u`` of the n x n matrix ``X X'`` give them as
    ``X' u`` to unit length. Components without variance are left out. Signs are chosen so that the entry
    of largest size is positive.
    """
    from scipy.linalg import eigh

    n, pixels = rows.shape
    size = min(n, pixels)
    gram = np.zeros((size, size))
    # In blocks, so that a double-precision copy of all rows never exists.
    blocks = [slice(start, start + _BLOCK) for start in range(0, max(n, pixels), _BLOCK)]
    for part in blocks:
        if n < pixels:
            centred = rows[:, part] - mean[part]
            gram += centred @ centred.T
        else:
            centred = rows[part] - mean
            gram += centred.T @ centred
    values, vectors = eigh(gram, subset_by_index=[size - count, size - 1])
    kept = values > max(values[-1], 0) * max(n, pixels) * np.finfo(np.float64).eps
    leading = vectors[:, kept][:, ::-1]
    if n < pixels:
        components = np.concatenate([leading.T @ (rows[:, part] - mean[part]) for part in blocks], axis=1)
        components /= np.linalg.norm(components, axis=1, keepdims=True)
    else:
        components = leading.T
    peak = np.abs(components).argmax(axis=1)
    return components * np.sign(components[np.arange(len(components)), peak])[:, None]
