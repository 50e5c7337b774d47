"""Grey levels: the background's level and texture, how strong each part is, and the scanner's faults."""

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64, UInt8

from mtneuro_data.phantom.areas import NATIVE_SHAPE, outlines
from mtneuro_data.phantom.lattice import site_hash, uniforms
from mtneuro_data.phantom.spline import point_noise
from mtneuro_data.phantom.tissue import TISSUES, table

TEXTURE_SPACING = (2.3, 3.3, 1.7)
"""Lattice spacing of the background texture, ``(z, y, x)`` in voxels, from its measured autocorrelation."""

GRAIN_SPACING = (3.6, 4.4, 2.4)
"""Lattice spacing of the granular fibre of VP and ZI."""

_ANCHOR_WIDTH = 130.0
_ANCHOR_SLICE = 159.0
_PLACE_PERIOD = (200.0, 500.0, 500.0)
_LEVEL_DRIFT = 0.025
_GRANULAR_DRIFT = 0.1
_CONTRAST_DRIFT = 0.1
_BLUR = 0.21
_BLUR_DRIFT = 0.35
_NOISE_DRIFT = 0.1
_PATCH_LEVEL = 0.03
_PATCH_TEXTURE = 0.05
_BAND_ROW = 761.0
_DEAD_SHARE = 1 / 40
_DEAD_DEPTH = 97.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Appearance:
    """How strong each part of the appearance is: 1 as measured on real slices, 0 switched off.

    None of them changes a label, so the same phantom can be shown with and without each.

    Raises
    ------
    ValueError
        If a strength is negative or not finite.

    Examples
    --------
    >>> Appearance(texture=0.5, dead_columns=0).texture
    0.5
    """

    texture: float = 1.0
    """Band-limited texture and fibres of the background."""
    contrast: float = 1.0
    """Cells, vessels and axons against their background; at 0 they are invisible."""
    noise: float = 1.0
    """The scanner's noise, independent from voxel to voxel."""
    halo: float = 1.0
    """The bright rim that phase contrast puts around vessels and cells."""
    drift: float = 1.0
    """How much level, contrast, blur, noise and texture shift from place to place."""
    ring_band: float = 1.0
    """Short vertical bars about the rotation axis."""
    dead_columns: float = 1.0
    """How often a slice has a dark column of one pixel, in units of once in 40 slices."""

    def __post_init__(self) -> None:
        for field in fields(self):
            strength = getattr(self, field.name)
            if not (np.isfinite(strength) and strength >= 0):
                raise ValueError(f"{field.name} must be a strength of 0 or more, got {strength}")

    def ratio(self, measured: Float32[np.ndarray, "..."]) -> Float32[np.ndarray, "..."]:
        """Return a structure's brightness ratio at this contrast and halo."""
        if self.contrast == 1 and self.halo == 1:
            return measured
        away = measured - np.float32(1)
        away *= np.where(away > 0, np.float32(self.contrast * self.halo), np.float32(self.contrast))
        return away + np.float32(1)


class SlowFields(NamedTuple):
    """What changes slowly through the volume."""

    level: Float[np.ndarray, "..."]
    """The background's grey level."""
    texture: Float[np.ndarray, "..."]
    """The strength of texture, 1 on average."""
    axons: Float[np.ndarray, "..."]
    """The same of axons."""
    granular: Float[np.ndarray, "..."]
    """How much more granular than fibrous the texture is than on average."""
    contrast: Float[np.ndarray, "..."]
    """The contrast of cells and vessels, 1 on average."""
    blur: Float[np.ndarray, "..."]
    """The weight of a voxel's neighbours above and below; those on its sides have half of it."""
    noise: Float[np.ndarray, "..."]
    """The strength of the scanner's noise, 1 on average."""


