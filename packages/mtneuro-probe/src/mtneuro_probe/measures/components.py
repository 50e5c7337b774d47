"""Connected components of label images: which pixels belong together."""

from dataclasses import dataclass
from typing import Literal

import cc3d
import numpy as np
from jaxtyping import Bool, Float64, Int64, Shaped

Connectivity = Literal[4, 6, 8, 18, 26]
"""Number of pixels or voxels around one that join it: 4 or 8 in an image, 6, 18 or 26 in a volume."""


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """The components seen in a stack of images, image by image."""

    image: Int64[np.ndarray, " components"]
    """Position of the image that the component is seen in, ascending."""

    area_px: Int64[np.ndarray, " components"]
    """Number of pixels in that image."""

    centroid_px: Float64[np.ndarray, "components 2"]
    """Mean ``(y, x)`` of the pixels, in pixels."""

    moments_px: Float64[np.ndarray, "components 3"]
    """Central second moments ``(yy, yx, xx)``, mean over the pixels, in pixels squared."""

    def at_least(self, area_px: int) -> "Components":
        """Return the components of ``area_px`` pixels or more."""
        kept = self.area_px >= area_px
        return Components(self.image[kept], self.area_px[kept], self.centroid_px[kept], self.moments_px[kept])


def image_components(mask: Bool[np.ndarray, "images y x"], *, connectivity: Connectivity = 8) -> Components:
    """Return the components of each image by itself.

    Parameters
    ----------
    mask
        True on the pixels that form components.
    connectivity
        8 joins pixels that meet at a corner, 4 does not.

    Examples
    --------
    >>> found = image_components(np.array([[[1, 0, 0], [0, 1, 0]], [[1, 0, 1], [0, 0, 0]]], bool))
    >>> found.image.tolist(), found.area_px.tolist()
    ([0, 1, 1], [2, 1, 1])
    """
    n_images, height, width = mask.shape
    # The images stand below each other in one, kept apart by an empty row: one pass labels them all.
    padded = np.zeros((n_images, height + 1, width), dtype=bool)
    padded[:, :height] = mask
    labelled = cc3d.connected_components(
        padded.reshape(-1, width), connectivity=connectivity, binary_image=True
    )
    return components_of(labelled.reshape(padded.shape))


def component_numbers(
    mask: Bool[np.ndarray, "z y x"], *, connectivity: Connectivity = 6
) -> Shaped[np.ndarray, "z y x"]:
    """Return the number of the three-dimensional component that each voxel belongs to, 0 for none.

    Parameters
    ----------
    mask
        True on the voxels that form components.
    connectivity
        6 joins voxels that share a face, 18 also an edge, 26 also a corner.
    """
    # cc3d counts in the order of the memory.
    ordered = np.ascontiguousarray(mask)
    return cc3d.connected_components(ordered, connectivity=connectivity, binary_image=True)


def components_of(labelled: Shaped[np.ndarray, "images y x"]) -> Components:
    """Return the components of images whose pixels carry the number of theirs, 0 for none.

    A number that is seen in two images is one component in each. Every sum is of whole numbers and so exact:
    what is measured does not depend on the other images in the stack.

    Examples
    --------
    >>> components_of(np.array([[[7, 7], [0, 7]], [[7, 0], [0, 3]]])).area_px.tolist()
    [3, 1, 1]
    """
    _, height, width = labelled.shape
    flat = labelled.reshape(-1)
    # Comparing first is several times faster: numpy finds the set entries of a mask by words.
    pixel = np.flatnonzero(flat != 0)
    number = flat[pixel].astype(np.int64)
    # Stretches of pixels along x: far fewer than pixels, and sorted instead of them.
    starts = np.ones(len(pixel), dtype=bool)
    starts[1:] = (np.diff(pixel) != 1) | (np.diff(number) != 0) | (pixel[1:] % width == 0)
    first = np.flatnonzero(starts)
    length = np.diff(first, append=len(pixel))
    row, x0 = np.divmod(pixel[first], width)
    image, y = np.divmod(row, height)
    component, home = _in_raster_order(image, number[first])

    def summed(values: np.ndarray) -> Float64[np.ndarray, " components"]:
        return np.bincount(component, weights=values, minlength=len(home)).astype(np.float64, copy=False)

    area = summed(length)
    x_sum = length * x0 + length * (length - 1) // 2
    last = x0 + length - 1
    xx_sum = _squares_up_to(last) - _squares_up_to(x0 - 1)
    centre_y, centre_x = summed(length * y) / area, summed(x_sum) / area
    moments = np.column_stack(
        [
            summed(length * y * y) / area - centre_y**2,
            summed(x_sum * y) / area - centre_y * centre_x,
            summed(xx_sum) / area - centre_x**2,
        ]
    )
    return Components(home, area.astype(np.int64), np.column_stack([centre_y, centre_x]), moments)


def _squares_up_to(n: Int64[np.ndarray, " stretches"]) -> Int64[np.ndarray, " stretches"]:
    return n * (n + 1) * (2 * n + 1) // 6


def _in_raster_order(
    image: Int64[np.ndarray, " stretches"], number: Int64[np.ndarray, " stretches"]
) -> tuple[Int64[np.ndarray, " stretches"], Int64[np.ndarray, " components"]]:
    """Return each stretch's component, counted by first appearance, and each component's image.

    The numbers themselves depend on where in a batch an image stands; the order of appearance does not.
    """
    if number.max(initial=0) > 4 * len(number) or number.min(initial=0) < 0:
        # Numbers of a whole volume's components, or ids of instances, of which those from 2^63 on have become
        # negative: only as many as are seen here need a place in the table.
        number = np.unique(number, return_inverse=True)[1]
    key = image * (number.max(initial=0) + 1) + number
    # Writing backwards leaves the first stretch of each key; a table is faster than sorting the keys.
    first = np.full(key.max(initial=-1) + 1, -1, dtype=np.int64)
    first[key[::-1]] = np.arange(len(key))[::-1]
    appearing = np.sort(first[first >= 0])
    rank = np.zeros_like(first)
    rank[key[appearing]] = np.arange(len(appearing))
    return rank[key], image[appearing]
