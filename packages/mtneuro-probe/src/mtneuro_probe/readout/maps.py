"""Map a feature over a slice or a volume by reading it out of a map of embeddings."""

import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Float32

from mtneuro_probe._shared.files import written_beside
from mtneuro_probe._shared.volume_file import LazyArray
from mtneuro_probe.embeddings import check_embeddings
from mtneuro_probe.readout.blocks import block_splits
from mtneuro_probe.readout.linear import LinearReadout
from mtneuro_probe.readout.targets import constant_target, feature_targets
from mtneuro_probe.sample import lone_samples, sample_positions
from mtneuro_probe.types import rows_at_once

_VALUES_AT_ONCE = 1 << 24


def fit_readout(
    embeddings: Float[np.ndarray, "samples features"],
    features: pd.DataFrame,
    *,
    feature: str,
    n_splits: int = 5,
    gap: int = 10,
) -> LinearReadout:
    """Fit the readout of one feature to all samples that have it, and return it.

    The ridge's strength is chosen over contiguous blocks of slices with a gap, as ``feature_readout``
    scores it.

    Parameters
    ----------
    embeddings
        One vector a sample.
    features
        A row a sample in the same order, indexed by sample id.
    feature
        Name of the column to read out.
    n_splits, gap
        As in ``feature_readout``.

    Raises
    ------
    ValueError
        If there is no such column, it is an angle or constant, or rows do not fit.
    """
    check_embeddings(embeddings)
    if feature not in features.columns:
        raise ValueError(
            f"feature must be a column of the table ({', '.join(features.columns)}), got {feature!r}"
        )
    if len(features) != len(embeddings):
        raise ValueError(
            f"embeddings and features must have a row a sample, got {len(embeddings)} and {len(features)}"
        )
    target = feature_targets(features.filter(items=[feature]))[feature]
    if target.shape[1] > 1:
        raise ValueError(f"an angle cannot be read out by a line, got {feature!r}")
    there = np.isfinite(target[:, 0])
    if constant_target(target[there]):
        raise ValueError(
            f"the feature to map must differ between samples, got a constant or nothing in {feature!r}"
        )
    ids = [str(name) for name in features.index[there]]
    if lone_samples(ids) is not None:
        splits: Any = n_splits
    else:
        at = sample_positions(ids)
        splits = block_splits(at.cube, at.z, n_splits=n_splits, gap=gap)
    return LinearReadout(cv=splits).fit(embeddings[there], target[there, 0])


def fitted_readout(*arguments: Any, **settings: Any) -> LinearReadout:
    """Return what ``fit_readout`` returns: the older name of it."""
    warnings.warn("fitted_readout is now fit_readout", DeprecationWarning, stacklevel=2)
    return fit_readout(*arguments, **settings)


