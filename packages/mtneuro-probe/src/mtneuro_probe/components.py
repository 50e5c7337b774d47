"""Connected components of label images: which pixels make one cell."""

from dataclasses import dataclass

import cc3d
import numpy as np
from jaxtyping import Bool, Float64, Int64


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """The components of a stack of images, image by image and in each in raster order."""

    image: Int64[np.ndarray, " components"]
    """Position of the image that the component lies in."""

    area_px: Int64[np.ndarray, " components"]
    """Number of pixels."""

    centroid_px: Float64[np.ndarray, "components 2"]
    """Mean ``(y, x)`` of the pixels, in pixels."""


def image_components(mask: Bool[np.ndarray, "images y x"], *, minimum_area_px: int = 1) -> Components:
    """Return the 8-connected components of each image.

    Parameters
    ----------
    mask
        True on the pixels that form components.
    minimum_area_px
        Smaller components are left out.

    Examples
    --------
    Pixels that meet at a corner are one component:

    >>> cells = image_components(np.array([[[1, 0, 0], [0, 1, 0]], [[1, 0, 1], [0, 0, 0]]], bool))
    >>> cells.image.tolist(), cells.area_px.tolist()
    ([0, 1, 1], [2, 1, 1])
    """
    n_images, height, width = mask.shape
    # The images stand below each other in one, kept apart by an empty row: one pass labels them all.
    padded = np.zeros((n_images, height + 1, width), dtype=np.uint8)
    padded[:, :height] = mask
    tall = padded.reshape(-1, width)
    labelled, n_components = cc3d.connected_components(tall, connectivity=8, return_N=True, binary_image=True)
    row, column = np.nonzero(tall)
    component = labelled[row, column].astype(np.int64) - 1
    # The labelling numbers components by the place of an image in the batch; raster order does not.
    first = np.empty(n_components, dtype=np.int64)
    first[component[::-1]] = np.arange(len(component))[::-1]
    rank = np.empty(n_components, dtype=np.int64)
    rank[np.argsort(first)] = np.arange(n_components)
    component = rank[component]
    image, y = np.divmod(row, height + 1)
    area = np.bincount(component, minlength=n_components)
    # Sums of whole numbers are exact, so a centroid does not depend on the batch it was measured in.
    sums = [np.bincount(component, weights=axis, minlength=n_components) for axis in (y, column)]
    home = np.zeros(n_components, dtype=np.int64)
    home[component] = image
    kept = area >= minimum_area_px
    return Components(
        image=home[kept], area_px=area[kept], centroid_px=(np.column_stack(sums) / area[:, None])[kept]
    )
