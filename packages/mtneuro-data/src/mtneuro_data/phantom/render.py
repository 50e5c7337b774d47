"""Render one box of the phantom from areas, structures and grey levels."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, UInt8

from mtneuro_data.phantom.appearance import (
    GRAIN_SPACING,
    TEXTURE_SPACING,
    Appearance,
    SlowFields,
    add_scanner_faults,
    slow_fields,
)
from mtneuro_data.phantom.areas import NODE_SPACING, Areas, labels_on
from mtneuro_data.phantom.bundles import FIBRE_SPACING, bundle_field, fibre_field
from mtneuro_data.phantom.cells import cells_near, dendrites, draw_cells
from mtneuro_data.phantom.spline import SplineGrid, noise, white_noise
from mtneuro_data.phantom.tissue import table
from mtneuro_data.phantom.tubes import REACH, drawn_tubes, tube_ratio
from mtneuro_data.phantom.vessels import segments_near

_CORD = 1.2  # how far inside a bundle its cord begins
_SIDEWAYS = 0.2  # how much less an image is blurred along x than along y
_NOISE = 2.8  # standard deviation of the scanner's noise, grey levels
_BACKGROUND, _VESSEL, _CELL, _AXON = 0, 1, 2, 3

Box = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything that determines a phantom's voxels except their coordinates."""

    seed: int
    shape: Box
    areas: Areas
    appearance: Appearance


def rendered(
    world: World, lower: Box, upper: Box, channels: tuple[str, ...]
) -> dict[str, UInt8[np.ndarray, "z y x"]]:
    """Return the wanted channels of a half-open box, by name.

    Uses some 60 bytes a voxel for intermediate fields: meant for boxes of up to a million voxels.
    """
    inner = (slice(None),) * 3
    if "image" in channels:  # a voxel's neighbours in its slice blur into it
        box = [lower, upper]
        lower, upper = ((z, y + step, x + step) for (z, y, x), step in zip(box, (-1, 1), strict=True))
        inner = (slice(None), slice(1, -1), slice(1, -1))
    grid = SplineGrid(lower, upper, spacing=NODE_SPACING)
    native = world.areas.native(*grid.coordinates)
    nodes = world.areas.at_native(*native[1:])
    roi = labels_on(grid, nodes)
    if channels == ("roi_labels",):
        return {"roi_labels": roi}
    if not nodes.any():
        return {name: np.zeros_like(roi[inner]) for name in channels}
    vessels = {
        kind: drawn_tubes(segments, lower, upper)
        for kind, segments in segments_near(world.seed, world.areas, lower, upper).items()
    }
    somata = cells_near(world.seed, world.areas, lower, upper)
    cell_ratio, soma = draw_cells(somata, lower, roi.shape)
    bundles = bundle_field(world.seed, nodes, *grid.coordinates)
    fibre = _fibres(world.seed, grid, nodes, bundles > 0, lower, upper)
    axon = _axon_field(world.seed, grid, nodes, bundles, roi, fibre, lower, upper)
    done = {"roi_labels": roi}
    if "pixel_labels" in channels:
        done["pixel_labels"] = _pixel_labels(roi, [wall for wall, _ in vessels.values()], soma, axon)
    if "image" in channels:
        slow = slow_fields(world.seed, world.appearance.drift, nodes, *native)
        places = SlowFields(*(grid.between(field.astype(np.float32)) for field in slow))
        tubes = {"dendrites": drawn_tubes(dendrites(somata), lower, upper), **vessels}
        _shade(world, places, roi, axon, fibre, cell_ratio, tubes, lower, upper)
        grey = _scanned(world, places, inner, lower, upper)
        done["image"] = np.zeros_like(roi)
        done["image"][inner] = np.rint(grey).astype(np.uint8)
        done["image"][roi == 0] = 0
    return {name: np.ascontiguousarray(done[name][inner]) for name in channels}


def _axon_field(
    seed: int,
    grid: SplineGrid,
    nodes: UInt8[np.ndarray, "nz ny nx"],
    bundles: Float64[np.ndarray, "nz ny nx"],
    roi: UInt8[np.ndarray, "z y x"],
    fibre: Float32[np.ndarray, "z y x"],
    lower: Box,
    upper: Box,
) -> Float32[np.ndarray, "z y x"] | None:
    """Return how far inside an axon bundle each voxel is, or None where no area has axons."""
    if not table("axons")[np.unique(nodes)].any():
        return None
    field = grid.field(bundles.astype(np.float32))
    field += table("fringe")[roi] * fibre
    grain = table("grain")[roi]
    if grain.any():
        grain *= noise(seed, 8, lower, upper, spacing=GRAIN_SPACING)
        field += grain
    return field


