"""Where the eight areas lie: outlines traced on real tissue, bent smoothly from slice to slice."""

import json
from functools import cache
from importlib.resources import files
from typing import TypedDict

import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt8

from mtneuro_data.phantom.spline import SplineGrid, point_noise

NATIVE_SHAPE = (720, 1420, 5805)
"""The real volume, ``(z, y, x)``, in whose coordinates the outlines are traced."""

AREA_NAMES = ("outside", "CTX", "STR", "TRN", "VP", "ZI", "IC", "HYP", "CC")
"""Areas in the order of their labels 0 to 8."""

NODE_SPACING = (4, 4, 4)
"""Voxels between the places where areas and other slow fields are evaluated."""

_MAP_STEP = 4
_WINDOW = ((352, 1188), (912, 5640))  # where the areas were traced; outside, the nearest place inside counts
_DRIFT_VOXELS = 14.0
_DRIFT_PERIOD = (150.0, 500.0, 700.0)
_FRINGE_VOXELS = 4.0
_FRINGE_PERIOD = 22.0


class Outlines(TypedDict):
    """The measured outlines and grey levels, as the package's data file holds them."""

    areas: dict[str, list[list[int]]]
    tissue: list[list[int]]
    levels: dict[str, list[list[float]]]


@cache
def outlines() -> Outlines:
    """Return the measured outlines and grey levels."""
    return json.loads(files("mtneuro_data.phantom").joinpath("outlines.json").read_text(encoding="utf-8"))


def _inside(polygon: list[list[int]]) -> Bool[np.ndarray, "y x"]:
    """Return which places of the coarse map lie inside a polygon, by the parity of crossings."""
    height, width = (-(-size // _MAP_STEP) for size in NATIVE_SHAPE[1:])
    x = np.arange(width) * float(_MAP_STEP)
    inside = np.zeros((height, width), dtype=bool)
    edges = list(zip(polygon, polygon[1:] + polygon[:1], strict=True))
    for row in range(height):
        y = row * _MAP_STEP + 0.5  # never level with a corner
        for (x0, y0), (x1, y1) in edges:
            if (y0 > y) != (y1 > y):
                inside[row] ^= x < x0 + (y - y0) * (x1 - x0) / (y1 - y0)
    return inside


@cache
def _area_map() -> UInt8[np.ndarray, "y x"]:
    """Return the label of every fourth pixel of the reference slice."""
    traced = outlines()
    labels = np.zeros(tuple(-(-size // _MAP_STEP) for size in NATIVE_SHAPE[1:]), dtype=np.uint8)
    for label, name in enumerate(AREA_NAMES[1:], start=1):
        labels[_inside(traced["areas"][name]) & (labels == 0)] = label
    for axis in (0, 1, 0, 1, 0, 1, 0, 1):  # fills the slits that neighbouring outlines leave
        for step in (1, -1):
            near = np.roll(labels, step, axis=axis)
            labels[labels == 0] = near[labels == 0]
    (top, bottom), (left, right) = _WINDOW
    rows = np.clip(np.arange(labels.shape[0]), top // _MAP_STEP, bottom // _MAP_STEP)
    columns = np.clip(np.arange(labels.shape[1]), left // _MAP_STEP, right // _MAP_STEP)
    labels = labels[rows][:, columns]
    labels[~_inside(traced["tissue"])] = 0
    labels.setflags(write=False)
    return labels


class Areas:
    """The areas of one phantom.

    Parameters
    ----------
    shape
        Size of the volume in voxels, ``(z, y, x)``; the outlines are stretched to it.
    seed
        Seed of the outlines' drift.

    Examples
    --------
    >>> areas = Areas((720, 1420, 5805), seed=0)
    >>> AREA_NAMES[areas.labels((159, 1000, 4700), (160, 1001, 4701)).item()]
    'CTX'
    """

    def __init__(self, shape: tuple[int, int, int], *, seed: int) -> None:
        self._seed = seed
        self._scale = [native / size for native, size in zip(NATIVE_SHAPE, shape, strict=True)]

    def native(
        self, z: Float64[np.ndarray, "..."], y: Float64[np.ndarray, "..."], x: Float64[np.ndarray, "..."]
    ) -> tuple[Float64[np.ndarray, "..."], Float64[np.ndarray, "..."], Float64[np.ndarray, "..."]]:
        """Return positions in the reference slice, ``(z, y, x)``, for voxels of this phantom."""
        z, y, x = (axis * scale for axis, scale in zip((z, y, x), self._scale, strict=True))
        place = [axis / period for axis, period in zip((z, y, x), _DRIFT_PERIOD, strict=True)]
        far_y, far_x = point_noise(self._seed, 1, *place, fields=2)
        # Neighbouring areas reach into one another by a few cells' widths.
        place = [axis / _FRINGE_PERIOD for axis in (z, y, x)]
        near_y, near_x = point_noise(self._seed, 2, *place, fields=2)
        return (
            z,
            y + _DRIFT_VOXELS * far_y + _FRINGE_VOXELS * near_y,
            x + _DRIFT_VOXELS * far_x + _FRINGE_VOXELS * near_x,
        )

    def at(
        self, z: Float64[np.ndarray, "..."], y: Float64[np.ndarray, "..."], x: Float64[np.ndarray, "..."]
    ) -> UInt8[np.ndarray, "..."]:
        """Return the labels at single positions, given in voxels."""
        _, row, column = self.native(z, y, x)
        return self.at_native(row, column)

    def at_native(
        self, row: Float64[np.ndarray, "..."], column: Float64[np.ndarray, "..."]
    ) -> UInt8[np.ndarray, "..."]:
        """Return the labels at positions in the reference slice."""
        labels = _area_map()
        rows, columns = labels.shape
        i: Int64[np.ndarray, "..."] = np.floor(row / _MAP_STEP + 0.5).astype(np.int64)
        j: Int64[np.ndarray, "..."] = np.floor(column / _MAP_STEP + 0.5).astype(np.int64)
        beyond = (i < 0) | (i >= rows) | (j < 0) | (j >= columns)
        found = labels[np.clip(i, 0, rows - 1), np.clip(j, 0, columns - 1)]
        return np.where(beyond, np.uint8(0), found)

    def labels(self, lower: tuple[int, int, int], upper: tuple[int, int, int]) -> UInt8[np.ndarray, "z y x"]:
        """Return the label of each voxel of a box."""
        grid = SplineGrid(lower, upper, spacing=NODE_SPACING)
        return labels_on(grid, self.at(*grid.coordinates))


def labels_on(grid: SplineGrid, nodes: UInt8[np.ndarray, "nz ny nx"]) -> UInt8[np.ndarray, "z y x"]:
    """Return the label whose smoothed indicator is greatest at each voxel, given the labels of the nodes."""
    present = np.unique(nodes)
    best: np.ndarray | None = None
    result = np.zeros((0,), dtype=np.uint8)
    for label in present:
        if len(present) == 1:
            size = grid.box
            return np.full(size, label, dtype=np.uint8)
        share = grid.field((nodes == label).astype(np.float32))
        if best is None:
            best, result = share, np.full(share.shape, label, dtype=np.uint8)
        else:
            won = share > best
            result[won] = label
            np.maximum(best, share, out=best)
    return result
