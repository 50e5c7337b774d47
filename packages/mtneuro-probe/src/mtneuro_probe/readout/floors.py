"""Baseline embeddings that need no encoder, whose scores any encoder should beat."""

import numpy as np
from jaxtyping import Float32, Shaped

from mtneuro_probe._shared.masked import check_unmasked

_PIXELS_AT_ONCE = 4096


def pixel_statistics(images: Shaped[np.ndarray, "samples ..."]) -> Float32[np.ndarray, "samples 2"]:
    """Return the mean and the standard deviation of each image's pixels.

    Parameters
    ----------
    images
        Images ``(n, y, x)`` or subvolumes ``(n, z, y, x)``, uint8 or float.

    Raises
    ------
    ValueError
        If there are no images, or a pixel is not finite.

    Examples
    --------
    >>> pixel_statistics(np.array([[[0, 2], [0, 2]]], np.uint8)).tolist()
    [[1.0, 1.0]]
    """
    _check(images)
    pixels = images.reshape(len(images), -1)
    # Sums of float16 would overflow.
    summed = [(row.mean(dtype=np.float64), row.std(dtype=np.float64)) for row in pixels]
    return np.array(summed, dtype=np.float32).reshape(-1, 2)


def random_projection(
    images: Shaped[np.ndarray, "samples ..."], *, n_components: int = 256, seed: int = 0
) -> Float32[np.ndarray, "samples dimensions"]:
    """Return each image's pixels projected on random directions: an encoder without any training.

    The directions are Gaussian, of expected length 1. W. B. Johnson and J. Lindenstrauss (1984), Extensions
    of Lipschitz mappings into a Hilbert space, Contemporary Mathematics 26, 189-206.

    Parameters
    ----------
    images
        Images ``(n, y, x)`` or subvolumes ``(n, z, y, x)``, uint8 or float.
    n_components
        Number of directions. The paper's encoders have 256 dimensions.
    seed
        Seed of the directions: images of one size are projected alike for one seed.

    Raises
    ------
    ValueError
        If there are no images, a pixel is not finite, or there are no components.
    """
    _check(images)
    if n_components < 1:
        raise ValueError(f"n_components must be at least 1, got {n_components}")
    pixels = images.reshape(len(images), -1)
    rng = np.random.default_rng(seed)
    projected = np.zeros((len(images), n_components), dtype=np.float32)
    for start in range(0, pixels.shape[1], _PIXELS_AT_ONCE):
        part = pixels[:, start : start + _PIXELS_AT_ONCE].astype(np.float32)
        projected += part @ rng.standard_normal((part.shape[1], n_components), dtype=np.float32)
    return projected / np.float32(np.sqrt(pixels.shape[1]))


def floor_embeddings(
    images: Shaped[np.ndarray, "samples ..."], *, n_components: int = 256, seed: int = 0
) -> dict[str, Float32[np.ndarray, "samples dimensions"]]:
    """Return both floors by name: ``pixels`` (mean and standard deviation) and ``random`` (projection)."""
    return {
        "pixels": pixel_statistics(images),
        "random": random_projection(images, n_components=n_components, seed=seed),
    }


def _check(images: np.ndarray) -> None:
    check_unmasked(images, "images")
    if images.ndim < 2 or 0 in images.shape or images.dtype.kind not in "uif":
        raise ValueError(
            f"images must be a stack (images, y, x) of numbers, got {images.dtype} of shape {images.shape}"
        )
    if images.dtype.kind == "f" and not np.isfinite(images).all():
        raise ValueError("images must be finite, got NaN or infinity")
