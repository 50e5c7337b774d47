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
    """Standard deviation of the background texture, grey levels."""
    cell_share: float
    """Share of the cell lattice's sites that hold a cell, outside axon bundles."""
    cell_share_in_axons: float = 0.0
    """The same inside bundles."""
    cell_radius: float = 5.0
    """Mean radius of a soma as it is annotated, voxels."""
    nucleolus: float = 0.0
    """How much darker the middle of a soma is, 0 to 1."""
    vessel_share: float = 0.4
    """Share of the capillary lattice's edges that exist."""
    axon_gain: float = 0.0
    """How much brighter axons are than the background, as a share of it."""
    grain: float = 0.0
    """Strength of granular fibre in deciding what is axon; 0 where bundles are smooth."""
    axons: bool = False
    """Whether there are axons at all."""


# In the order of AREA_NAMES.
TISSUES = (
    Tissue(level="CTX", background=0.0, texture=0.0, cell_share=0.0, vessel_share=0.0),
    Tissue(level="CTX", background=1.0, texture=12.5, cell_share=0.50, cell_radius=5.6, vessel_share=0.32),
    Tissue(level="STR", background=1.0, texture=12.5, cell_share=0.585, cell_share_in_axons=0.1,
           cell_radius=6.0, vessel_share=0.35, axon_gain=0.34, axons=True),
    Tissue(level="VP", background=0.91, texture=15.5, cell_share=0.9, cell_share_in_axons=0.45,
           cell_radius=6.1, vessel_share=0.86, axon_gain=0.17, grain=0.25, axons=True),
    Tissue(level="VP", background=0.88, texture=15.5, cell_share=0.88, cell_share_in_axons=0.34,
           cell_radius=6.2, nucleolus=0.25, vessel_share=0.66, axon_gain=0.22, grain=0.25, axons=True),
    Tissue(level="ZI", background=0.89, texture=18.0, cell_share=0.82, cell_share_in_axons=0.82,
           cell_radius=6.1, nucleolus=0.35, vessel_share=0.9, axon_gain=0.19, grain=1.0, axons=True),
    Tissue(level="STR", background=1.12, texture=15.0, cell_share=0.3, cell_share_in_axons=0.2,
           vessel_share=0.5, axon_gain=0.30, grain=0.3, axons=True),
    Tissue(level="ZI", background=0.91, texture=18.0, cell_share=0.8, cell_share_in_axons=0.8,
           cell_radius=6.0, nucleolus=0.35, vessel_share=0.6, axon_gain=0.17, grain=1.0, axons=True),
    Tissue(level="STR", background=1.05, texture=13.5, cell_share=0.2, cell_share_in_axons=0.15,
           vessel_share=0.4, axon_gain=0.36, grain=0.25, axons=True),
)  # fmt: skip


def table(name: str) -> Float32[np.ndarray, " areas"]:
    """Return one property of every area, in the order of their labels.

    Examples
    --------
    >>> table("axons").astype(int)
    array([0, 0, 1, 1, 1, 1, 1, 1, 1])
    """
    return np.array([getattr(tissue, name) for tissue in TISSUES], dtype=np.float32)
