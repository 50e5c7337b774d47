"""Semantic features: what an expert would count in a label image."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pandas as pd
from jaxtyping import Float, Integer
from scipy.spatial import KDTree

from mtneuro_probe.components import Components, image_components

FEATURES = (
    "vessel_density",
    "axon_density",
    "cell_count",
    "cell_size",
    "nearest_neighbour_distance",
)
"""Columns of the table, in the order of the paper's Table 3."""

FEATURE_UNITS: Mapping[str, str] = MappingProxyType(
    {
        "vessel_density": "fraction",
        "axon_density": "fraction",
        "cell_count": "cells",
        "cell_size": "µm²",
        "nearest_neighbour_distance": "µm",
    }
)
"""Unit of each feature."""

LABEL_VALUES: Mapping[str, int] = MappingProxyType({"vessel": 1, "cell": 2, "axon": 3})
"""What the label values mean, as BossDB codes them; 0 is background."""

_PIXELS_AT_ONCE = 1 << 21


def semantic_features(
    labels: Integer[np.ndarray, "images y x"],
    *,
    sample_id: Sequence[str] | np.ndarray | None = None,
    voxel_size_um: Sequence[float] | Float[np.ndarray, "3"] = (1.17, 1.17, 1.17),
    label_values: Mapping[str, int] = LABEL_VALUES,
    ignore: Sequence[int] = (),
    minimum_area_px: int = 1,
    neighbour: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Return the five features of the paper's Task 3 for each label image.

    Cells are the 8-connected components of the cell label within one image. With p pixels in an
    image, of which p_v are vessel and p_a axon, and cells of areas A_i with centroids c_i,

    - ``vessel_density`` = p_v / p and ``axon_density`` = p_a / p, fractions of the image;
    - ``cell_count`` = the number N of cells;
    - ``cell_size`` = mean of A_i in µm², missing where there is no cell;
    - ``nearest_neighbour_distance`` = mean over i of the distance from c_i to its nearest other
      c_j in µm, missing where there are fewer than two cells.

    Parameters
    ----------
    labels
        Label images, 0 = background.
    sample_id
        Ids of the images, the table's index. By default ``labels/z0``, ``labels/z1``, …
    voxel_size_um
        Voxel size ``(z, y, x)`` in micrometres.
    label_values
        The value of ``vessel``, ``cell`` and ``axon``. A name that is left out was not annotated: its
        features are missing throughout.
    ignore
        Further label values that may be there and count as background.
    minimum_area_px
        Smaller components of the cell label are no cells. Densities count every pixel.
    neighbour
        Which neighbour the distance goes to; 1 is the nearest. An image needs more cells than this.
    progress
        Called with the number of images done and of all images.

    Returns
    -------
    features
        A float64 column a feature, a row an image, NaN where a feature is missing.

    Raises
    ------
    ValueError
        If the labels are no stack of integer images or hold a value that nothing names, or a setting is
        outside its range.

    Notes
    -----
    A cell cut by the edge of the image counts as the part that is seen, and cells outside
    are no neighbours: sizes are lower and distances upper bounds near the edge. Source: the paper,
    section 4.3 and appendix 5.

    Examples
    --------
    Two cells of one pixel each, 3 pixels apart, and a vessel of two pixels:

    >>> image = np.zeros((1, 4, 5), np.uint8)
    >>> image[0, 0, [0, 3]] = 2
    >>> image[0, 3, :2] = 1
    >>> semantic_features(image, voxel_size_um=(2, 2, 2)).iloc[0].to_dict()
    {'vessel_density': 0.1, 'axon_density': 0.0, 'cell_count': 2.0, 'cell_size': 4.0,
    'nearest_neighbour_distance': 6.0}
    """
    spacing = _checked(labels, voxel_size_um, minimum_area_px, neighbour)
    values = _named_values(label_values)
    index = _checked_index(sample_id, len(labels))
    table = np.full((len(labels), len(FEATURES)), np.nan)
    step = max(1, _PIXELS_AT_ONCE // (labels.shape[1] * labels.shape[2]))
    for start in range(0, len(labels), step):
        batch = labels[start : start + step]
        _check_values(batch, values, ignore)
        rows = table[start : start + step]
        for column, name in enumerate(("vessel", "axon")):
            if name in values:
                rows[:, column] = [np.count_nonzero(image == values[name]) / image.size for image in batch]
        if "cell" in values:
            cells = image_components(batch == values["cell"], minimum_area_px=minimum_area_px)
            rows[:, 2:] = _cell_features(cells, len(batch), spacing=spacing, neighbour=neighbour)
        if progress is not None:
            progress(min(start + step, len(labels)), len(labels))
    return pd.DataFrame(table, columns=list(FEATURES), index=index)


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
    if neighbour < 1:
        raise ValueError(f"neighbour must be at least 1, the closest, got {neighbour}")
    if len(centroids) <= neighbour:
        raise ValueError(
            f"need at least {neighbour + 1} cells to have neighbour {neighbour}, got {len(centroids)}"
        )
    if not np.isfinite(centroids).all():
        raise ValueError("centroids must be finite, got nan or inf")
    # The closest hit to a point in its own tree is itself.
    distance = np.asarray(KDTree(centroids).query(centroids, k=neighbour + 1)[0])
    return distance[:, neighbour]


def _cell_features(
    cells: Components, n_images: int, *, spacing: Float[np.ndarray, "2"], neighbour: int
) -> Float[np.ndarray, "images 3"]:
    """Return count, mean area and mean neighbour distance of each image's cells."""
    count = np.bincount(cells.image, minlength=n_images)
    area = np.bincount(cells.image, weights=cells.area_px, minlength=n_images)
    table = np.full((n_images, 3), np.nan)
    table[:, 0] = count
    np.divide(area * spacing.prod(), count, out=table[:, 1], where=count > 0)
    # One tree for all images: an axis across images, longer than any distance inside one, keeps each
    # image's cells to themselves.
    crowded = count[cells.image] > neighbour
    if crowded.any():
        image, centre = cells.image[crowded], cells.centroid_px[crowded] * spacing
        apart = 2 * float(np.linalg.norm(centre.max(axis=0))) + 1
        distance = nearest_neighbour_distance(np.column_stack([centre, image * apart]), neighbour=neighbour)
        total = np.bincount(image, weights=distance, minlength=n_images)
        np.divide(total, count, out=table[:, 2], where=count > neighbour)
    return table


def _checked(
    labels: np.ndarray, voxel_size_um: Sequence[float] | np.ndarray, minimum_area_px: int, neighbour: int
) -> Float[np.ndarray, "2"]:
    """Return the spacing ``(y, x)``, or raise where an argument is outside its range."""
    if labels.ndim != 3 or 0 in labels.shape:
        raise ValueError(f"labels must be a stack of images (images, y, x), got shape {labels.shape}")
    if labels.dtype.kind not in "ui":
        raise ValueError(f"labels must be integers, got {labels.dtype}")
    size = np.asarray(voxel_size_um, dtype=np.float64)
    if size.shape != (3,) or not np.isfinite(size).all() or (size <= 0).any():
        raise ValueError(f"voxel_size_um must be three positive numbers (z, y, x), got {voxel_size_um}")
    if minimum_area_px < 1:
        raise ValueError(f"minimum_area_px must be at least 1 pixel, got {minimum_area_px}")
    if neighbour < 1:
        raise ValueError(f"neighbour must be at least 1, the nearest, got {neighbour}")
    return size[1:]


def _named_values(label_values: Mapping[str, int]) -> dict[str, int]:
    for name, value in label_values.items():
        if name not in LABEL_VALUES:
            near = difflib.get_close_matches(name, LABEL_VALUES, n=1)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"label_values may name {', '.join(LABEL_VALUES)}, got {name!r}{meant}")
        if value == 0:
            raise ValueError(f"label value 0 is the background and cannot be {name!r}")
    if not label_values:
        raise ValueError("label_values must name at least one label, got none")
    if len(set(label_values.values())) < len(label_values):
        raise ValueError(f"label_values must differ, got {dict(label_values)}")
    return dict(label_values)


def _checked_index(sample_id: Sequence[str] | np.ndarray | None, n_images: int) -> pd.Index:
    ids = (
        [f"labels/z{z}" for z in range(n_images)] if sample_id is None else [str(name) for name in sample_id]
    )
    if len(ids) != n_images:
        raise ValueError(f"sample_id must have one id an image, got {len(ids)} for {n_images} images")
    index = pd.Index(ids, name="sample_id", dtype=object)
    if index.has_duplicates:
        raise ValueError(f"sample_id must name each image once, got twice: {index[index.duplicated()][0]}")
    return index


def _check_values(labels: np.ndarray, values: Mapping[str, int], ignore: Sequence[int]) -> None:
    allowed = sorted({0, *values.values(), *ignore})
    # Comparing and counting is many times faster than finding the unique values.
    if sum(np.count_nonzero(labels == value) for value in allowed) < labels.size:
        unknown = np.setdiff1d(np.unique(labels), allowed)
        named = ", ".join(f"{value} {name}" for name, value in values.items())
        raise ValueError(
            f"labels may hold 0 background, {named}; got also {', '.join(map(str, unknown[:10]))}; "
            "name what they are in label_values, or list them in ignore"
        )
