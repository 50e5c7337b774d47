"""Label a volume of any size with a probe of pixels, streamed to Zarr."""

import os
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from mtneuro_ssl._shared.files import written_beside
from mtneuro_ssl._shared.terminal import check_output
from mtneuro_ssl.pixel_probe import PixelProbe
from mtneuro_ssl.types import Progress, Volume

CHUNK = 256
"""Side of a chunk of labels, in pixels, at most."""


def segment_volume(
    probe: PixelProbe,
    volume: Volume,
    *,
    out: Path | str,
    window: tuple[int, int] | None = None,
    overlap: float = 0.0,
    batch_size: int = 16,
    replace: bool = False,
    about: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> zarr.Array[Any]:
    """Return the most probable class of every pixel of a volume, as a Zarr array.

    Slices are labelled window by window. A row of windows is held in memory, of one slice, or of a few where
    they are small; never more, whatever the volume's size.

    Parameters
    ----------
    probe
        A probe.
    volume
        Slices ``(z, y, x)`` of the type that its model takes, read where they are sliced.
    out
        Zarr array to write, whole or not at all: uint8 ``(z, y, x)``.
    window
        Height and width of a window in pixels; by default those of the images that the probe was fitted to.
        Slices that are smaller are one window.
    overlap
        Fraction of a window that the next one overlaps. Each pixel is labelled by the window whose middle is
        nearest.
    batch_size
        Windows at a time.
    replace
        Whether something that is there already is replaced.
    about
        Further attributes of the array, such as ``voxel_size_um``.
    progress
        Called with the number of slices done and of all.

    Raises
    ------
    FileExistsError
        If something is there already, unless ``replace``.
    ValueError
        If the window or the overlap is not allowed, or the model does not take windows of this size or type.
    """
    out = Path(out)
    check_output(out, ".zarr", what="labels", force=replace)
    if not 0 <= overlap < 1:
        raise ValueError(f"overlap must be in [0, 1), got {overlap}")
    count, height, width = volume.shape
    sides = window or probe.image_size
    if min(sides) < 1:
        raise ValueError(f"window must be at least 1 pixel along y and x, got {sides[0]} x {sides[1]}")
    rows, columns = (
        list(_windows(length, min(side, length), overlap))
        for length, side in zip((height, width), sides, strict=True)
    )
    attributes: dict[str, Any] = {
        **(about or {}),
        "class_names": list(probe.class_names),
        "prediction": {"versions": {"mtneuro-ssl": version("mtneuro-ssl")}},
    }
    with written_beside(out) as beside:
        array = zarr.create_array(
            beside,
            shape=(count, height, width),
            dtype="uint8",
            chunks=(1, min(CHUNK, height), min(CHUNK, width)),
            dimension_names=("z", "y", "x"),
            attributes=attributes,
        )
        together = max(1, batch_size // len(columns))
        for first in range(0, count, together):
            last = min(first + together, count)
            for seen, kept in rows:
                strips = np.asarray(volume[first:last, seen])
                stack = np.concatenate([strips[:, :, across] for across, _ in columns])
                labels = probe.predict(stack, batch_size=batch_size)
                labels = labels[:, kept.start - seen.start : kept.stop - seen.start]
                array[first:last, kept] = np.concatenate(
                    [
                        of_column[:, :, own.start - across.start : own.stop - across.start]
                        for of_column, (across, own) in zip(
                            labels.reshape(len(columns), last - first, *labels.shape[1:]),
                            columns,
                            strict=True,
                        )
                    ],
                    axis=2,
                )
            if progress is not None:
                progress(last, count)
    return zarr.open_array(os.fspath(out), mode="r")


def _windows(length: int, window: int, overlap: float) -> Iterator[tuple[slice, slice]]:
    """Yield the windows along an axis, and the part of the axis that each labels.

    The last window ends at the axis's end. Where two overlap, they meet in the middle of what both see.

    Examples
    --------
    >>> list(_windows(5, 3, 0.0))
    [(slice(0, 3, None), slice(0, 2, None)), (slice(2, 5, None), slice(2, 5, None))]
    """
    stride = max(1, round(window * (1 - overlap)))
    starts = [*range(0, length - window, stride), length - window]
    borders = [0, *((first + window + second) // 2 for first, second in pairwise(starts)), length]
    for start, (low, high) in zip(starts, pairwise(borders), strict=True):
        yield slice(start, start + window), slice(low, high)
