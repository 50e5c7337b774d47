"""The semantic features as the original benchmark's code computes them, mistakes included."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float64, Shaped

from mtneuro_probe._shared.masked import check_unmasked
from mtneuro_probe.measures.cells import distance_within
from mtneuro_probe.measures.components import Components, component_numbers, components_of
from mtneuro_probe.measures.label_images import corner_crops

ORIGINAL_COLUMNS = (
    "vessel_density",
    "axon_density",
    "cell_count",
    "cell_size",
    "nearest_neighbour_distance",
    "third_neighbour_distance",
    "cell_percent",
)
"""Columns of the original's tables: the paper's five features first."""

_LONELY = 64.0
_SLICES_AT_ONCE = 8


def original_features(
    labels: Shaped[np.ndarray, "z y x"], *, progress: Callable[[int, int], None] | None = None
) -> Float64[np.ndarray, "crops 7"]:
    """Return the original's numbers for the four corners of each slice, columns as ``ORIGINAL_COLUMNS``.

    Cells are 6-connected components of the whole volume, found before it is cut into corners. With N numbers
    seen in a corner of p pixels:

    - densities are percentages of p, missing for vessels where there are none (the original stops there);
    - ``cell_count`` is N; ``cell_size`` is the mean area in pixels, 0 where N < 2;
    - ``nearest_neighbour_distance`` is the mean over all cells and over both of each cell's two nearest
      centres in pixels, one of which is its own, so half the true mean; 64 where N < 2;
    - ``third_neighbour_distance`` repeats it, and is 0 where N < 2;
    - ``cell_percent`` is 0 but in row N - 1 of every corner that has N ≥ 2 cells, where it is the area of
      that corner's first cell in percent of a whole slice; later corners overwrite. (The original stops
      where N exceeds the number of slices.)

    Raises
    ------
    ValueError
        If the slices are not square.
    """
    check_unmasked(labels, "labels", fill="0")
    n_slices, height, width = labels.shape
    if height != width or height < 2:
        raise ValueError(f"the original definition needs square slices, got {height} x {width} (y, x)")
    numbers = component_numbers(labels == 2, connectivity=6)
    table = np.zeros((4 * n_slices, len(ORIGINAL_COLUMNS)))
    for start in range(0, n_slices, _SLICES_AT_ONCE):
        stop = min(start + _SLICES_AT_ONCE, n_slices)
        crops, seen = corner_crops(labels[start:stop]), corner_crops(numbers[start:stop])
        rows = table[4 * start : 4 * stop]
        for column, value in enumerate((1, 3)):
            rows[:, column] = [100 * np.count_nonzero(crop == value) / crop.size for crop in crops]
        _fill_cells(rows, components_of(seen))
        _misplace_percentages(table, rows[:, 2].astype(int), seen, slice_px=height * width)
        if progress is not None:
            progress(stop, n_slices)
    table[table[:, 0] == 0, 0] = np.nan
    return table


def _fill_cells(rows: Float64[np.ndarray, "crops 7"], cells: Components) -> None:
    count = np.bincount(cells.image, minlength=len(rows))
    many = count > 1
    rows[:, 2] = count
    rows[:, 4] = _LONELY
    crowded = many[cells.image]
    if not crowded.any():
        return
    image = cells.image[crowded]
    distance = distance_within(image, cells.centroid_px[crowded])
    half_mean = np.bincount(image, weights=distance, minlength=len(rows))[many] / (2 * count[many])
    rows[many, 3] = np.bincount(cells.image, weights=cells.area_px, minlength=len(rows))[many] / count[many]
    rows[many, 4] = rows[many, 5] = half_mean


def _misplace_percentages(
    table: np.ndarray, count: np.ndarray, seen: Shaped[np.ndarray, "crops y x"], *, slice_px: int
) -> None:
    # Of the corners with the same number of cells only the last one's entry stays.
    for number in np.unique(count[(count > 1) & (count <= len(table))]):
        corner = seen[np.flatnonzero(count == number)[-1]]
        first = corner[corner > 0].min()
        table[number - 1, 6] = 100 * np.count_nonzero(corner == first) / slice_px
