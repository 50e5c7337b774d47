"""Semantic features: what an expert would count in a label image."""

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice, pairwise
from multiprocessing import get_context
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
import pandas as pd
from jaxtyping import Float, Float64, Integer, Shaped

from mtneuro_probe import axons, boundaries, cells, vessels
from mtneuro_probe.components import Connectivity2D, Connectivity3D, volume_labels
from mtneuro_probe.label_images import LabelImages, corner_crops
from mtneuro_probe.original import original_table
from mtneuro_probe.sample import CORNERS, sample_positions
from mtneuro_probe.types import ArraySource, rows_at_once


@dataclass(frozen=True, slots=True)
class Feature:
    """One number about an image: its unit, the label that it measures, and how."""

    unit: str
    label: str | None
    """Name of the label, ``None`` for all labels together."""

    measure: Callable[[LabelImages, str], Float64[np.ndarray, " images"]]


_REGISTRY: Mapping[str, Feature] = MappingProxyType(
    {
        "vessel_density": Feature("fraction", "vessel", cells.density),
        "axon_density": Feature("fraction", "axon", cells.density),
        "cell_count": Feature("cells", "cell", cells.count),
        "cell_size": Feature("µm²", "cell", cells.mean_size),
        "nearest_neighbour_distance": Feature("µm", "cell", cells.mean_neighbour_distance),
        "cell_eccentricity": Feature("", "cell", cells.mean_eccentricity),
        "vessel_width": Feature("µm", "vessel", vessels.mean_width),
        "vessel_length_density": Feature("mm/mm²", "vessel", vessels.length_density),
        "axon_orientation": Feature("°", "axon", axons.orientation),
        "axon_coherence": Feature("", "axon", axons.coherence),
        "boundary_density": Feature("mm/mm²", None, boundaries.boundary_density),
    }
)

ALL_FEATURES = tuple(_REGISTRY)
"""Every feature that can be asked for by name."""

FEATURES = ALL_FEATURES[:5]
"""The features of the paper, in the order of its Table 3."""

FEATURE_UNITS: Mapping[str, str] = MappingProxyType(
    {name: feature.unit for name, feature in _REGISTRY.items()}
)
"""Unit of each feature, empty where it has none."""

LABEL_VALUES: Mapping[str, int] = MappingProxyType({"vessel": 1, "cell": 2, "axon": 3})
"""What the label values mean, as BossDB codes them; 0 is background."""

# What stays in a core's cache is several times faster to pass over again.
_PIXELS_AT_ONCE = 1 << 19
# From a file, larger pieces; so too for a process, which is handed one piece at a time.
_PIXELS_A_READ = 1 << 24


