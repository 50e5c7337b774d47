"""The length of the boundaries between labels."""

import numpy as np
from jaxtyping import Float64

from mtneuro_probe.measures.label_images import LabelImages


def boundary_density(images: LabelImages, label: str | None = None) -> Float64[np.ndarray, " images"]:
    """Return the length of the boundaries between different labels in mm for each mm² of image.

    L_A = (π / 2) P_L: P_L is the number of boundaries that rows and columns of pixels cross, for each mm of
    them. E. E. Underwood (1970), Quantitative Stereology, Addison-Wesley, chapter 2. With a label, its
    boundaries only.
    """
    seen = images.labels if label is None else images.mask(label)
    y, x = images.spacing_um
    _, height, width = seen.shape
    crossed = [
        np.count_nonzero(image[1:] != image[:-1]) + np.count_nonzero(image[:, 1:] != image[:, :-1])
        for image in seen
    ]
    # Each of the rows is a test line along x, and each of the columns one along y.
    line_um = height * (width - 1) * x + width * (height - 1) * y
    if line_um == 0:
        return np.zeros(len(images))
    return np.pi / 2 * 1000 * np.array(crossed) / line_um
