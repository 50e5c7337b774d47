"""Refusals of images, labels and settings, before any work starts."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64, UInt8

from mtneuro_ssl.encoders import device_for
from mtneuro_ssl.settings import TrainSettings

SMALLEST_CROP = 8
"""Height and width, in pixels, under which a crop says nothing to the encoder."""


def check_images(images: np.ndarray) -> None:
    """Refuse what is not a stack of uint8 images.

    Raises
    ------
    ValueError
        If the array is not uint8 of shape (n, y, x), or has no pixels.
    """
    shape, dtype = getattr(images, "shape", ()), getattr(images, "dtype", type(images).__name__)
    if dtype != np.uint8 or len(shape) != 3 or 0 in shape:
        raise ValueError(
            f"images must be uint8 of shape (n, y, x), none of them 0, got {dtype} of shape {shape}"
        )


def check_run(
    images: UInt8[np.ndarray, "n y x"],
    settings: TrainSettings,
    *,
    labels: Int64[np.ndarray, " n"] | None = None,
    class_names: Sequence[str] | None = None,
) -> None:
    """Refuse images, labels and settings that do not go together.

    Raises
    ------
    ValueError
        Naming the requirement, and what was got.
    """
    check_images(images)
    if images.min() == images.max():
        raise ValueError(f"images must vary in intensity, got {images.min()} in every pixel")
    n, height, width = images.shape
    family = settings.entry.family
    if family in ("self-supervised", "classical") and min(height, width) < 2 * SMALLEST_CROP:
        raise ValueError(
            f"method {settings.method!r} crops half the height and width, and crops must be at least "
            f"{SMALLEST_CROP} x {SMALLEST_CROP} pixels: images must be at least {2 * SMALLEST_CROP} x "
            f"{2 * SMALLEST_CROP}, got {height} x {width}"
        )
    if family in ("self-supervised", "supervised"):
        if settings.batch_size < 2:
            raise ValueError(
                "batch_size must be at least 2, since BatchNorm compares the images of a batch, got 1"
            )
        if settings.batch_size > n:
            raise ValueError(
                f"batch_size must be at most the number of images, {n}, got {settings.batch_size}: "
                "lower batch_size or bring more images"
            )
        if settings.pool_size is not None and settings.pool_size > n:
            raise ValueError(f"pool_size must be at most the number of images, {n}, got {settings.pool_size}")
    if family == "supervised":
        _check_labels(labels, n, settings.method, class_names)
    device_for(settings.device)


def _check_labels(
    labels: np.ndarray | None, count: int, method: str, class_names: Sequence[str] | None
) -> None:
    if labels is None:
        raise ValueError(f"method {method!r} needs labels, one integer an image, got none")
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise ValueError(
            f"labels must be integers of shape ({count},), one an image, "
            f"got {labels.dtype} of shape {labels.shape}"
        )
    if labels.min() < 0:
        raise ValueError(f"labels must count from 0, got {labels.min()}")
    if labels.min() == labels.max():
        raise ValueError(f"labels must have at least 2 classes to tell apart, got {labels.min()} only")
    if class_names is not None and labels.max() >= len(class_names):
        raise ValueError(f"class_names must name class {labels.max()}, got {len(class_names)} names")
