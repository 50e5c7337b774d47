"""Draw labelled structures in 3D as shaded surfaces; no display is needed."""

import math
from collections.abc import Sequence
from itertools import combinations, product
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64, Integer
from torch import Tensor, nn

from mtneuro_seg.colours import class_colours, class_rgb

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SURFACE = 0.5
_AMBIENT = 0.3
_HAZE = 0.35
_LIGHT = (-0.7, -0.5, 0.5)
"""Towards the light, (depth, down, right) as the viewer sees them."""


def rendered_surfaces(
    labels: Integer[np.ndarray, "z y x"],
    *,
    class_names: Sequence[str],
    voxel_size_um: Sequence[float] | None = None,
    azimuth: float = 30.0,
    elevation: float = 25.0,
    size: int = 300,
) -> Float64[np.ndarray, "size size 4"]:
    """Return a picture of the surfaces of all classes but the background, as RGBA from 0 to 1.

    Where there is nothing the picture is transparent.

    Parameters
    ----------
    labels
        A label volume that fits into memory; cut or thin a larger one first.
    class_names
        A name for every label, background first; they decide the colours as in the other figures.
    voxel_size_um
        Voxel size ``(z, y, x)`` in micrometres; without it voxels are drawn as cubes.
    azimuth, elevation
        Where the viewer stands, in degrees: about the z axis, and above the plane of the slices.
    size
        Pixels along each side of the picture.

    Raises
    ------
    ValueError
        If the volume is empty or not three-dimensional.

    Notes
    -----
    The label masks are smoothed over three voxels and looked at along parallel rays; each ray ends where it
    first meets a structure, shaded by the angle between the surface and the light.
    """
    if labels.ndim != 3 or labels.size == 0:
        raise ValueError(
            f"labels must be a volume (z, y, x) with at least one voxel, got shape {labels.shape}"
        )
    colours = np.array(class_rgb(class_names)) / 255
    shares = torch.stack(
        [torch.from_numpy((labels == label).astype(np.float32)) for label in range(1, len(class_names))]
    )
    # Padded first: the pooling itself refuses a volume of one or two slices.
    smooth = nn.functional.avg_pool3d(nn.functional.pad(shares[None], (1,) * 6), 3, stride=1)
    extent = _extent(labels.shape, voxel_size_um)
    steps = _viewer_axes(math.radians(azimuth), math.radians(elevation))
    ends, kind = _first_hits(smooth, extent, steps, size)
    hit = kind >= 0
    shade = torch.zeros(kind.shape)
    shade[hit] = _shade(smooth, extent, steps, ends[hit])
    chosen = colours[kind.clamp(min=0).numpy()] * shade.numpy()[..., None]
    return np.dstack([chosen, hit.numpy()]).clip(0, 1).astype(np.float64)


def _extent(shape: Sequence[int], voxel_size_um: Sequence[float] | None) -> Float[Tensor, "3"]:
    """Return the sides of a volume in micrometres, or in voxels."""
    edges = (1.0,) * len(shape) if voxel_size_um is None else voxel_size_um
    return torch.tensor([n * edge for n, edge in zip(shape, edges, strict=True)], dtype=torch.float32)


def _viewer_axes(azimuth: float, elevation: float) -> Float[Tensor, "3 3"]:
    """Return, as columns, the steps in ``(z, y, x)`` of the viewer's axes: away, down and right."""
    about_z = torch.tensor(
        [
            [1.0, 0.0, 0.0],
            [0.0, math.cos(azimuth), -math.sin(azimuth)],
            [0.0, math.sin(azimuth), math.cos(azimuth)],
        ]
    )
    # The viewer looks along y and tilts down; z of the volume points up in the picture.
    sine, cosine = math.sin(elevation), math.cos(elevation)
    tilted = torch.tensor([[-sine, -cosine, 0.0], [cosine, -sine, 0.0], [0.0, 0.0, 1.0]])
    return about_z @ tilted


def _sampled(
    volume: Float[Tensor, "1 channels z y x"], extent: Float[Tensor, "3"], places: Float[Tensor, "places 3"]
) -> Float[Tensor, "channels places"]:
    """Return a volume's values at places in micrometres from its centre, 0 outside."""
    # grid_sample asks for (x, y, z), from -1 to 1.
    grid = (places / (extent / 2)).flip(-1)[None, None, None]
    return nn.functional.grid_sample(volume, grid, align_corners=False)[0, :, 0, 0]


