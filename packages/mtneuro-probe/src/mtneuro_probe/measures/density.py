"""The fraction of an image that a label covers."""

import numpy as np
from jaxtyping import Float64

from mtneuro_probe.measures.label_images import LabelImages


def density(images: LabelImages, label: str) -> Float64[np.ndarray, " images"]:
    """Return the fraction of each image's pixels that carry the label."""
    return np.array([np.count_nonzero(mask) / mask.size for mask in images.mask(label)])
