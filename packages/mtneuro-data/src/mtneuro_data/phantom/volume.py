"""The phantom: three aligned channels of one volume, any box of which is computed on demand."""

from typing import Final

import numpy as np
from jaxtyping import Float32, UInt8

from mtneuro_data.phantom.appearance import GRAIN_SPACING, TEXTURE_SPACING, level_field
from mtneuro_data.phantom.areas import NATIVE_SHAPE, NODE_SPACING, Areas, labels_on
from mtneuro_data.phantom.bundles import bundle_field
from mtneuro_data.phantom.cells import cells_near, draw_cells
from mtneuro_data.phantom.spline import SplineGrid, noise
from mtneuro_data.phantom.tissue import table
from mtneuro_data.phantom.vessels import REACH, draw_vessels, segments_near, vessel_ratio

PHANTOM_VERSION: Final = 1
"""Goes up whenever a voxel of any phantom changes, and belongs in every fingerprint of its data."""

CHANNELS: Final = ("image", "roi_labels", "pixel_labels")
"""The channels, named as those of the real project."""

_BACKGROUND, _VESSEL, _CELL, _AXON = 0, 1, 2, 3
_FAR = np.float32(100)
_TILE = (32, 256, 256)

Box = tuple[int, int, int]
Rendered = dict[str, UInt8[np.ndarray, "z y x"]]


