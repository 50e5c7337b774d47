"""Axons: bundles along each area's own direction, and the fibres that give all tissue its texture."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, UInt8

from mtneuro_data.phantom.areas import AREA_NAMES
from mtneuro_data.phantom.spline import SplineGrid, noise, point_noise

FIBRE_SPACING = (1.0, 1.5, 1.5)
"""Voxels between the places where fibres are evaluated."""


_PLANES = 2
_WAVE = 26.0  # lattice spacing of the waves that bend fibres, voxels
_SWAY = 90.0  # the same for the waves that shift whole fields of fibres
_STRETCH = 340.0  # the same for waves that stretch and turn fibres, so that places differ in both
_STRETCHED = 45.0  # how far those shift them, voxels
_PLACE = (200.0, 340.0, 340.0)  # over what distances the share of bundles differs, voxels


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
    variety: float = 0.0
    """How much the offset differs between places a cube or more apart."""
    fibre_inside: tuple[float, float] | None = None
    """Length and width of the fibres inside bundles, along these, where they differ from those outside."""
    wave: float = 3.5
    """How far fibres are shifted sideways, voxels."""
    sway: float = 8.0
    """How far whole fields of fibres are, voxels."""


_PLAIN = _Form(
    direction=(-0.34, 0.94), length=1.0, width=1.0, depth=1.0, offset=0.0, fibre=(6.5, 2.3), wave=4.0
)
_FORMS: dict[str, _Form] = {
    "CTX": _PLAIN,
    "STR": _Form(direction=(0.995, 0.1), length=110, width=27, depth=28, offset=-0.77, bend=(55.0, 260.0),
                 fibre_direction=(0.14, 0.99), fibre=(13.0, 2.0), wave=2.6, variety=0.1,
                 fibre_inside=(22.0, 2.2)),
    "TRN": _Form(direction=(0.85, 0.527), length=160, width=24, depth=60, offset=0.2),
    "VP": _Form(direction=(-0.797, 0.604), length=420, width=31, depth=50, offset=0.65, bend=(30.0, 380.0),
                fibre_direction=(-0.72, 0.69), fibre=(19.0, 2.6), sway=16.0, variety=0.2),
    "ZI": _Form(direction=(-0.94, 0.342), length=60, width=26, depth=40, offset=0.22, strength=0.55,
                fibre_direction=(-0.44, 0.9), fibre=(9.0, 2.25), wave=4.5, sway=14.0),
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


def _bent(
    seed: int,
    label: int,
    form: _Form,
    z: Float64[np.ndarray, " places"],
    y: Float64[np.ndarray, " places"],
    x: Float64[np.ndarray, " places"],
) -> tuple[Float64[np.ndarray, " places"], Float64[np.ndarray, " places"]]:
    """Return places along and across an area's bundles, which are bent."""
    along, across = _along_and_across(form.direction, y, x)
    shift, period = form.bend
    (bend,) = point_noise(seed, 20 + label, z / 150, across / 300, along / period)
    return along, across + shift * bend


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
        along, across = _bent(seed, label, form, z1, y1, x1)
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
        if form.variety:
            place = (axis / period for axis, period in zip((z1, y1, x1), _PLACE, strict=True))
            (more,) = point_noise(seed, 90 + label, *place)
            field[chosen] += form.variety * more
    return field


def fibre_field(
    seed: int,
    fine: SplineGrid,
    areas: UInt8[np.ndarray, "nz ny nx"],
    inside: Bool[np.ndarray, "nz ny nx"],
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
    inside
        Whether it lies inside a bundle.
    """
    field = np.zeros(areas.shape)
    z, y, x = (np.broadcast_to(axis, areas.shape) for axis in fine.coordinates)
    first = [int(site.ravel()[0]) for site in fine.sites]
    last = [start + count for start, count in zip(first, areas.shape, strict=True)]
    waves, sways, stretches = (
        [
            noise(seed, stream, first, last, spacing=[period / step for step in FIBRE_SPACING])
            for stream in streams
        ]
        for period, streams in ((_WAVE, (51, 52)), (_SWAY, (53, 54)), (_STRETCH, (55, 56)))
    )
    for label, name in enumerate(AREA_NAMES):
        if name not in _FORMS or not (areas == label).any():
            continue
        form = _FORMS[name]
        for plane in range(0, areas.shape[0], _PLANES):  # a few at a time stay in the processor's cache
            part = slice(plane, plane + _PLANES)
            chosen = areas[part] == label
            place = z[part][chosen]
            bent_y, bent_x = (
                axis[part][chosen]
                + form.wave * wave[part][chosen]
                + form.sway * sway[part][chosen]
                + _STRETCHED * stretch[part][chosen]
                for axis, wave, sway, stretch in zip((y, x), waves, sways, stretches, strict=True)
            )
            along, across = _along_and_across(form.fibre_direction or form.direction, bent_y, bent_x)
            length, width = form.fibre
            along, across = along / length, across / width
            if form.fibre_inside is not None and inside[part][chosen].any():
                within = inside[part][chosen]
                wavy = [
                    axis[part][chosen][within] + form.wave * wave[part][chosen][within]
                    for axis, wave in zip((y, x), waves, strict=True)
                ]
                parallel, aside = _bent(seed, label, form, place[within], *wavy)
                # Apart, the places of either kind span few sites of their lattice.
                fibres = np.empty(len(place), dtype=np.float32)
                for some, *sites in (
                    (within, parallel / form.fibre_inside[0], aside / form.fibre_inside[1]),
                    (~within, along[~within], across[~within]),
                ):
                    (fibres[some],) = point_noise(seed, 60 + label, place[some] / width, sites[1], sites[0])
            else:
                (fibres,) = point_noise(seed, 60 + label, place / width, across, along)
            field[part][chosen] = fibres
    return field
