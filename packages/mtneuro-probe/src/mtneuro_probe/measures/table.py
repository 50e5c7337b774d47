"""Measure a volume of label images piece by piece, in one process or several, to a table."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64, Integer, Shaped

from mtneuro_probe._shared.channels import check_no_channels
from mtneuro_probe._shared.masked import check_unmasked
from mtneuro_probe._shared.process_pool import process_pool
from mtneuro_probe._shared.sample_ids import CORNERS, consecutive_runs
from mtneuro_probe._shared.volume_file import LazyArray
from mtneuro_probe._shared.words import unknown_name
from mtneuro_probe.measures.components import Connectivity, component_numbers
from mtneuro_probe.measures.feature import Feature, in_pixels
from mtneuro_probe.measures.label_images import LabelImages, corner_crops
from mtneuro_probe.sample import sample_positions
from mtneuro_probe.types import rows_at_once

# Images that stay in a core's cache are measured several times faster.
_PIXELS_AT_ONCE = 1 << 19
# Pieces that are read from a file, or sent to a worker process, are larger.
_PIXELS_A_READ = 1 << 22


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measurement:
    """Measures one piece of a volume; holds everything that a worker process needs to know."""

    features: Mapping[str, Feature]
    values: Mapping[str, int]
    ignore: Sequence[int]
    spacing_um: Float64[np.ndarray, "2"]
    connectivity: Connectivity
    corners: bool
    minimum_area_px: int
    neighbour: int
    instances: str | None

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
            check_values(batch, self.values, self.ignore, instances=self.instances)
            cut = {name: volume[start : start + step] for name, volume in numbers.items()}
            if self.corners:
                batch, cut = corner_crops(batch), {name: corner_crops(part) for name, part in cut.items()}
            images = LabelImages(
                labels=batch,
                values=self.values,
                spacing_um=self.spacing_um,
                connectivity=self.connectivity,
                numbers=cut,
                instances=self.instances,
                known=self.ignore,
                minimum_area_px=self.minimum_area_px,
                neighbour=self.neighbour,
            )
            table = np.full((len(batch), len(self.features)), np.nan)
            for column, feature in enumerate(self.features.values()):
                if feature.label is None or feature.label in {*self.values, self.instances}:
                    table[:, column] = feature.factor * feature.measure(images, feature.label)
            tables.append(table)
        return np.concatenate(tables)


def measured_table(
    labels: LazyArray,
    features: Mapping[str, Feature],
    values: Mapping[str, int],
    *,
    sample_id: Sequence[str] | np.ndarray | None,
    voxel_size_um: Sequence[float] | np.ndarray | None,
    components: str,
    connectivity: int | None,
    corners: bool,
    ignore: Sequence[int],
    minimum_area_px: int,
    neighbour: int,
    instances: str | None,
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> pd.DataFrame:
    """Return the table of any features; the arguments are those of ``semantic_features``."""
    check_images(labels)
    if voxel_size_um is None:
        features = in_pixels(features)
    if workers < 1:
        raise ValueError(f"workers must be at least 1 process, got {workers}")
    if minimum_area_px < 1:
        raise ValueError(f"minimum_area_px must be at least 1 pixel, got {minimum_area_px}")
    if neighbour < 1:
        raise ValueError(f"neighbour must be at least 1, the nearest, got {neighbour}")
    if components not in ("2d", "3d"):
        raise ValueError(unknown_name("components", components, ("2d", "3d")))
    joined = checked_connectivity(connectivity, components)
    n_images = labels.shape[0]
    index = checked_index(sample_id, n_images, corners=corners)
    measure = _Measurement(
        features=dict(features),
        values=dict(values),
        ignore=tuple(ignore),
        spacing_um=checked_spacing(voxel_size_um),
        connectivity=joined,
        corners=corners,
        minimum_area_px=minimum_area_px,
        neighbour=neighbour,
        instances=instances,
    )
    numbers: dict[str, np.ndarray] = {}
    if components == "3d":
        labels = np.asarray(labels[...])
        check_values(labels, values, ignore, instances=instances)
        numbers = _component_numbers(labels, features, values, sample_id, joined)
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
    measure: _Measurement, pieces: Iterator[tuple[np.ndarray, dict[str, np.ndarray]]], *, workers: int
) -> Iterator[np.ndarray]:
    """Yield each piece's features in order, from this process or from several."""
    if workers == 1:
        for piece in pieces:
            yield measure(*piece)
        return
    with process_pool(workers) as pool:
        # No more pieces are read ahead than the processes can start on, so memory stays flat.
        waiting: list[Future[np.ndarray]] = [
            pool.submit(measure, *piece) for piece in islice(pieces, 2 * workers)
        ]
        while waiting:
            table = waiting.pop(0).result()
            waiting.extend(pool.submit(measure, *piece) for piece in islice(pieces, 1))
            yield table


