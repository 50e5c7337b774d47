"""What distinguishes one area from another: densities, sizes and grey levels, calibrated on real tissue."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from mtneuro_data.phantom.spline import point_noise

_RICHNESS_PERIOD = (90.0, 480.0, 480.0)
_RICHEST = 4.0


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
    texture_variety: float = 0.08
    """Fraction by which the strength of both differs between places a cube or more apart."""
    cell_share: float
    """Share of the cell lattice's sites that hold a cell, outside axon bundles."""
    cell_share_in_axons: float = 0.0
    """The same inside bundles."""
    cell_variety: float = 0.2
    """Fraction by which the density of cells varies from place to place."""
    cell_radius: float = 5.0
    """Mean radius of a soma as it is annotated, voxels."""
    size_variety: float = 0.09
    """Fraction by which that radius varies from place to place."""
    contrast: float = 0.55
    """Contrast of the palest nucleus that is annotated; the darkest has 0.5 more."""
    faint: float = 0.1
    """Share of the somata that are too faint to be annotated."""
    cytoplasm: float = 0.85
    """Contrast of the cytoplasm around a nucleus, as a share of the nucleus's."""
    nucleolus: float = 0.0
    """How much brighter the dot in the middle of the nucleus is, over the local background."""
    dendrites: float = 0.3
    """Share of the dendrites, three a soma at most, that can be seen."""
    vessel_share: float = 0.4
    """Share of the capillary lattice's edges that exist."""
    vessel_variety: float = 0.25
    """Fraction by which their density varies from place to place."""
    width_variety: float = 0.05
    """Fraction by which their width does, wide where they are dense."""
    vessel_beds: int = 1
    """How many such lattices run through each other, 1 to 3."""
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
    Tissue(level="CTX", background=1.0, texture=10.8, fibre=10.2, texture_variety=0.32, cell_share=0.66,
           cell_variety=0.17, cell_radius=4.85, size_variety=0.15, contrast=0.55, faint=0.38, nucleolus=0.1,
           dendrites=0.1, vessel_share=0.41, vessel_variety=0.3),
    Tissue(level="STR", background=0.98, texture=12.3, fibre=11.6, texture_variety=0.2, texture_gain=0.1,
           cell_share=0.5, cell_share_in_axons=0.07, cell_variety=0.34, contrast=0.58, cell_radius=5.5,
           size_variety=0.09, faint=0.16, cytoplasm=0.82, nucleolus=0.2, dendrites=0.15, vessel_share=0.45,
           vessel_variety=0.0, axon_gain=0.46, fringe=0.03, axons=True),
    Tissue(level="VP", background=0.90, texture=10.0, fibre=10.0, texture_gain=0.4, cell_share=0.9,
           cell_share_in_axons=0.28, contrast=0.6, faint=0.25, cell_radius=5.7, cytoplasm=0.72,
           nucleolus=0.6, vessel_share=0.42, vessel_beds=2, axon_gain=0.18, axon_drift=0.3, axon_rise=1.0,
           fringe=0.5, axons=True),
    Tissue(level="VP", background=0.888, texture=12.2, fibre=15.8, granular=0.15, texture_variety=0.06,
           cell_share=0.97, cell_share_in_axons=0.08, cell_variety=0.38, contrast=0.58, faint=0.34,
           cell_radius=6.8, size_variety=0.1, cytoplasm=0.54, nucleolus=0.75, vessel_share=0.43,
           vessel_variety=0.2, vessel_beds=2, axon_gain=0.105, axon_drift=0.2, cord_gain=0.1, fringe=0.12,
           axons=True),
    Tissue(level="ZI", background=0.935, texture=18.0, fibre=19.0, granular=0.12, texture_variety=0.06,
           texture_gain=0.2, cell_share=0.36, cell_share_in_axons=0.36, cell_variety=0.17, contrast=0.75,
           faint=0.03, cell_radius=6.7, size_variety=0.14, cytoplasm=0.48, nucleolus=0.85, dendrites=0.25,
           vessel_share=0.235, vessel_variety=1.1, width_variety=0.15, vessel_beds=3, axon_gain=0.085,
           axon_drift=0.2, axon_rise=3.0, fringe=0.25, grain=0.45, axons=True),
    Tissue(level="STR", background=1.12, texture=10.0, fibre=11.0, cell_share=0.14, cell_share_in_axons=0.1,
           vessel_share=0.43, axon_gain=0.36, fringe=0.4, axons=True),
    Tissue(level="ZI", background=0.92, texture=14.0, fibre=15.0, cell_share=0.46, cell_share_in_axons=0.46,
           contrast=0.6, cell_radius=5.8, cytoplasm=0.7, nucleolus=0.65, dendrites=0.4, vessel_share=0.5,
           axon_gain=0.11, fringe=0.4, grain=0.8, axons=True),
    Tissue(level="STR", background=1.05, texture=10.0, fibre=11.0, cell_share=0.1, cell_share_in_axons=0.07,
           vessel_share=0.39, axon_gain=0.42, fringe=0.4, axons=True),
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
    variety: Float32[np.ndarray, "..."],
    z: Float64[np.ndarray, "..."],
    y: Float64[np.ndarray, "..."],
    x: Float64[np.ndarray, "..."],
) -> Float32[np.ndarray, "..."]:
    """Return the density of structures around each place, relative to the average of its area.

    Its logarithm is nearly normal, its standard deviation nearly ``variety``. It is a fourth power instead of
    an exponential, whose last bits differ between processors.
    """
    quarter = variety / np.float32(4)
    square = quarter * quarter
    root = np.float32(1) + quarter * rich_places(seed, stream, z, y, x)
    root *= root
    root *= root
    # The mean of the fourth power, were the noise normal.
    root /= np.float32(1) + square * (np.float32(6) + np.float32(3) * square)
    return np.minimum(root, np.float32(_RICHEST))


def rich_places(
    seed: int,
    stream: int,
    z: Float64[np.ndarray, "..."],
    y: Float64[np.ndarray, "..."],
    x: Float64[np.ndarray, "..."],
) -> Float32[np.ndarray, "..."]:
    """Return the noise of standard deviation 1 by which `richness` varies, between -2.2 and 2.2."""
    place = (axis / period for axis, period in zip((z, y, x), _RICHNESS_PERIOD, strict=True))
    (more,) = point_noise(seed, stream, *place)
    return np.clip(more, -2.2, 2.2)
