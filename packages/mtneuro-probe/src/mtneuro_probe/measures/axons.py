"""Direction of axons and other fibrous labels, from the structure tensor of their mask."""

import numpy as np
from jaxtyping import Float64

from mtneuro_probe.measures.label_images import LabelImages

SMOOTHING_UM = 2.0
"""Standard deviation of the Gaussian whose derivatives find the mask's edges."""


def orientation(images: LabelImages, label: str) -> Float64[np.ndarray, " images"]:
    """Return the direction along which the label runs, in degrees anticlockwise from the x axis, in [0, 180).

    NaN where there is no such label, or it has no direction. See ``structure_tensor``.
    """
    (yy, yx, xx) = structure_tensor(images, label).T
    # The gradient is steepest across the fibre; the image's y axis points down.
    along = np.degrees(np.arctan2(2 * yx, xx - yy)) / 2 + 90
    return np.where(np.hypot(xx - yy, 2 * yx) > 0, -along % 180, np.nan)


def coherence(images: LabelImages, label: str) -> Float64[np.ndarray, " images"]:
    """Return how much the label's edges agree in direction: 0 for all directions alike, 1 for a single one.

    (l₁ - l₂) / (l₁ + l₂) with the structure tensor's eigenvalues; NaN where there is no edge.
    """
    (yy, yx, xx) = structure_tensor(images, label).T
    nothing = np.full(len(images), np.nan)
    return np.divide(np.hypot(xx - yy, 2 * yx), xx + yy, out=nothing, where=xx + yy > 0)


def structure_tensor(images: LabelImages, label: str) -> Float64[np.ndarray, "images 3"]:
    """Return the mean outer product ``(yy, yx, xx)`` of the gradient of the label's smoothed mask.

    J. Bigün and G. H. Granlund (1987), Optimal orientation detection of linear symmetry, Proc. 1st ICCV,
    433-438; for fibres: R. Rezakhaniha et al. (2012), Experimental investigation of collagen waviness and
    orientation in the arterial adventitia using confocal laser scanning microscopy, Biomechanics and
    Modeling in Mechanobiology 11, 461-473.
    """
    from scipy import ndimage  # takes half a second to load, and few need it

    sigma = SMOOTHING_UM / images.spacing_um
    tensor = np.zeros((len(images), 3))
    for position, mask in enumerate(images.mask(label)):
        if not mask.any():
            continue
        smooth = np.asarray(ndimage.gaussian_filter(mask.astype(np.float64), sigma, mode="nearest"))
        y, x = (np.gradient(smooth, length, axis=axis) for axis, length in enumerate(images.spacing_um))
        # Smaller gradients are rounding errors, not edges.
        steep = np.hypot(y, x) > 1e-9
        y, x = y[steep], x[steep]
        tensor[position] = [(y * y).sum(), (y * x).sum(), (x * x).sum()]
    return tensor / images.labels[0].size
