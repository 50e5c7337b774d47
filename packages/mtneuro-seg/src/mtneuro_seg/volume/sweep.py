"""Slide a window over a volume, and blend the class scores of overlapping windows.

The result does not depend on which slices are asked for together: the grid of windows follows from the volume
alone, every batch is filled up to one size, and every voxel's sum is taken in the order of the windows,
multiplied and then added.
"""

from collections.abc import Iterator
from itertools import islice

import numpy as np
import torch
from jaxtyping import Float, Float32, Real
from torch import Tensor

from mtneuro_seg._shared.memory import memory_errors_named
from mtneuro_seg._shared.pixels import as_pixels
from mtneuro_seg._shared.volume_file import LazyArray
from mtneuro_seg.model import Model, normalised
from mtneuro_seg.trial import class_scores
from mtneuro_seg.volume.settings import SweepSettings
from mtneuro_seg.volume.windows import gaussian_weights, windows_over


def window_of(model: Model, sweep: SweepSettings) -> tuple[int, int, int]:
    """Return the window ``(z, y, x)`` that a model slides; a 2D network's is one slice deep.

    Raises
    ------
    ValueError
        If the window has other axes than the network, or a size that it does not take.
    """
    rule = model.settings.size_rule
    size = sweep.window
    if size is None:
        images = model.provenance.get("data", {}).get("images", {}).get("shape")
        size = tuple(images[1:]) if images else rule.padded((8, 256, 256)[-model.settings.network.axes :])
    if len(size) != model.settings.network.axes:
        raise ValueError(
            f"window must have {model.settings.network.axes} axes for {model.settings.model!r}, got {size}"
        )
    if not rule.fits(size):
        near = sorted({rule.trimmed(size), rule.padded(size)})
        raise ValueError(
            f"window must be a size that {model.settings.model!r} takes, got {size}; "
            f"the nearest: {' or '.join(map(str, near))}"
        )
    z, y, x = (1,) * (3 - len(size)) + size
    return z, y, x


def swept_scores(
    model: Model,
    volume: LazyArray,
    sweep: SweepSettings,
    *,
    rows: range,
    device: torch.device,
    divide: bool,
) -> Iterator[tuple[int, Float32[Tensor, "classes y x"]]]:
    """Yield each slice of ``rows`` with its blended class scores.

    Only the slices that a window reaches are held: memory does not grow with the volume's depth.

    Parameters
    ----------
    model
        A trained model, its network on ``device`` and in evaluation mode.
    volume
        ``(z, y, x)``, of the type that the model was trained on.
    sweep
        How the window slides.
    rows
        The slices asked for. Their scores do not depend on which others are asked for.
    device
        Where the network is.
    divide
        Divide by the summed weights. Labels do not need it: all classes of a voxel have the same weights.
    """
    window = window_of(model, sweep)
    depth, height, width = (max(n, w) for n, w in zip(_shape(volume), window, strict=True))
    overlap = (sweep.overlap if window[0] > 1 else 0.0, sweep.overlap, sweep.overlap)
    blend = _Blend(window, (model.settings.classes, height, width), device=device, divide=divide)
    pixels = as_pixels(volume, model.settings)
    reader = _Reader(pixels, window, rows=rows)
    crop = _shape(volume)[1:]
    corners = windows_over((depth, height, width), window, overlap=overlap, rows=rows)
    while batch := list(islice(corners, sweep.batch_size)):
        inputs = np.zeros((sweep.batch_size, *window), pixels.dtype)
        for position, corner in enumerate(batch):
            inputs[position] = reader.window(corner)
        for corner, scores in zip(batch, window_scores(model, inputs, sweep, device), strict=False):
            if corner[0] > blend.start:
                yield from blend.finished(rows, crop, upto=corner[0])
            blend.add(corner, scores)
    yield from blend.finished(rows, crop, upto=blend.start + window[0])


def _shape(volume: LazyArray) -> tuple[int, int, int]:
    z, y, x = volume.shape
    return z, y, x


@torch.inference_mode()
def window_scores(
    model: Model, inputs: Real[np.ndarray, "batch z y x"], sweep: SweepSettings, device: torch.device
) -> Float32[Tensor, "batch classes z y x"]:
    """Return the class scores of a full batch of windows."""
    flat = model.settings.network.axes == 2
    images = normalised(torch.from_numpy(inputs).to(device), model.settings)
    images = images.reshape(len(images), 1, *images.shape[2:]) if flat else images[:, None]
    half = torch.autocast(device.type, torch.bfloat16, enabled=sweep.precision == "bf16-mixed")
    with half, memory_errors_named("prediction", remedy="lower batch_size or window"):
        scores = _flipped_mean(model, images) if sweep.flips else _scores(model, images)
    # One plane a class, the layout of the sums.
    scores = scores.float().contiguous()
    return scores[:, :, None] if flat else scores