def _component_numbers(
    labels: np.ndarray,
    features: Mapping[str, Feature],
    values: Mapping[str, int],
    sample_id: Sequence[str] | np.ndarray | None,
    connectivity: Connectivity,
) -> dict[str, np.ndarray]:
    """Return, for each label whose components are measured, the number of each voxel's component."""
    runs = _stacks(len(labels), sample_id)
    names = {
        feature.label for feature in features.values() if feature.of_components and feature.label in values
    }
    numbers = {str(name): np.zeros(labels.shape, np.uint32) for name in names}
    for name, found in numbers.items():
        for rows in runs:
            found[rows] = component_numbers(labels[rows] == values[name], connectivity=connectivity)
    return numbers


def _stacks(count: int, sample_id: Sequence[str] | np.ndarray | None) -> list[Int64[np.ndarray, " rows"]]:
    """Return the rows of each stack of consecutive slices, in the order of z; without ids, of the only one.

    Raises
    ------
    ValueError
        If an id names no slice, or a slice twice.
    """
    if sample_id is None:
        return [np.arange(count)]
    sample_positions(sample_id)
    return consecutive_runs(sample_id)


def check_images(labels: LazyArray) -> None:
    """Raise ``ValueError`` unless the labels are a stack of integer images."""
    check_no_channels(labels.shape, name="labels")
    check_unmasked(labels, "labels", fill="0, or a value to ignore,")
    if len(labels.shape) != 3 or 0 in labels.shape:
        raise ValueError(f"labels must be a stack of images (images, y, x), got shape {labels.shape}")
    if np.dtype(labels.dtype).kind not in "ui":
        raise ValueError(f"labels must be integers, got {labels.dtype}")


def checked_spacing(voxel_size_um: Sequence[float] | np.ndarray | None) -> Float64[np.ndarray, "2"]:
    """Return the edges of a pixel in micrometres, or 1 where they are not known."""
    if voxel_size_um is None:
        return np.ones(2)
    size = np.asarray(voxel_size_um, dtype=np.float64)
    if size.shape != (3,) or not np.isfinite(size).all() or (size <= 0).any():
        raise ValueError(f"voxel_size_um must be three positive numbers (z, y, x), got {voxel_size_um}")
    return size[1:]


def checked_connectivity(connectivity: int | None, components: str) -> Connectivity:
    """Return how many neighbours join, by default 8 or 6; ``ValueError`` where there is no such way."""
    allowed: tuple[Connectivity, ...] = (8, 4) if components == "2d" else (6, 18, 26)
    for value in allowed:
        if connectivity in (None, value):
            return value
    told = ", ".join(str(value) for value in sorted(allowed))
    raise ValueError(f"connectivity in {components} must be one of {told}, got {connectivity}")


def checked_index(sample_id: Sequence[str] | np.ndarray | None, n_images: int, *, corners: bool) -> pd.Index:
    """Return the index of the table, or raise ``ValueError`` where the ids do not name each row once."""
    ids = (
        [f"labels/z{z}" for z in range(n_images)] if sample_id is None else [str(name) for name in sample_id]
    )
    if len(ids) != n_images:
        raise ValueError(f"sample_id must have one id per image, got {len(ids)} for {n_images} images")
    if corners:
        cut = [name for name in ids if name.endswith(tuple(f"/{corner}" for corner in CORNERS))]
        if cut:
            raise ValueError(f"only whole images have corners, got {cut[0]}")
        ids = [f"{name}/{corner}" for name in ids for corner in CORNERS]
    index = pd.Index(ids, name="sample_id", dtype=object)
    if index.has_duplicates:
        raise ValueError(f"sample_id must name each image once, got twice: {index[index.duplicated()][0]}")
    return index


def check_values(
    labels: np.ndarray, values: Mapping[str, int], ignore: Sequence[int], *, instances: str | None = None
) -> None:
    """Raise ``ValueError`` where the labels hold a value that nothing names, or an id below 0."""
    if instances is not None:
        known = [*values.values(), *ignore]
        if labels.dtype.kind == "i" and (negative := np.setdiff1d(labels[labels < 0], known)).size:
            raise ValueError(
                f"ids of instances must be 0 or more, got {', '.join(map(str, negative[:10]))}; "
                "say that they count as background (--ignore, ignore=)"
            )
        return
    allowed = sorted({*values.values(), *ignore} - {0})
    # Comparing and counting is many times faster than finding the unique values.
    if sum(np.count_nonzero(labels == value) for value in allowed) < np.count_nonzero(labels):
        unknown = np.setdiff1d(np.unique(labels), [0, *allowed])
        named = ", ".join(f"{value} {name}" for name, value in values.items())
        raise ValueError(
            f"labels may hold 0 background, {named}; got also {', '.join(map(str, unknown[:10]))}; "
            "say which label they are, that they count as background (--ignore, ignore=), or that they are "
            "ids of objects (--instances, instances=)"
        )