def semantic_features(
    labels: ArraySource,
    *,
    sample_id: Sequence[str] | np.ndarray | None = None,
    voxel_size_um: Sequence[float] | Float[np.ndarray, "3"] = (1.17, 1.17, 1.17),
    label_values: Mapping[str, int] = LABEL_VALUES,
    features: Sequence[str] = FEATURES,
    definition: Literal["image", "original"] = "image",
    components: Literal["2d", "3d"] = "2d",
    connectivity: int | None = None,
    corners: bool = False,
    ignore: Sequence[int] = (),
    minimum_area_px: int = 1,
    neighbour: int = 1,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Return semantic features of each label image: by default the five of the paper's Task 3.

    Cells are the 8-connected components of the cell label within one image. With p pixels in an
    image, of which p_v are vessel and p_a axon, and cells of areas A_i with centroids c_i,

    - ``vessel_density`` = p_v / p and ``axon_density`` = p_a / p, fractions of the image;
    - ``cell_count`` = the number N of cells;
    - ``cell_size`` = mean of A_i in µm², missing where there is no cell;
    - ``nearest_neighbour_distance`` = mean over i of the distance from c_i to its nearest other
      c_j in µm, missing where there are fewer than two cells.

    The further features of ``ALL_FEATURES`` are defined, with their sources, where the package's
    documentation lists them.

    Parameters
    ----------
    labels
        Integer label images ``(images, y, x)``, 0 = background: an array, or anything that is sliced like
        one. A Zarr array is read piece by piece and may be larger than memory.
    sample_id
        Ids of the images, the table's index. By default ``labels/z0``, ``labels/z1``, …
    voxel_size_um
        Voxel size ``(z, y, x)`` in micrometres.
    label_values
        The value of ``vessel``, ``cell`` and ``axon``. A name that is left out was not annotated: its
        features are missing throughout.
    features
        Names of the features, the table's columns.
    definition
        ``image`` as above; ``original`` gives the numbers of the original benchmark's code, in its units
        (percent and pixels) and with its slips, for the four corners of each slice; see
        ``original_features``. It takes no other setting.
    components
        ``2d``: cells are found in each image by itself. ``3d``: in the volume that neighbouring slices of
        a cube form, before any corner is cut; two outlines in an image that join above or below it are
        then one cell. The volume must fit in memory.
    connectivity
        Which pixels join: 4 or 8 in 2D, 6, 18 or 26 in 3D. By default 8, and 6 in 3D.
    corners
        Measure the four corners of each image, of half its height and width; their ids end in
        ``/tl``, ``/tr``, ``/bl``, ``/br``.
    ignore
        Further label values that may be there and count as background.
    minimum_area_px
        Smaller components of the cell label are no cells. Densities count every pixel.
    neighbour
        Which neighbour the distance goes to; 1 is the nearest. An image needs more cells than this.
    workers
        Number of processes. The numbers do not depend on it.
    progress
        Called with the number of images done and of all images.

    Returns
    -------
    features
        A float64 column a feature, a row an image, NaN where a feature is missing.

    Raises
    ------
    ValueError
        If the labels are no stack of integer images or hold a value that nothing names, or a setting is
        outside its range.

    Notes
    -----
    A cell cut by the edge of the image counts as the part that is seen, and cells outside
    are no neighbours: sizes are lower and distances upper bounds near the edge. Source: the paper,
    section 4.3 and appendix 5.

    Examples
    --------
    Two cells of one pixel each, 3 pixels apart, and a vessel of two pixels:

    >>> image = np.zeros((1, 4, 5), np.uint8)
    >>> image[0, 0, [0, 3]] = 2
    >>> image[0, 3, :2] = 1
    >>> semantic_features(image, voxel_size_um=(2, 2, 2)).iloc[0].to_dict()
    {'vessel_density': 0.1, 'axon_density': 0.0, 'cell_count': 2.0, 'cell_size': 4.0,
    'nearest_neighbour_distance': 6.0}
    """
    values = _named_values(label_values)
    if definition == "original":
        given = (dict(values), tuple(features), components, connectivity, minimum_area_px, neighbour)
        if given != (dict(LABEL_VALUES), FEATURES, "2d", None, 1, 1):
            raise ValueError("definition='original' takes no other setting of what is measured")
        _check_images(labels)
        index = _checked_index(sample_id, labels.shape[0], corners=True)
        whole = np.asarray(labels[...])
        _check_values(whole, values, ignore)
        return original_table(whole, index, progress=progress)
    if definition != "image":
        raise ValueError(f"definition must be 'image' or 'original', got {definition!r}")
    wanted = {name: _REGISTRY[name] for name in _checked_names(features)}
    return _table(
        labels,
        wanted,
        values,
        sample_id=sample_id,
        voxel_size_um=voxel_size_um,
        components=components,
        connectivity=connectivity,
        corners=corners,
        ignore=ignore,
        minimum_area_px=minimum_area_px,
        neighbour=neighbour,
        workers=workers,
        progress=progress,
    )


def label_features(
    labels: ArraySource,
    label_values: Mapping[str, int],
    *,
    sample_id: Sequence[str] | np.ndarray | None = None,
    voxel_size_um: Sequence[float] | Float[np.ndarray, "3"],
    components: Literal["2d", "3d"] = "2d",
    connectivity: int | None = None,
    corners: bool = False,
    ignore: Sequence[int] = (),
    minimum_area_px: int = 1,
    neighbour: int = 1,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Return density, count, size and neighbour distance of any labels: synapses, mitochondria, plaques.

    Parameters
    ----------
    labels, sample_id, voxel_size_um, components, connectivity, corners, ignore, minimum_area_px, neighbour, \
workers, progress
        As in ``semantic_features``.
    label_values
        A name of your own for each label value to measure.

    Returns
    -------
    features
        Columns ``<name>_density`` (fraction), ``<name>_count``, ``<name>_size`` (µm²) and ``<name>_distance``
        (µm) for each name.

    Raises
    ------
    ValueError
        As ``semantic_features``.

    Examples
    --------
    >>> image = np.zeros((1, 4, 5), np.uint8)
    >>> image[0, 0, [0, 3]] = 7
    >>> label_features(image, {"synapse": 7}, voxel_size_um=(1, 1, 1)).iloc[0].to_dict()
    {'synapse_density': 0.1, 'synapse_count': 2.0, 'synapse_size': 1.0, 'synapse_distance': 3.0}
    """
    values = _distinct_values(label_values)
    wanted = {
        f"{name}_{what}": Feature(unit, name, measure)
        for name in values
        for what, unit, measure in (
            ("density", "fraction", cells.density),
            ("count", "", cells.count),
            ("size", "µm²", cells.mean_size),
            ("distance", "µm", cells.mean_neighbour_distance),
        )
    }
    return _table(
        labels,
        wanted,
        values,
        sample_id=sample_id,
        voxel_size_um=voxel_size_um,
        components=components,
        connectivity=connectivity,
        corners=corners,
        ignore=ignore,
        minimum_area_px=minimum_area_px,
        neighbour=neighbour,
        workers=workers,
        progress=progress,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measuring:
    """Everything that a process needs to know to measure a piece."""

    features: Mapping[str, Feature]
    values: Mapping[str, int]
    ignore: Sequence[int]
    spacing_um: Float64[np.ndarray, "2"]
    connectivity: Connectivity2D
    corners: bool
    minimum_area_px: int
    neighbour: int

    def __call__(
        self,
        labels: Integer[np.ndarray, "images y x"],
        numbers: Mapping[str, Shaped[np.ndarray, "images y x"]],
    ) -> Float64[np.ndarray, "rows columns"]:
        """Return the features of a piece, a row an image or four."""
        step = max(1, _PIXELS_AT_ONCE // (labels.shape[1] * labels.shape[2]))
        tables: list[np.ndarray] = []
        for start in range(0, len(labels), step):
            batch = labels[start : start + step]
            _check_values(batch, self.values, self.ignore)
            cut = {name: volume[start : start + step] for name, volume in numbers.items()}
            if self.corners:
                batch, cut = corner_crops(batch), {name: corner_crops(part) for name, part in cut.items()}
            images = LabelImages(
                labels=batch,
                values=self.values,
                spacing_um=self.spacing_um,
                connectivity=self.connectivity,
                numbers=cut,
                minimum_area_px=self.minimum_area_px,
                neighbour=self.neighbour,
            )
            table = np.full((len(batch), len(self.features)), np.nan)
            for column, feature in enumerate(self.features.values()):
                if feature.label is None:
                    table[:, column] = boundaries.boundary_density(images)
                elif feature.label in self.values:
                    table[:, column] = feature.measure(images, feature.label)
            tables.append(table)
        return np.concatenate(tables)


def _table(
    labels: ArraySource,
    features: Mapping[str, Feature],
    values: Mapping[str, int],
    *,
    sample_id: Sequence[str] | np.ndarray | None,
    voxel_size_um: Sequence[float] | np.ndarray,
    components: str,
    connectivity: int | None,
    corners: bool,
    ignore: Sequence[int],
    minimum_area_px: int,
    neighbour: int,
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> pd.DataFrame:
    _check_images(labels)
    if workers < 1:
        raise ValueError(f"workers must be at least 1 process, got {workers}")
    if minimum_area_px < 1:
        raise ValueError(f"minimum_area_px must be at least 1 pixel, got {minimum_area_px}")
    if neighbour < 1:
        raise ValueError(f"neighbour must be at least 1, the nearest, got {neighbour}")
    if components not in ("2d", "3d"):
        raise ValueError(f"components must be '2d' or '3d', got {components!r}")
    volume = _joined_3d(connectivity) if components == "3d" else None
    n_images = labels.shape[0]
    index = _checked_index(sample_id, n_images, corners=corners)
    measure = _Measuring(
        features=dict(features),
        values=dict(values),
        ignore=tuple(ignore),
        spacing_um=_checked_spacing(voxel_size_um),
        connectivity=_joined_2d(connectivity) if volume is None else 8,
        corners=corners,
        minimum_area_px=minimum_area_px,
        neighbour=neighbour,
    )
    numbers: dict[str, np.ndarray] = {}
    if volume is not None:
        labels = np.asarray(labels[...])
        _check_values(labels, values, ignore)
        numbers = _volume_numbers(labels, features, values, sample_id, volume)
    in_memory = isinstance(labels, np.ndarray) and workers == 1
    step = rows_at_once(labels, elements=_PIXELS_AT_ONCE if in_memory else _PIXELS_A_READ)
    if workers > 1:
        step = min(step, -(-n_images // workers))
    pieces = (
        (np.asarray(labels[start : start + step]), {k: v[start : start + step] for k, v in numbers.items()})
        for start in range(0, n_images, step)
    )
    tables: list[np.ndarray] = []
    for done, table in enumerate(_measured(measure, pieces, workers=workers), start=1):
        tables.append(table)
        if progress is not None:
            progress(min(done * step, n_images), n_images)
    return pd.DataFrame(np.concatenate(tables), columns=list(features), index=index)


def _measured(
    measure: _Measuring, pieces: Iterator[tuple[np.ndarray, dict[str, np.ndarray]]], *, workers: int
) -> Iterator[np.ndarray]:
    """Yield each piece's features in order, from this process or from several."""
    if workers == 1:
        for piece in pieces:
            yield measure(*piece)
        return
    # A fresh process: a forked one would inherit locks that another thread holds.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        # No more pieces are read ahead than the processes can start on, so memory stays flat.
        waiting: list[Future[np.ndarray]] = [
            pool.submit(measure, *piece) for piece in islice(pieces, 2 * workers)
        ]
        while waiting:
            table = waiting.pop(0).result()
            waiting.extend(pool.submit(measure, *piece) for piece in islice(pieces, 1))
            yield table


def _volume_numbers(
    labels: np.ndarray,
    features: Mapping[str, Feature],
    values: Mapping[str, int],
    sample_id: Sequence[str] | np.ndarray | None,
    connectivity: Connectivity3D,
) -> dict[str, np.ndarray]:
    """Return, for each label whose components are measured, the number of each voxel's component."""
    ends = [0, len(labels)]
    if sample_id is not None:
        at = sample_positions(sample_id)
        ends[1:1] = (np.flatnonzero((at.cube[1:] != at.cube[:-1]) | (np.diff(at.z) != 1)) + 1).tolist()
    by_component = {cells.count, cells.mean_size, cells.mean_neighbour_distance, cells.mean_eccentricity}
    names = {
        feature.label
        for feature in features.values()
        if feature.label in values and feature.measure in by_component
    }
    return {
        str(name): np.concatenate(
            [
                volume_labels(labels[start:stop] == values[str(name)], connectivity=connectivity)
                .astype(np.uint32, copy=False)  # pieces of different types would not join
                for start, stop in pairwise(ends)
            ]
        )
        for name in names
    }  # fmt: skip


def _check_images(labels: ArraySource) -> None:
    if len(labels.shape) != 3 or 0 in labels.shape:
        raise ValueError(f"labels must be a stack of images (images, y, x), got shape {labels.shape}")
    if np.dtype(labels.dtype).kind not in "ui":
        raise ValueError(f"labels must be integers, got {labels.dtype}")


def _checked_spacing(voxel_size_um: Sequence[float] | np.ndarray) -> Float64[np.ndarray, "2"]:
    size = np.asarray(voxel_size_um, dtype=np.float64)
    if size.shape != (3,) or not np.isfinite(size).all() or (size <= 0).any():
        raise ValueError(f"voxel_size_um must be three positive numbers (z, y, x), got {voxel_size_um}")
    return size[1:]


def _joined_2d(connectivity: int | None) -> Connectivity2D:
    if connectivity is None or connectivity == 8:
        return 8
    if connectivity == 4:
        return 4
    raise ValueError(f"connectivity in 2d must be one of 4, 8, got {connectivity}")


def _joined_3d(connectivity: int | None) -> Connectivity3D:
    for value in get_args(Connectivity3D):
        if value == (6 if connectivity is None else connectivity):
            return value
    raise ValueError(f"connectivity in 3d must be one of 6, 18, 26, got {connectivity}")


def _checked_names(features: Sequence[str]) -> list[str]:
    for name in features:
        if name not in _REGISTRY:
            near = difflib.get_close_matches(name, _REGISTRY, n=1)
            meant = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(_REGISTRY)}"
            raise ValueError(f"features must be known by name, got {name!r}; {meant}")
    if not features or len(set(features)) < len(features):
        raise ValueError(f"features must name at least one feature, each once, got {list(features)}")
    return list(features)


def _named_values(label_values: Mapping[str, int]) -> dict[str, int]:
    for name in label_values:
        if name not in LABEL_VALUES:
            near = difflib.get_close_matches(name, LABEL_VALUES, n=1)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(
                f"label_values may name {', '.join(LABEL_VALUES)}, got {name!r}{meant} "
                "(label_features measures labels of any name)"
            )
    return _distinct_values(label_values)


def _distinct_values(label_values: Mapping[str, int]) -> dict[str, int]:
    for name, value in label_values.items():
        if value == 0:
            raise ValueError(f"label value 0 is the background and cannot be {name!r}")
    if not label_values:
        raise ValueError("label_values must name at least one label, got none")
    if len(set(label_values.values())) < len(label_values):
        raise ValueError(f"label_values must differ, got {dict(label_values)}")
    return dict(label_values)


def _checked_index(sample_id: Sequence[str] | np.ndarray | None, n_images: int, *, corners: bool) -> pd.Index:
    ids = (
        [f"labels/z{z}" for z in range(n_images)] if sample_id is None else [str(name) for name in sample_id]
    )
    if len(ids) != n_images:
        raise ValueError(f"sample_id must have one id an image, got {len(ids)} for {n_images} images")
    if corners:
        cut = [name for name in ids if name.endswith(tuple(f"/{corner}" for corner in CORNERS))]
        if cut:
            raise ValueError(f"only whole images have corners, got {cut[0]}")
        ids = [f"{name}/{corner}" for name in ids for corner in CORNERS]
    index = pd.Index(ids, name="sample_id", dtype=object)
    if index.has_duplicates:
        raise ValueError(f"sample_id must name each image once, got twice: {index[index.duplicated()][0]}")
    return index


def _check_values(labels: np.ndarray, values: Mapping[str, int], ignore: Sequence[int]) -> None:
    allowed = sorted({*values.values(), *ignore} - {0})
    # Comparing and counting is many times faster than finding the unique values.
    if sum(np.count_nonzero(labels == value) for value in allowed) < np.count_nonzero(labels):
        unknown = np.setdiff1d(np.unique(labels), [0, *allowed])
        named = ", ".join(f"{value} {name}" for name, value in values.items())
        raise ValueError(
            f"labels may hold 0 background, {named}; got also {', '.join(map(str, unknown[:10]))}; "
            "name what they are in label_values, or list them in ignore"
        )