def _flipped_mean(model: Model, images: Float[Tensor, "batch 1 *size"]) -> Float[Tensor, "..."]:
    """Return the mean of the scores of an image and of its three flips, each flipped back."""
    total = _scores(model, images)
    for axes in ([-2], [-1], [-2, -1]):
        total = total + _scores(model, images.flip(axes)).flip(axes)
    return total / 4


def _scores(model: Model, images: Float[Tensor, "batch 1 *size"]) -> Float[Tensor, "..."]:
    return class_scores(model.network, images, model.settings)


class _Reader:
    """Windows of a volume, read a slab at a time, mirrored out where the volume is smaller than a window."""

    def __init__(self, volume: LazyArray, window: tuple[int, int, int], *, rows: range) -> None:
        self._volume = volume
        self._needed = rows.stop + window[0] - 1
        self._window = window
        chunks = getattr(volume, "chunks", None)
        # Whole chunks along z, so that none is decoded twice, and at least a window's depth.
        self._thickness = max(int(chunks[0]) if chunks else 1, window[0])
        self._slab = np.empty((0, 0, 0), volume.dtype)
        self._first = 0

    def window(self, corner: tuple[int, int, int]) -> Real[np.ndarray, "z y x"]:
        """Return the voxels of one window."""
        z, y, x = corner
        depth, height, width = self._window
        if not (self._first <= z and z + depth <= self._first + len(self._slab)):
            self._read(z)
        part = self._slab[z - self._first :, y : y + height, x : x + width]
        return part[:depth]

    def _read(self, z: int) -> None:
        """Read the slab from slice ``z`` to the end of its chunk, except the slices that are held already."""
        depth, height, width = (max(n, w) for n, w in zip(_shape(self._volume), self._window, strict=True))
        stop = -(-(z + self._window[0]) // self._thickness) * self._thickness
        stop = min(stop, max(self._needed, z + self._window[0]), depth)
        held = self._slab[max(z - self._first, 0) :] if z >= self._first else self._slab[:0]
        first = z + len(held)
        read = np.asarray(self._volume[slice(first, min(stop, self._volume.shape[0]))])
        grown = ((0, stop - first - len(read)), (0, height - read.shape[1]), (0, width - read.shape[2]))
        if any(after for _, after in grown):
            read = np.pad(read, grown, mode="symmetric")
        self._slab = np.concatenate([held, read]) if len(held) else read
        self._first = z


class _Blend:
    """Weighted sums of the windows that reach the slices ``[start, start + depth)``."""

    def __init__(
        self, window: tuple[int, int, int], size: tuple[int, int, int], *, device: torch.device, divide: bool
    ) -> None:
        classes, height, width = size
        self.start = -1
        self._weights = torch.from_numpy(gaussian_weights(window)).to(device)
        self._sums = torch.zeros(classes, window[0], height, width, device=device)
        self._totals = torch.zeros(window[0], height, width, device=device) if divide else None

    def add(self, corner: tuple[int, int, int], scores: Float32[Tensor, "classes z y x"]) -> None:
        """Add one window's scores."""
        z, y, x = corner
        self.start = z
        _, height, width = self._weights.shape
        place = (..., slice(y, y + height), slice(x, x + width))
        self._sums[place] += scores * self._weights
        if self._totals is not None:
            self._totals[place] += self._weights

    def finished(
        self, rows: range, crop: tuple[int, int], *, upto: int
    ) -> Iterator[tuple[int, Float32[Tensor, "classes y x"]]]:
        """Yield the slices before ``upto``, which no later window reaches, and drop them from the sums."""
        if self.start < 0:
            return
        done = upto - self.start
        for offset in range(min(done, self._sums.shape[1])):
            z = self.start + offset
            if z in rows:
                sums = self._sums[:, offset]
                whole = sums if self._totals is None else sums / self._totals[offset]
                yield z, whole[:, : crop[0], : crop[1]]
        for held in (self._sums, self._totals):
            if held is not None:
                kept = held.shape[-3] - done
                if kept > 0:
                    held[..., :kept, :, :] = held[..., done:, :, :].clone()
                held[..., max(kept, 0) :, :, :] = 0
