"""Axons: bundles along each area's own direction, and the fibres that give all tissue its texture."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, UInt8

from mtneuro_data.phantom.areas import AREA_NAMES
from mtneuro_data.phantom.spline import SplineGrid, noise, point_noise

FIBRE_SPACING = (1.0, 1.5, 1.5)
"""Voxels between the places where fibres are evaluated."""


_PLANES = 2
_WAVE = 26.0  # lattice spacing of the waves that bend fibres, voxels
_SWAY = 90.0  # the same for the waves that shift whole fields of fibres


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    direction: tuple[float, float]
    """Unit vector along the axons in the (x, y) plane, y downwards."""
    length: float
    """Period of the bundles along their direction, voxels."""
    width: float
    """The same across it."""
    depth: float
    """The same along z."""
    offset: float
    """Added to noise of standard deviation 1, of which all above zero is axon: high if nearly all is axon."""
    bend: tuple[float, float] = (16.0, 220.0)
    """How far bundles are shifted sideways, and over what period, voxels."""
    fibre_direction: tuple[float, float] | None = None
    """Unit vector along single fibres, where it is not the bundles'."""
    fibre: tuple[float, float] = (20.0, 2.4)
    """Length and width of single fibres, voxels."""
    strength: float = 1.0
    """Standard deviation of the noise."""
    wave: float = 3.5
    """How far fibres are shifted sideways, voxels."""
    sway: float = 8.0
    """How far whole fields of fibres are, voxels."""


_PLAIN = _Form(
    direction=(0.5, 0.866), length=1.0, width=1.0, depth=1.0, offset=0.0, fibre=(5.0, 2.1), wave=4.5
)
_FORMS: dict[str, _Form] = {
    "CTX": _PLAIN,
    "STR": _Form(direction=(0.995, 0.1), length=110, width=27, depth=28, offset=-0.79, bend=(55.0, 260.0),
                 fibre_direction=(0.26, 0.966),
                 fibre=(14.0, 2.0), wave=3.2),
    "TRN": _Form(direction=(0.85, 0.527), length=160, width=24, depth=60, offset=0.2),
    "VP": _Form(direction=(-0.797, 0.604), length=180, width=33, depth=50, offset=0.65, bend=(28.0, 260.0),
                fibre_direction=(-0.6, 0.8), fibre=(11.0, 2.2), sway=22.0),
    "ZI": _Form(direction=(-0.94, 0.342), length=60, width=26, depth=40, offset=0.22, strength=0.55,
                fibre_direction=(0.3, 0.954), fibre=(12.0, 2.05), wave=3.8, sway=18.0),
    "IC": _Form(direction=(0.97, 0.243), length=260, width=24, depth=60, offset=1.9),
    "HYP": _Form(direction=(0.0, 1.0), length=60, width=22, depth=40, offset=0.1, strength=0.3,
                 fibre=(7.0, 2.3), wave=9.0),
    "CC": _Form(direction=(0.14, 0.99), length=220, width=20, depth=50, offset=2.0),
}  # fmt: skip


def _along_and_across(
    direction: tuple[float, float], y: Float64[np.ndarray, " places"], x: Float64[np.ndarray, " places"]
) -> tuple[Float64[np.ndarray, " places"], Float64[np.ndarray, " places"]]:
    along_x, along_y = direction
    return x * along_x + y * along_y, y * along_x - x * along_y


def bundle_field(
    seed: int,
    areas: UInt8[np.ndarray, "..."],
    z: Float64[np.ndarray, "..."],
    y: Float64[np.ndarray, "..."],
    x: Float64[np.ndarray, "..."],
) -> Float64[np.ndarray, "..."]:
    """Return how far inside a bundle each place is: above 0 inside, 0 where the area has no axons."""
    field = np.zeros(areas.shape)
    for label, name in enumerate(AREA_NAMES):
        chosen = areas == label
        form = _FORMS.get(name, _PLAIN)
        if form is _PLAIN or not chosen.any():
            continue
        z1, y1, x1 = (np.broadcast_to(axis, areas.shape)[chosen] for axis in (z, y, x))
        along, across = _along_and_across(form.direction, y1, x1)
        shift, period = form.bend
        (bend,) = point_noise(seed, 20 + label, z1 / 150, across / 300, along / period)
        across = across + shift * bend
        # Neighbouring bundles end at different places, and so taper.
        (stagger,) = point_noise(
            seed, 80 + label, z1 / 90, across / (1.5 * form.width), along / (4 * form.length)
        )
        along = along + 0.5 * form.length * stagger
        (coarse,) = point_noise(seed, 30 + label, z1 / form.depth, across / form.width, along / form.length)
        (fine,) = point_noise(
            seed, 40 + label, 2 * z1 / form.depth, 2 * across / form.width, 1.6 * along / form.length
        )
        field[chosen] = form.strength * (0.87 * coarse + 0.5 * fine) + form.offset
    return field


def fibre_field(
    seed: int, fine: SplineGrid, areas: UInt8[np.ndarray, "nz ny nx"]
) -> Float64[np.ndarray, "nz ny nx"]:
    """Return noise of standard deviation 1 elongated along wavy fibres, 0 outside the tissue.

    Parameters
    ----------
    seed
        The volume's seed.
    fine
        The lattice at whose sites fibres are evaluated.
    areas
        The area of each site.
    """
    field = np.zeros(areas.shape)
    z, y, x = (np.broadcast_to(axis, areas.shape) for axis in fine.coordinates)
    first = [int(site.ravel()[0]) for site in fine.sites]
    last = [start + count for start, count in zip(first, areas.shape, strict=True)]
    waves, sways = (
        [
            noise(seed, stream, first, last, spacing=[period / step for step in FIBRE_SPACING])
            for stream in streams
        ]
        for period, streams in ((_WAVE, (51, 52)), (_SWAY, (53, 54)))
    )
    for label, name in enumerate(AREA_NAMES):
        if name not in _FORMS or not (areas == label).any():
            continue
        form = _FORMS[name]
        length, width = form.fibre
        for plane in range(0, areas.shape[0], _PLANES):  # a few at a time stay in the processor's cache
            part = slice(plane, plane + _PLANES)
            chosen = areas[part] == label
            bent_y, bent_x = (
                axis[part][chosen] + form.wave * wave[part][chosen] + form.sway * sway[part][chosen]
                for axis, wave, sway in zip((y, x), waves, sways, strict=True)
            )
            along, across = _along_and_across(form.fibre_direction or form.direction, bent_y, bent_x)
            (fibres,) = point_noise(seed, 60 + label, z[part][chosen] / width, across / width, along / length)
            field[part][chosen] = fibres
    return field
