"""What distinguishes one area from another: densities, sizes and grey levels, calibrated on real tissue."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from mtneuro_data.phantom.spline import point_noise

_RICHNESS_SD = 0.25
_RICHNESS_PERIOD = (150.0, 220.0, 220.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tissue:
    """The microstructure of one area."""

    level: str
    """Which measured grey levels it takes: those of CTX, STR, VP or ZI."""
    background: float
    """Grey level between the structures, as a share of the modal level."""
    texture: float
    """Standard deviation of the isotropic part of the background's texture, grey levels."""
    fibre: float = 0.0
    """The same for its wavy fibres."""
    granular: float = 0.1
    """Fraction by which the two vary against each other from place to place."""
    cell_share: float
    """Share of the cell lattice's sites that hold a cell, outside axon bundles."""
    cell_share_in_axons: float = 0.0
    """The same inside bundles."""
    cell_radius: float = 5.0
    """Mean radius of a soma as it is annotated, voxels."""
    contrast: float = 0.5
    """Contrast of the palest soma that is annotated; the darkest has 0.65 more."""
    faint: float = 0.1
    """Share of the somata that are too faint to be annotated."""
    nucleus: float = 0.0
    """How much brighter a soma's inside may be than its rim, over the local background."""
    nucleolus: float = 0.0
    """How much brighter the dot in its middle is."""
    dendrites: float = 0.3
    """Share of the dendrites, three a soma at most, that can be seen."""
    vessel_share: float = 0.4
    """Share of the capillary lattice's edges that exist."""
    vessel_beds: int = 1
    """How many such lattices run through each other, 1 or 2."""
    axon_gain: float = 0.0
    """How much brighter axons are than the background, as a share of it."""
    axon_drift: float = 0.08
    """Fraction by which that varies from bundle to bundle."""
    axon_rise: float = 4.0
    """How steeply they brighten from a bundle's outline inwards."""
    texture_gain: float = 0.0
    """How much stronger the texture is inside a bundle than outside, as a share of their mean."""
    cord_gain: float = 0.0
    """How much brighter still the cords deep inside bundles are."""
    fringe: float = 0.0
    """How far single fibres sway a bundle's outline, in standard deviations of the bundles' field."""
    grain: float = 0.0
    """The same for granular fibre."""
    axons: bool = False
    """Whether there are axons at all."""


# In the order of AREA_NAMES.
TISSUES = (
    Tissue(level="CTX", background=0.0, texture=0.0, cell_share=0.0, vessel_share=0.0),
    Tissue(level="CTX", background=0.985, texture=9.4, fibre=8.9, cell_share=0.73, cell_radius=4.8,
           faint=0.38, nucleus=0.25, nucleolus=0.05, dendrites=0.15, vessel_share=0.3),
    Tissue(level="STR", background=0.985, texture=9.0, fibre=10.8, cell_share=0.65,
           cell_share_in_axons=0.07, contrast=0.38, cell_radius=5.2, faint=0.16, nucleus=0.25, nucleolus=0.15,
           vessel_share=0.34, axon_gain=0.48, fringe=0.03, axons=True),
    Tissue(level="VP", background=0.90, texture=10.0, fibre=10.0, texture_gain=0.4, cell_share=0.9,
           cell_share_in_axons=0.28, contrast=0.38, faint=0.25, cell_radius=5.7, nucleus=0.4, nucleolus=0.25,
           vessel_share=0.36, vessel_beds=2, axon_gain=0.18, axon_drift=0.3, axon_rise=1.0, fringe=0.5,
           axons=True),
    Tissue(level="VP", background=0.905, texture=11.2, fibre=13.6, granular=0.3, cell_share=1.0,
           cell_share_in_axons=0.21, contrast=0.38, faint=0.34, cell_radius=6.2, nucleus=0.4, nucleolus=0.25,
           vessel_share=0.36, vessel_beds=2, axon_gain=0.1, axon_drift=0.2, cord_gain=0.09, fringe=0.12,
           axons=True),
    Tissue(level="ZI", background=0.92, texture=13.4, fibre=17.9, granular=0.15, texture_gain=0.4,
           cell_share=0.4, cell_share_in_axons=0.4, contrast=0.3, faint=0.03, cell_radius=6.6,
           nucleus=0.45, nucleolus=0.35, dendrites=0.7, vessel_share=0.44, vessel_beds=2, axon_gain=0.14,
           axon_drift=0.2, axon_rise=3.0, fringe=0.25, grain=0.5, axons=True),
    Tissue(level="STR", background=1.12, texture=10.0, fibre=11.0, cell_share=0.14, cell_share_in_axons=0.1,
           vessel_share=0.36, axon_gain=0.36, fringe=0.4, axons=True),
    Tissue(level="ZI", background=0.92, texture=14.0, fibre=15.0, cell_share=0.46, cell_share_in_axons=0.46,
           cell_radius=5.8, nucleus=0.4, nucleolus=0.35, dendrites=0.6, vessel_share=0.45, axon_gain=0.11,
           fringe=0.4, grain=0.8, axons=True),
    Tissue(level="STR", background=1.05, texture=10.0, fibre=11.0, cell_share=0.1, cell_share_in_axons=0.07,
           vessel_share=0.33, axon_gain=0.42, fringe=0.4, axons=True),
)  # fmt: skip


def table(name: str) -> Float32[np.ndarray, " areas"]:
    """Return one property of every area, in the order of their labels.

    Examples
    --------
    >>> table("axons").astype(int)
    array([0, 0, 1, 1, 1, 1, 1, 1, 1])
    """
    return np.array([getattr(tissue, name) for tissue in TISSUES], dtype=np.float32)


def richness(
    seed: int,
    stream: int,
    z: Float64[np.ndarray, "..."],
    y: Float64[np.ndarray, "..."],
    x: Float64[np.ndarray, "..."],
) -> Float32[np.ndarray, "..."]:
    """Return the density of structures around each place, relative to the average of its area."""
    place = (axis / period for axis, period in zip((z, y, x), _RICHNESS_PERIOD, strict=True))
    (more,) = point_noise(seed, stream, *place)
    return np.clip(1 + _RICHNESS_SD * more, 0.4, 1.6)