def slow_fields(
    seed: int,
    drift: float,
    labels: UInt8[np.ndarray, "..."],
    z: Float64[np.ndarray, "..."],
    row: Float64[np.ndarray, "..."],
    column: Float64[np.ndarray, "..."],
) -> SlowFields:
    """Return how a box's places differ.

    At z=159 the levels are those measured on the 16 cubes, interpolated between the cubes with weights that
    fall with distance. Away from that slice they drift by a few per cent. Everything else shifts everywhere,
    by as much as the 16 cubes differ; level and texture also vary a little from patch to patch.
    """
    level = np.full(labels.shape, 110.0)
    strength = np.ones(labels.shape)
    for name, anchors in outlines()["levels"].items():
        chosen = np.array([tissue.level == name for tissue in TISSUES])[labels]
        if not chosen.any():
            continue
        mean = sum(mode for _, _, mode, _ in anchors) / len(anchors)
        modes = np.zeros(labels.shape)
        textures = np.zeros(labels.shape)
        weights = np.zeros(labels.shape)
        for anchor_row, anchor_column, mode, texture in anchors:
            far = (row - anchor_row) * (row - anchor_row) + (column - anchor_column) * (
                column - anchor_column
            )
            near = 1 / (1 + far / _ANCHOR_WIDTH**2)
            weight = near * near
            modes += weight * (mode - mean)
            textures += weight * (texture - 1)
            weights += weight
        level[chosen] = mean + drift * (modes / weights)[chosen]
        strength[chosen] += drift * (textures / weights)[chosen]
    level *= table("background")[labels]
    (here,) = point_noise(seed, 7, z / 90, row / 400, column / 400)
    (there,) = point_noise(seed, 7, np.full((1,), _ANCHOR_SLICE / 90), row / 400, column / 400)
    level *= 1 + _LEVEL_DRIFT * drift * (here - there)
    place = [axis / period for axis, period in zip((z, row, column), _PLACE_PERIOD, strict=True)]
    shifts = [
        drift * shift for stream in (70, 71, 72) for shift in point_noise(seed, stream, *place, fields=2)
    ]
    strength *= 1 + table("texture_variety")[labels] * shifts[0]
    # Within a cube, too, one patch of tissue differs from the next.
    patch = point_noise(seed, 10, z / 100, row / 160, column / 160, fields=2)
    level *= 1 + _PATCH_LEVEL * drift * patch[0]
    strength += _PATCH_TEXTURE * drift * patch[1]
    # Some bundles are bright cords, others hardly differ from what they run through.
    (bright,) = point_noise(seed, 17, z / 80, row / 120, column / 120)
    axons = np.clip(1 + table("axon_drift")[labels] * drift * bright, 0.25, 1.6).astype(np.float64)
    # Where fibres run through the slice, or every way, it looks granular.
    (granular,) = point_noise(seed, 18, z / 90, row / 130, column / 130)
    granular = table("granular")[labels] * drift * granular + _GRANULAR_DRIFT * shifts[1]
    return SlowFields(
        level=level,
        texture=np.maximum(strength, 0.4),
        axons=axons,
        granular=np.clip(granular, -0.6, 0.6).astype(np.float64),
        contrast=np.maximum(1 + _CONTRAST_DRIFT * shifts[2], 0.5).astype(np.float64),
        blur=_BLUR * np.clip(1 + _BLUR_DRIFT * shifts[3], 0, 3).astype(np.float64),
        noise=np.maximum(1 + _NOISE_DRIFT * shifts[4], 0).astype(np.float64),
    )


def add_scanner_faults(
    image: Float32[np.ndarray, "z y x"],
    seed: int,
    appearance: Appearance,
    shape: tuple[int, int, int],
    lower: tuple[int, int, int],
) -> None:
    """Add the ring band's bars and the dead columns to a box's grey levels, in place."""
    z, y, x = (np.arange(lo, lo + int(size)) for lo, size in zip(lower, image.shape, strict=True))
    if appearance.ring_band > 0:
        image += np.float32(appearance.ring_band) * _ring_bars(seed, shape, z, y, x)
    if appearance.dead_columns > 0:
        chance, column = uniforms(site_hash(seed, 11, z, z * 0, z * 0), 2)
        place = np.floor(column.astype(np.float64) * shape[2]).astype(np.int64)
        for number in np.flatnonzero(chance < _DEAD_SHARE * appearance.dead_columns):
            image[number][:, x == place[number]] -= np.float32(_DEAD_DEPTH)


def _ring_bars(
    seed: int,
    shape: tuple[int, int, int],
    z: Int64[np.ndarray, " z"],
    y: Int64[np.ndarray, " y"],
    x: Int64[np.ndarray, " x"],
) -> Float32[np.ndarray, "z y x"]:
    """Return bars 1 or 2 voxels wide and 20 to 60 tall about the row of the rotation axis."""
    site = (z[:, None, None] // 6, np.zeros((1, 1), dtype=np.int64), x // 2)
    chance, height, strength = uniforms(site_hash(seed, 12, *site), 3)
    half = np.float32(10) + np.float32(20) * height
    depth = np.where(chance < np.float32(0.12), np.float32(36) * (strength - np.float32(0.5)), np.float32(0))
    centre = np.float32(_BAND_ROW * shape[1] / NATIVE_SHAPE[1])
    away = (y[:, None].astype(np.float32) - centre) / half
    return depth * np.maximum(np.float32(1) - away * away, np.float32(0))
