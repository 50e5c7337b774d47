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


def intensity_histogram(
    images: Shaped[np.ndarray, "samples ..."],
    *,
    bins: int = 32,
    limits: tuple[float, float] | None = None,
) -> Float32[np.ndarray, "samples bins"]:
    """Return the share of each image's pixels in equal bins of intensity.

    Parameters
    ----------
    images
        Images ``(n, y, x)`` or subvolumes ``(n, z, y, x)``, of any type of number.
    bins
        Number of bins.
    limits
        Lower end of the first bin and upper end of the last; what lies beyond counts in these. By default
        those of uint8, 0 to 256.

    Raises
    ------
    ValueError
        If there are no images, a pixel is not finite, there are no bins, or images of another type than
        uint8 come without limits.

    Examples
    --------
    >>> intensity_histogram(np.array([[[0, 255], [130, 255]]], np.uint8), bins=2).tolist()
    [[0.25, 0.75]]
    """
    _check(images)
    if bins < 1:
        raise ValueError(f"bins must be at least 1, got {bins}")
    if limits is None:
        if images.dtype != np.uint8:
            raise ValueError(f"limits must be given for images of type {images.dtype}; uint8 has its own")
        limits = (0, 256)
    low, high = limits
    if not low < high:
        raise ValueError(f"limits must be an interval, lower end first, got {low} and {high}")
    found = np.empty((len(images), bins), dtype=np.float32)
    for row, image in zip(found, images, strict=True):
        place = np.floor((image.ravel().astype(np.float64) - low) * (bins / (high - low)))
        row[:] = np.bincount(place.clip(0, bins - 1).astype(np.int64), minlength=bins) / image.size
    return found


def power_spectrum(images: Shaped[np.ndarray, "samples ..."]) -> Float32[np.ndarray, "samples rings"]:
    """Return the logarithm of each image's power about its mean by spatial frequency, whatever the direction.

    Of the image under a Hann window, the mean over rings one step of frequency wide, from one wave a side to
    half the pixels of the shorter side. The power of noise of one grey level of 256 is added, so that a flat
    image has a logarithm too.

    Parameters
    ----------
    images
        Images ``(n, y, x)``, or subvolumes ``(n, z, y, x)``, whose power is the mean over their slices; of
        integers, or of floats from 0 to 1.

    Raises
    ------
    ValueError
        If there are no images, a pixel is not finite, or a side is shorter than 4 pixels.

    Examples
    --------
    >>> waves = np.cos(2 * np.pi * 4 * np.arange(32) / 32) * np.ones((32, 1))
    >>> power_spectrum(waves[None]).argmax() + 1
    np.int64(4)
    """
    _check(images)
    *_, height, width = images.shape
    shorter = min(height, width)
    if shorter < 4:
        raise ValueError(f"images must have at least 4 pixels a side, got {height} x {width}")
    window = np.outer(np.hanning(height), np.hanning(width))
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)) * shorter
    ring = (frequency + 1e-9).astype(np.int64).ravel()
    rings = slice(1, shorter // 2)
    pixels = np.bincount(ring)[rings]
    floor = 1.0 if images.dtype.kind in "ui" else 1 / 255**2
    found = np.empty((len(images), len(pixels)), dtype=np.float32)
    for row, image in zip(found, images, strict=True):
        slices = image.reshape(-1, height, width).astype(np.float64)
        away = slices - slices.mean(axis=(1, 2), keepdims=True)
        power = (np.abs(np.fft.fft2(away * window)) ** 2).mean(axis=0) / (window**2).sum()
        row[:] = np.log10(np.bincount(ring, weights=power.ravel())[rings] / pixels + floor)
    return found


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
