"""What distinguishes one area from another: densities, sizes and grey levels, calibrated on real tissue."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32


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
    """The same of its wavy fibres."""
    cell_share: float
    """Share of the cell lattice's sites that hold a cell, outside axon bundles."""
    cell_share_in_axons: float = 0.0
    """The same inside bundles."""
    cell_radius: float = 5.0
    """Mean radius of a soma as it is annotated, voxels."""
    nucleus: float = 0.0
    """How much brighter a soma's inside may be than its rim, over the local background."""
    nucleolus: float = 0.0
    """How much brighter the dot in its middle is."""
    vessel_share: float = 0.4
    """Share of the capillary lattice's edges that exist."""
    axon_gain: float = 0.0
    """How much brighter axons are than the background, as a share of it."""
    fringe: float = 0.0
    """How far single fibres sway a bundle's outline, in standard deviations of the bundles' field."""
    grain: float = 0.0
    """The same of granular fibre."""
    axons: bool = False
    """Whether there are axons at all."""


# In the order of AREA_NAMES.
TISSUES = (
    Tissue(level="CTX", background=0.0, texture=0.0, cell_share=0.0, vessel_share=0.0),
    Tissue(level="CTX", background=0.985, texture=10.0, fibre=9.5, cell_share=0.28, cell_radius=5.4,
           nucleus=0.15, nucleolus=0.15, vessel_share=0.31),
    Tissue(level="STR", background=0.97, texture=9.5, fibre=8.5, cell_share=0.32, cell_share_in_axons=0.05,
           cell_radius=6.0, nucleus=0.15, nucleolus=0.15, vessel_share=0.29, axon_gain=0.37, fringe=0.07,
           axons=True),
    Tissue(level="VP", background=0.90, texture=11.0, fibre=12.0, cell_share=0.4, cell_share_in_axons=0.2,
           cell_radius=6.1, nucleus=0.2, nucleolus=0.3, vessel_share=0.75, axon_gain=0.19, fringe=0.5,
           axons=True),
    Tissue(level="VP", background=0.865, texture=10.5, fibre=13.0, cell_share=0.31, cell_share_in_axons=0.10,
           cell_radius=7.0, nucleus=0.2, nucleolus=0.3, vessel_share=0.69, axon_gain=0.18, fringe=0.3,
           axons=True),
    Tissue(level="ZI", background=0.935, texture=15.0, fibre=13.0, cell_share=0.41, cell_share_in_axons=0.41,
           cell_radius=6.2, nucleus=0.25, nucleolus=0.5, vessel_share=1.55, axon_gain=0.075, fringe=0.4,
           grain=0.8, axons=True),
    Tissue(level="STR", background=1.12, texture=10.0, fibre=11.0, cell_share=0.14, cell_share_in_axons=0.1,
           vessel_share=0.5, axon_gain=0.30, fringe=0.4, axons=True),
    Tissue(level="ZI", background=0.92, texture=14.0, fibre=15.0, cell_share=0.4, cell_share_in_axons=0.4,
           cell_radius=6.0, nucleus=0.25, nucleolus=0.5, vessel_share=0.6, axon_gain=0.11, fringe=0.4,
           grain=0.8, axons=True),
    Tissue(level="STR", background=1.05, texture=10.0, fibre=11.0, cell_share=0.1, cell_share_in_axons=0.07,
           vessel_share=0.4, axon_gain=0.36, fringe=0.4, axons=True),
)  # fmt: skip


def table(name: str) -> Float32[np.ndarray, " areas"]:
    """Return one property of every area, in the order of their labels.

    Examples
    --------
    >>> table("axons").astype(int)
    array([0, 0, 1, 1, 1, 1, 1, 1, 1])
    """
    return np.array([getattr(tissue, name) for tissue in TISSUES], dtype=np.float32)