class Phantom:
    """One channel of a procedural thalamocortical volume.

    Every voxel follows from the seed, the shape and its coordinates: boxes may be read in any order, cut
    in any way, by any number of processes, and agree to the last bit. Nothing is stored, so a phantom of
    any size opens at once.

    Parameters
    ----------
    channel
        ``"image"`` (uint8 grey levels, exactly 0 outside the tissue), ``"roi_labels"`` (uint8: 0 outside,
        1 cortex, 2 striatum, 3 thalamic reticular nucleus, 4 ventral posterior nucleus, 5 zona incerta,
        6 internal capsule, 7 hypothalamus, 8 corpus callosum) or ``"pixel_labels"`` (uint8: 0 background,
        1 vessel, 2 cell, 3 axon).
    shape
        Size in voxels, ``(z, y, x)``. The areas' outlines are stretched to it; cells, vessels and bundles
        keep their size in micrometres.
    seed
        Another seed gives another animal.

    Raises
    ------
    ValueError
        If there is no such channel, or the shape is not three positive sizes, or the seed is negative.

    Examples
    --------
    >>> image = Phantom("image")
    >>> image.shape, image.dtype, image.voxel_size_um
    ((720, 1420, 5805), dtype('uint8'), (1.17, 1.17, 1.17))
    >>> image.read((159, 900, 4600), (160, 964, 4664)).shape
    (1, 64, 64)
    >>> Phantom("roi_labels").read((159, 900, 4600), (160, 901, 4601)).item()
    1
    """

    version: Final = PHANTOM_VERSION
    voxel_size_um: Final = (1.17, 1.17, 1.17)

    def __init__(self, channel: str, *, shape: Box = NATIVE_SHAPE, seed: int = 0) -> None:
        if channel not in CHANNELS:
            raise ValueError(f"channel must be one of {', '.join(CHANNELS)}, got {channel!r}")
        if len(shape) != 3 or any(size < 1 for size in shape):
            raise ValueError(f"shape must be three positive sizes (z, y, x), got {tuple(shape)}")
        if seed < 0:
            raise ValueError(f"seed must be 0 or more, got {seed}")
        self.channel = channel
        self.shape: Box = (int(shape[0]), int(shape[1]), int(shape[2]))
        self.seed = int(seed)
        self.dtype = np.dtype(np.uint8)
        self._areas = Areas(self.shape, seed=self.seed)

    def __repr__(self) -> str:
        return f"Phantom({self.channel!r}, shape={self.shape}, seed={self.seed})"

    def read(self, lower: Box, upper: Box) -> UInt8[np.ndarray, "z y x"]:
        """Return the voxels of a half-open box.

        Parameters
        ----------
        lower, upper
            First voxel, and the voxel after the last, on each axis ``(z, y, x)``.

        Raises
        ------
        ValueError
            If the box is empty or reaches out of the volume.
        """
        return self._read(lower, upper, (self.channel,))[self.channel]

    def read_all(self, lower: Box, upper: Box) -> Rendered:
        """Return all three channels of a half-open box by name, computing their common geometry once."""
        return self._read(lower, upper, CHANNELS)

    def _read(self, lower: Box, upper: Box, channels: tuple[str, ...]) -> Rendered:
        if len(lower) != 3 or len(upper) != 3:
            raise ValueError(f"a box needs (z, y, x) corners, got {tuple(lower)} and {tuple(upper)}")
        for axis, lo, hi, size in zip("zyx", lower, upper, self.shape, strict=True):
            if not 0 <= lo < hi <= size:
                raise ValueError(
                    f"{axis} range must be non-empty and lie within [0, {size}), got [{lo}, {hi})"
                )
        lower, upper = (
            (int(lower[0]), int(lower[1]), int(lower[2])),
            (int(upper[0]), int(upper[1]), int(upper[2])),
        )
        size = tuple(hi - lo for lo, hi in zip(lower, upper, strict=True))
        result = {name: np.empty(size, dtype=np.uint8) for name in channels}
        # Tiles keep the memory for intermediate fields at that of one tile, whatever is asked for.
        for z in range(lower[0], upper[0], _TILE[0]):
            for y in range(lower[1], upper[1], _TILE[1]):
                for x in range(lower[2], upper[2], _TILE[2]):
                    start = (z, y, x)
                    stop = (
                        min(z + _TILE[0], upper[0]),
                        min(y + _TILE[1], upper[1]),
                        min(x + _TILE[2], upper[2]),
                    )
                    place = tuple(slice(a - lo, b - lo) for a, b, lo in zip(start, stop, lower, strict=True))
                    for name, voxels in self._tile(start, stop, channels).items():
                        result[name][place] = voxels
        return result

    def _tile(self, lower: Box, upper: Box, channels: tuple[str, ...]) -> Rendered:
        """Return the wanted channels of a box small enough to hold its intermediate fields."""
        grid = SplineGrid(lower, upper, spacing=NODE_SPACING)
        nodes = self._areas.at(*grid.coordinates)
        roi = labels_on(grid, nodes)
        done: Rendered = {"roi_labels": roi}
        if channels == ("roi_labels",):
            return done
        if not nodes.any():
            return {name: np.zeros_like(roi) for name in channels}
        size = roi.shape
        vessel = np.full(size, _FAR)
        draw_vessels(segments_near(self.seed, self._areas, lower, upper), lower, vessel)
        cell = np.full(size, _FAR)
        cell_ratio = np.ones(size, dtype=np.float32)
        draw_cells(cells_near(self.seed, self._areas, lower, upper), lower, cell, cell_ratio)
        axon = self._axon_field(grid, nodes, roi, lower, upper)
        if "pixel_labels" in channels:
            done["pixel_labels"] = _pixel_labels(roi, vessel, cell, axon)
        if "image" in channels:
            level = grid.field(
                level_field(self.seed, self._areas, nodes, *grid.coordinates).astype(np.float32)
            )
            done["image"] = self._image(lower, upper, roi, level, vessel, cell_ratio, axon)
        return {name: done[name] for name in channels}

    def _axon_field(
        self,
        grid: SplineGrid,
        nodes: UInt8[np.ndarray, "nz ny nx"],
        roi: UInt8[np.ndarray, "z y x"],
        lower: Box,
        upper: Box,
    ) -> Float32[np.ndarray, "z y x"] | None:
        """Return how far inside an axon bundle each voxel is, or None where no area has axons."""
        if not table("axons")[np.unique(nodes)].any():
            return None
        field = grid.field(bundle_field(self.seed, nodes, *grid.coordinates).astype(np.float32))
        grain = table("grain")[roi]
        if grain.any():
            grain *= noise(self.seed, 8, lower, upper, spacing=GRAIN_SPACING)
            field += grain
        return field

    def _image(
        self,
        lower: Box,
        upper: Box,
        roi: UInt8[np.ndarray, "z y x"],
        level: Float32[np.ndarray, "z y x"],
        vessel: Float32[np.ndarray, "z y x"],
        cell_ratio: Float32[np.ndarray, "z y x"],
        axon: Float32[np.ndarray, "z y x"] | None,
    ) -> UInt8[np.ndarray, "z y x"]:
        """Return grey levels from the geometry."""
        grey = level
        if axon is not None:
            # Bundles fade in over their outline rather than step.
            bright = np.clip(axon * np.float32(1.6) + np.float32(0.5), 0, 1.25)
            bright *= table("axon_gain")[roi]
            bright += np.float32(1)
            grey *= bright
        texture = noise(self.seed, 9, lower, upper, spacing=TEXTURE_SPACING)
        texture *= table("texture")[roi]
        grey += texture
        grey *= cell_ratio
        near = np.flatnonzero(vessel < REACH)
        flat = grey.reshape(-1)
        flat[near] *= vessel_ratio(vessel.reshape(-1)[near])
        np.clip(grey, 0, 255, out=grey)
        np.rint(grey, out=grey)
        image = grey.astype(np.uint8)
        image[roi == 0] = 0
        return image


def _pixel_labels(
    roi: UInt8[np.ndarray, "z y x"],
    vessel: Float32[np.ndarray, "z y x"],
    cell: Float32[np.ndarray, "z y x"],
    axon: Float32[np.ndarray, "z y x"] | None,
) -> UInt8[np.ndarray, "z y x"]:
    """Return the class of each voxel; a vessel hides a cell, and a cell an axon."""
    labels = np.full(roi.shape, _BACKGROUND, dtype=np.uint8)
    if axon is not None:
        labels[(axon > 0) & table("axons").astype(bool)[roi]] = _AXON
    labels[cell < 0] = _CELL
    labels[vessel < 0] = _VESSEL
    labels[roi == 0] = _BACKGROUND
    return labels