def feature_map(
    readout: LinearReadout,
    embedding_map: LazyArray,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Float32[np.ndarray, "..."]:
    """Return a feature wherever there is an embedding: cell density over the brain without a pixel label.

    Parameters
    ----------
    readout
        A fitted ``LinearReadout`` of one feature.
    embedding_map
        Embeddings ``(y, x, features)`` or ``(z, y, x, features)`` of images of the size that the readout
        was fitted on; NaN where there is none. Read piece by piece.
    progress
        Called with the number of rows (of the first axis) done and of all.

    Returns
    -------
    map
        The feature in its own unit, in the map's shape without its last axis; NaN where there was no
        embedding.

    Raises
    ------
    ValueError
        If the map has other axes or embeddings of another size than the readout, or the readout is not
        fitted or has several targets.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(30, 2))
    >>> readout = LinearReadout(alphas=(0.0,)).fit(x, x[:, 0] + 10)
    >>> feature_map(readout, np.array([[[1.0, 0.0], [2.0, 5.0]]])).round(3)
    array([[11., 12.]], dtype=float32)
    """
    shape = _checked_shape(readout, embedding_map)
    values = np.empty(shape, dtype=np.float32)
    for start, part in _mapped(readout, embedding_map, progress=progress):
        values[start : start + len(part)] = part
    return values


def write_feature_map(
    readout: LinearReadout,
    embedding_map: LazyArray,
    *,
    path: str | os.PathLike[str],
    feature: str,
    replace: bool = False,
    unit: str = "",
    step_um: tuple[float, ...] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write the map of a feature as a Zarr array, whole or not at all, in constant memory.

    Parameters
    ----------
    readout, embedding_map, progress
        As in ``feature_map``.
    path
        Folder of the Zarr v3 array to write.
    feature, unit
        Name and unit of the feature, kept among the array's attributes.
    replace
        Whether the map of a feature, if one is there, is replaced.
    step_um
        Distance between neighbouring embeddings on each axis in micrometres, kept as ``voxel_size_um``.

    Raises
    ------
    FileExistsError
        If there is something at the path, other than a feature's map that may be replaced.
    ValueError
        As ``feature_map``.
    """
    import zarr

    target = Path(path)
    if target.exists() and not (replace and _is_feature_map(target)):
        told = "; --force (replace=True) replaces it" if _is_feature_map(target) else ""
        raise FileExistsError(
            f"a feature map must be written to a new place, got {target}, which exists{told}"
        )
    shape = _checked_shape(readout, embedding_map)
    if step_um is not None and len(step_um) != len(shape):
        raise ValueError(f"step_um must have a length for each of {len(shape)} axes, got {step_um}")
    rows = min(shape[0], rows_at_once(embedding_map, elements=_VALUES_AT_ONCE))
    attributes: dict[str, Any] = {"feature": feature, "unit": unit}
    if step_um is not None:
        attributes["voxel_size_um"] = list(step_um)
    with written_beside(target) as beside:
        array = zarr.create_array(
            str(beside),
            shape=shape,
            chunks=(rows, *shape[1:]),
            dtype="float32",
            fill_value=np.nan,
            dimension_names=("z", "y", "x")[-len(shape) :],
            attributes=attributes,
            zarr_format=3,
        )
        for start, part in _mapped(readout, embedding_map, progress=progress):
            array[start : start + len(part)] = part


def _is_feature_map(path: Path) -> bool:
    import zarr

    try:
        return "feature" in zarr.open_array(path, mode="r").attrs
    except Exception:
        return False


def fraction_outside(values: LazyArray, measured: Float[np.ndarray, " samples"]) -> float:
    """Return the fraction of a map's known places where it exceeds what was measured on the labelled samples.

    A readout is not reliable there: where the fraction is large, the map's embeddings are unlike the
    samples'.

    Examples
    --------
    >>> fraction_outside(np.array([[1.0, 5.0], [np.nan, 2.0]]), np.array([1.0, 3.0, np.nan]))
    0.3333333333333333
    """
    low, high = np.nanmin(measured), np.nanmax(measured)
    known = outside = 0
    step = rows_at_once(values, elements=_VALUES_AT_ONCE)
    for start in range(0, values.shape[0], step):
        part = np.asarray(values[start : start + step])
        known += int(np.isfinite(part).sum())
        outside += int(((part < low) | (part > high)).sum())
    return outside / known if known else float("nan")


def _checked_shape(readout: LinearReadout, embedding_map: LazyArray) -> tuple[int, ...]:
    coefficients = getattr(readout, "coef_", None)
    if coefficients is None or np.ndim(coefficients) != 1:
        raise ValueError("a map needs a readout that is fitted to one feature")
    shape = tuple(embedding_map.shape)
    if len(shape) not in (3, 4) or 0 in shape or np.dtype(embedding_map.dtype).kind != "f":
        raise ValueError(
            "an embedding map must be floats (y, x, features) or (z, y, x, features), "
            f"got {embedding_map.dtype} of shape {shape}"
        )
    if shape[-1] != len(coefficients):
        raise ValueError(
            f"the map's embeddings must have the readout's {len(coefficients)} features, got {shape[-1]}"
        )
    return shape[:-1]


def _mapped(
    readout: LinearReadout,
    embedding_map: LazyArray,
    *,
    progress: Callable[[int, int], None] | None,
) -> Iterator[tuple[int, Float32[np.ndarray, "..."]]]:
    total = embedding_map.shape[0]
    step = rows_at_once(embedding_map, elements=_VALUES_AT_ONCE)
    for start in range(0, total, step):
        part = np.asarray(embedding_map[start : start + step], dtype=np.float64)
        vectors = part.reshape(-1, part.shape[-1])
        known = np.isfinite(vectors).all(axis=1)
        values = np.full(len(vectors), np.nan, dtype=np.float32)
        if known.any():
            values[known] = readout.predict(vectors[known])
        yield start, values.reshape(part.shape[:-1])
        if progress is not None:
            progress(min(start + step, total), total)
