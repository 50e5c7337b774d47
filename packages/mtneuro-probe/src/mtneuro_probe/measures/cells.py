"""Number, size, spacing and shape of cells, and of any label whose connected components are objects."""

import numpy as np
from jaxtyping import Float, Float64, Int64

from mtneuro_probe._shared.masked import check_unmasked
from mtneuro_probe.measures.label_images import LabelImages


def count(images: LabelImages, label: str) -> Float64[np.ndarray, " images"]:
    """Return the number of the label's components in each image."""
    return np.bincount(images.components(label).image, minlength=len(images)).astype(np.float64)


def mean_size(images: LabelImages, label: str) -> Float64[np.ndarray, " images"]:
    """Return the mean area of the components in µm², NaN where there is none."""
    return _mean(images, label, images.components(label).area_px * images.spacing_um.prod())


def mean_neighbour_distance(images: LabelImages, label: str) -> Float64[np.ndarray, " images"]:
    """Return the mean distance between a component's centre and its neighbour's in µm, NaN for too few."""
    found = images.components(label)
    crowded = np.bincount(found.image, minlength=len(images))[found.image] > images.neighbour
    distance = np.full(len(found.image), np.nan)
    if crowded.any():
        centre = found.centroid_px[crowded] * images.spacing_um
        distance[crowded] = distance_within(found.image[crowded], centre, neighbour=images.neighbour)
    return _mean(images, label, distance)


def mean_eccentricity(images: LabelImages, label: str) -> Float64[np.ndarray, " images"]:
    """Return the mean eccentricity of the components, 0 for round ones, NaN where there is none.

    Of the ellipse with the component's second moments: (1 - l₂ / l₁)^½ with the moments' eigenvalues l₁ ≥ l₂.
    R. M. Haralick and L. G. Shapiro (1992), Computer and Robot Vision, vol. 1, Addison-Wesley, section 3.2.
    """
    y, x = images.spacing_um
    yy, yx, xx = (images.components(label).moments_px * [y * y, y * x, x * x]).T
    middle, spread = (yy + xx) / 2, np.hypot((yy - xx) / 2, yx)
    largest = middle + spread
    # A component of one pixel counts as round.
    ratio = np.divide(middle - spread, largest, out=np.ones_like(largest), where=largest > 0)
    return _mean(images, label, np.sqrt(np.clip(1 - ratio, 0, 1)))


def distance_within(
    image: Int64[np.ndarray, " cells"], centre: Float64[np.ndarray, "cells 2"], *, neighbour: int = 1
) -> Float64[np.ndarray, " cells"]:
    """Return each cell's distance to its neighbour in the same image; every image has more than that many."""
    # One tree for all images: on a further axis they lie farther apart than any two cells of one image.
    apart = 2 * float(np.linalg.norm(centre.max(axis=0))) + 1
    return nearest_neighbour_distance(np.column_stack([centre, image * apart]), neighbour=neighbour)


def nearest_neighbour_distance(
    centroids: Float[np.ndarray, "cells axes"], *, neighbour: int = 1
) -> Float[np.ndarray, " cells"]:
    """Return each cell's distance to its closest other cell, or to a farther neighbour.

    Parameters
    ----------
    centroids
        Cell centres in micrometres. Scale voxel centroids by the voxel size first.
    neighbour
        1 for the closest other cell, 2 for the next, …

    Raises
    ------
    ValueError
        If there are not more cells than ``neighbour``, or a coordinate is not finite.

    Examples
    --------
    >>> nearest_neighbour_distance(np.array([[0.0, 0], [3, 4], [3, 5]]))
    array([5., 1., 1.])
    """
    from scipy.spatial import KDTree  # takes a third of a second to load, and few need it

    if neighbour < 1:
        raise ValueError(f"neighbour must be at least 1, the closest, got {neighbour}")
    if len(centroids) <= neighbour:
        raise ValueError(
            f"need at least {neighbour + 1} cells to have neighbour {neighbour}, got {len(centroids)}"
        )
    check_unmasked(centroids, "centroids")
    if not np.isfinite(centroids).all():
        raise ValueError("centroids must be finite, got nan or inf")
    # An unbalanced tree is built twice as fast, and is searched only once. The closest is the cell itself.
    tree = KDTree(centroids, balanced_tree=False, compact_nodes=False)
    distance = np.asarray(tree.query(centroids, k=neighbour + 1)[0])
    return distance[:, neighbour]


def _mean(
    images: LabelImages, label: str, values: Float[np.ndarray, " components"]
) -> Float64[np.ndarray, " images"]:
    """Return the mean of a value over each image's components, NaN where there is none."""
    image = images.components(label).image
    number = np.bincount(image, minlength=len(images))
    total = np.bincount(image, weights=values, minlength=len(images))
    return np.divide(total, number, out=np.full(len(images), np.nan), where=number > 0)
