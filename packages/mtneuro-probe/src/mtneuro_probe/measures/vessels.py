"""Width and length of vessels and other elongated labels, along their skeleton."""

import cc3d
import numpy as np
from jaxtyping import Bool, Float64

from mtneuro_probe.measures.label_images import LabelImages


def mean_width(images: LabelImages, label: str) -> Float64[np.ndarray, " images"]:
    """Return the mean width along the label's skeleton in µm, NaN where there is none.

    The width at a point of the skeleton is that of the largest disc around it inside the label: twice the
    distance to the nearest pixel outside, less one pixel. T. Hildebrand and P. Rüegsegger (1997), A new
    method for the model-independent assessment of thickness in three-dimensional images, J. Microscopy 185,
    67-75; skeleton: see ``skeleton``.
    """
    from scipy import ndimage  # takes half a second to load, and few need it

    pixel = float(np.sqrt(images.spacing_um.prod()))
    width = np.full(len(images), np.nan)
    for position, mask in enumerate(images.mask(label)):
        spine = skeleton(mask)
        # A label that fills its image has no outside to measure to.
        if spine.any() and not mask.all():
            to_outside = ndimage.distance_transform_edt(mask, sampling=images.spacing_um)
            width[position] = 2 * np.asarray(to_outside)[spine].mean() - pixel
    return width


def length_density(images: LabelImages, label: str) -> Float64[np.ndarray, " images"]:
    """Return the length of the label's skeleton in mm for each mm² of image.

    The steps between neighbouring pixels of the skeleton are added up; a diagonal step counts where no way
    along the axes joins the same pixels. Compare Z. Kulpa (1977), Area and perimeter measurement of blobs in
    discrete binary pictures, Computer Graphics and Image Processing 6, 434-451.
    """
    area_um2 = float(np.prod(images.labels.shape[1:]) * images.spacing_um.prod())
    lengths = [skeleton_length(skeleton(mask), images.spacing_um) for mask in images.mask(label)]
    return 1000 * np.array(lengths) / area_um2


def skeleton(mask: Bool[np.ndarray, "y x"]) -> Bool[np.ndarray, "y x"]:
    """Return the middle line of a mask, one pixel wide.

    T. Y. Zhang and C. Y. Suen (1984), A fast parallel algorithm for thinning digital patterns, Comm. ACM 27,
    236-239. It erases lines two pixels wide on one of the two diagonals: what is lost is found by thinning
    the mask with its axes exchanged, and the component that it belongs to is taken from there.

    Examples
    --------
    >>> two_wide = np.eye(9, dtype=bool) | np.eye(9, k=1, dtype=bool)
    >>> int(skeleton(two_wide).sum())
    9
    """
    from scipy import ndimage
    from skimage.morphology import skeletonize

    spine, exchanged = skeletonize(mask), skeletonize(mask.T).T
    # Two pixels wide: some pixel around is outside.
    narrow = np.logical_not(ndimage.minimum_filter(mask, 3))
    lost = exchanged & narrow & _far_from(spine)
    if not lost.any():
        return spine
    parts = cc3d.connected_components(mask, connectivity=8, binary_image=True)
    renewed = exchanged | (spine & narrow & _far_from(exchanged))
    return np.where(np.isin(parts, parts[lost]), renewed, spine)


def _far_from(spine: Bool[np.ndarray, "y x"]) -> Bool[np.ndarray, "y x"]:
    """Return which pixels have none of a skeleton within three, farther than the ends of two may differ."""
    from scipy import ndimage

    return np.logical_not(ndimage.maximum_filter(spine, 7))


def skeleton_length(spine: Bool[np.ndarray, "y x"], spacing_um: Float64[np.ndarray, "2"]) -> float:
    """Return the length of a skeleton in µm.

    Examples
    --------
    Three pixels in a row are two steps:

    >>> skeleton_length(np.array([[1, 1, 1]], bool), np.array([1.0, 2.0]))
    4.0
    """
    y, x = spacing_um
    down = np.count_nonzero(spine[1:] & spine[:-1])
    across = np.count_nonzero(spine[:, 1:] & spine[:, :-1])
    # A diagonal is a step of its own only where neither of the two pixels between is part of the line.
    here, right = spine[:-1, :-1], spine[:-1, 1:]
    below, beyond = spine[1:, :-1], spine[1:, 1:]
    diagonal = np.count_nonzero(here & beyond & ~right & ~below) + np.count_nonzero(
        right & below & ~here & ~beyond
    )
    return float(down * y + across * x + diagonal * np.hypot(y, x))