def _first_hits(
    masks: Float[Tensor, "1 classes z y x"],
    extent: Float[Tensor, "3"],
    steps: Float[Tensor, "3 3"],
    size: int,
) -> tuple[Float[Tensor, "size size 3"], Int64[Tensor, "size size"]]:
    """Return where each ray ends, and in which class; -1 where it meets none."""
    radius = float(extent.norm()) / 2
    line = torch.linspace(-radius, radius, size)
    down, right = torch.meshgrid(line, line, indexing="ij")
    rays = (down[..., None] * steps[:, 1] + right[..., None] * steps[:, 2]).reshape(-1, 3)
    ends = torch.zeros_like(rays)
    kind = torch.full((len(rays),), -1)
    # Outside the volume nothing is as dense as a surface.
    sides = torch.stack([-extent / 2, extent / 2])
    crossings = ((sides[:, None] - rays) / steps[:, 0]).nan_to_num()
    enters = crossings.amin(dim=0).amax(dim=1)
    leaves = crossings.amax(dim=0).amin(dim=1)
    for away in line:
        flying = ((enters <= away) & (away <= leaves) & (kind < 0)).nonzero()[:, 0]
        places = rays[flying] + away * steps[:, 0]
        best, found = _sampled(masks, extent, places).max(dim=0)
        landed = best >= _SURFACE
        ends[flying[landed]] = places[landed]
        kind[flying[landed]] = found[landed]
    return ends.reshape(size, size, 3), kind.reshape(size, size)


def _shade(
    masks: Float[Tensor, "1 classes z y x"],
    extent: Float[Tensor, "3"],
    steps: Float[Tensor, "3 3"],
    ends: Float[Tensor, "rays 3"],
) -> Float[Tensor, " rays"]:
    """Return how bright each ray's end is: by the angle between its surface and the light."""
    solid = masks.max(dim=1, keepdim=True).values
    spacing = extent / torch.tensor(masks.shape[2:])
    slopes = []
    for axis in range(3):
        ahead, behind = ends.clone(), ends.clone()
        ahead[:, axis] += spacing[axis]
        behind[:, axis] -= spacing[axis]
        rise = _sampled(solid, extent, ahead)[0] - _sampled(solid, extent, behind)[0]
        slopes.append(rise / (2 * spacing[axis]))
    outward = -torch.stack(slopes, dim=-1) @ steps
    outward = outward / outward.norm(dim=-1, keepdim=True).clamp(min=1e-6)
    light = torch.tensor(_LIGHT)
    lit = (outward @ (light / light.norm())).clamp(min=0)
    distance = (ends @ steps[:, 0]) / extent.norm() + 0.5
    return (_AMBIENT + (1 - _AMBIENT) * lit) * (1 - _HAZE * distance)


def surface_figure(
    labels: Integer[np.ndarray, "z y x"],
    *,
    class_names: Sequence[str],
    truth: Integer[np.ndarray, "z y x"] | None = None,
    voxel_size_um: Sequence[float] | None = None,
    title: str = "",
    azimuth: float = 30.0,
    elevation: float = 25.0,
    size: int = 300,
) -> "Figure":
    """Return a figure of the labelled structures in 3D, as in the paper's Figure 3 B.

    The volume's edges are drawn behind its structures. The ground is transparent where a format can be.

    Parameters
    ----------
    labels, class_names, voxel_size_um, azimuth, elevation, size
        As `rendered_surfaces` has them, and its errors.
    truth
        True labels in the same shape, to stand on the left in the same view and scale.
    title
        Written above.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    if truth is not None and truth.shape != labels.shape:
        raise ValueError(f"truth must have the labels' shape {labels.shape}, got {truth.shape}")
    volumes = {"": labels} if truth is None else {"truth": truth, "prediction": labels}
    extent = _extent(labels.shape, voxel_size_um)
    edges = _edges(extent, _viewer_axes(math.radians(azimuth), math.radians(elevation)), size)
    low, high = edges.min(axis=(0, 1)), edges.max(axis=(0, 1))
    height, width = (high - low) / size * (6 if truth is None else 3.6)
    figure = Figure(figsize=(width * len(volumes) + 0.2, height + 0.7), layout="constrained")
    for axes, (name, volume) in zip(
        figure.subplots(1, len(volumes), squeeze=False).flat, volumes.items(), strict=True
    ):
        picture = rendered_surfaces(
            volume, class_names=class_names, voxel_size_um=voxel_size_um, azimuth=azimuth,
            elevation=elevation, size=size,
        )  # fmt: skip
        for (y, x), (other_y, other_x) in edges:
            axes.plot([x, other_x], [y, other_y], color="0.55", lw=0.8, zorder=0)
        axes.imshow(picture, interpolation="none", zorder=1)
        axes.set_xlim(low[1] - 2, high[1] + 2)
        axes.set_ylim(high[0] + 2, low[0] - 2)
        axes.set_axis_off()
        axes.set_title(name)
    if title:
        figure.suptitle(title)
    patches = [
        Patch(facecolor=colour, label=name)
        for name, colour in zip(class_names[1:], class_colours(class_names), strict=True)
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=len(patches), frameon=False)
    return figure


def _edges(
    extent: Float[Tensor, "3"], steps: Float[Tensor, "3 3"], size: int
) -> Float64[np.ndarray, "12 2 2"]:
    """Return the ends ``(row, column)`` of a volume's edges in the picture of it."""
    corners = torch.tensor(list(product((-0.5, 0.5), repeat=3))) * extent
    places = ((corners @ steps[:, 1:] / extent.norm() + 0.5) * (size - 1)).double().numpy()
    # Numbered by which of their three coordinates are high, corners of one edge differ in one bit.
    ends = [(one, other) for one, other in combinations(range(8), 2) if (one ^ other).bit_count() == 1]
    return places[np.array(ends)]