def _shade(
    world: World,
    places: SlowFields,
    roi: UInt8[np.ndarray, "z y x"],
    axon: Float32[np.ndarray, "z y x"] | None,
    fibre: Float32[np.ndarray, "z y x"],
    cell_ratio: Float32[np.ndarray, "z y x"],
    tubes: dict[str, tuple[Float32[np.ndarray, "z y x"], Float32[np.ndarray, "z y x"]]],
    lower: Box,
    upper: Box,
) -> None:
    """Turn the background's level at each voxel into grey levels as an ideal scanner sees them, in place."""
    look = world.appearance
    grey, granular = places.level, places.granular
    texture = noise(world.seed, 9, lower, upper, spacing=TEXTURE_SPACING)
    texture *= table("texture")[roi]
    texture *= np.float32(1) + granular
    felt = table("fibre")[roi]
    felt *= fibre
    felt *= np.float32(1) - granular
    texture += felt
    texture *= places.texture
    if axon is not None:
        # Bundles fade in within their generous outlines, and are brightest deep inside.
        bright = np.clip(axon * table("axon_rise")[roi], 0, 1)
        cord = np.clip((axon - np.float32(_CORD)) * np.float32(3), 0, 1)
        cord *= table("cord_gain")[roi]
        gain = table("texture_gain")[roi] * (bright - np.float32(0.5))
        gain -= np.float32(3) * cord
        gain += np.float32(1)
        texture *= gain
        bright += np.float32(0.2) * np.clip(axon, 0, 1)
        bright *= table("axon_gain")[roi]
        bright += cord
        bright *= places.axons
        bright *= np.float32(look.contrast)
        bright += np.float32(1)
        grey *= bright
    cell_ratio -= np.float32(1)
    cell_ratio *= places.contrast
    cell_ratio += np.float32(1)
    cell_ratio = look.ratio(cell_ratio)
    grey *= cell_ratio
    # Somata are a little smoother than the felt of fibres between them.
    texture *= np.float32(0.4) + np.float32(0.6) * np.minimum(cell_ratio, np.float32(1))
    texture *= np.float32(look.texture)
    grey += texture
    for kind, (wall, tone) in tubes.items():
        near = np.flatnonzero(wall < REACH)
        away = tube_ratio(kind, wall.reshape(-1)[near]) - np.float32(1)
        away *= tone.reshape(-1)[near]
        away *= places.contrast.reshape(-1)[near]
        away += np.float32(1)
        grey.reshape(-1)[near] *= look.ratio(away)


def _scanned(
    world: World, places: SlowFields, inner: tuple[slice, ...], lower: Box, upper: Box
) -> Float32[np.ndarray, "z y x"]:
    """Return what the scanner makes of the inner part of ideal grey levels: blurred, noisy, 0 to 255."""
    look = world.appearance
    grey = places.level
    tall = grey[:, :-2] + grey[:, 2:]
    tall -= np.float32(2) * grey[:, 1:-1]
    tall *= places.blur[:, 1:-1]
    tall += grey[:, 1:-1]
    grey = tall[:, :, :-2] + tall[:, :, 2:]
    grey -= np.float32(2) * tall[:, :, 1:-1]
    grey *= places.blur[inner]
    grey *= np.float32(_SIDEWAYS)
    grey += tall[:, :, 1:-1]
    (z0, y0, x0), (z1, y1, x1) = lower, upper
    lower, upper = (z0, y0 + 1, x0 + 1), (z1, y1 - 1, x1 - 1)
    if look.noise > 0:
        grain = white_noise(world.seed, 75, lower, upper)
        grain *= np.float32(_NOISE * look.noise)
        grain *= places.noise[inner]
        grey += grain
    add_scanner_faults(grey, world.seed, look, world.shape, lower)
    return np.clip(grey, 0, 255, out=grey)


def _fibres(
    seed: int,
    grid: SplineGrid,
    nodes: UInt8[np.ndarray, "nz ny nx"],
    inside: Bool[np.ndarray, "nz ny nx"],
    lower: Box,
    upper: Box,
) -> Float32[np.ndarray, "z y x"]:
    """Return the texture of fibres at each voxel, given what the nodes of the coarser grid lie in."""
    fine = SplineGrid(lower, upper, spacing=FIBRE_SPACING)
    # A fine site takes the area of the coarse site before it, so that areas are looked up only once.
    index = [
        np.floor(site.ravel() * step / wide).astype(np.int64) - coarse.ravel()[0]
        for site, step, coarse, wide in zip(fine.sites, FIBRE_SPACING, grid.sites, NODE_SPACING, strict=True)
    ]
    at = np.ix_(*index)
    return fine.field(fibre_field(seed, fine, nodes[at], inside[at]).astype(np.float32))


def _pixel_labels(
    roi: UInt8[np.ndarray, "z y x"],
    vessels: list[Float32[np.ndarray, "z y x"]],
    soma: Bool[np.ndarray, "z y x"],
    axon: Float32[np.ndarray, "z y x"] | None,
) -> UInt8[np.ndarray, "z y x"]:
    """Return the class of each voxel; a vessel hides a cell, and a cell an axon."""
    labels = np.full(roi.shape, _BACKGROUND, dtype=np.uint8)
    if axon is not None:
        labels[(axon > 0) & table("axons").astype(bool)[roi]] = _AXON
    labels[soma] = _CELL
    for wall in vessels:
        labels[wall < 0] = _VESSEL
    labels[roi == 0] = _BACKGROUND
    return labels
