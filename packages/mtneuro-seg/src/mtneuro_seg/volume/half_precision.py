"""Compare labels in bf16 with those in fp32 on a few windows, and refuse bf16 where they differ."""

import numpy as np
import torch
from jaxtyping import Real

from mtneuro_seg._shared.pixels import as_pixels
from mtneuro_seg._shared.volume_file import LazyArray
from mtneuro_seg.inference import most_probable
from mtneuro_seg.model import Model
from mtneuro_seg.volume.settings import SweepSettings
from mtneuro_seg.volume.sweep import window_of, window_scores
from mtneuro_seg.volume.windows import window_starts

LEAST_AGREEMENT = 0.999
"""Share of the voxels in which the labels of bf16 must be those of fp32."""


def label_agreement(model: Model, volume: LazyArray, *, sweep: SweepSettings, device: torch.device) -> float:
    """Return the share of voxels in which bf16 gives the labels of fp32, in one batch of windows.

    Parameters
    ----------
    model
        A trained model, its network on ``device`` and in evaluation mode.
    volume
        ``(z, y, x)``. The windows lie along its diagonal and away from its ends, where there may be no
        tissue.
    sweep
        How the window slides.
    device
        Where the network is.
    """
    pixels = as_pixels(volume, model.settings)
    inputs = _windows_along_the_diagonal(pixels, window_of(model, sweep), count=sweep.batch_size)
    half, single = (
        most_probable(window_scores(model, inputs, sweep.model_copy(update={"precision": precision}), device))
        for precision in ("bf16-mixed", "32-true")
    )
    return float((half == single).float().mean())


def check_half_precision(
    model: Model, volume: LazyArray, *, sweep: SweepSettings, device: torch.device
) -> None:
    """Raise if bf16 is asked for and the labels are not those of fp32 nearly everywhere.

    Raises
    ------
    ValueError
        Saying in which share of the voxels they agree.
    """
    if sweep.precision == "32-true":
        return
    share = label_agreement(model, volume, sweep=sweep, device=device)
    if share < LEAST_AGREEMENT:
        raise ValueError(
            f"labels in bf16 must agree with those in fp32 in {LEAST_AGREEMENT:.1%} of the voxels, got "
            f"{share:.2%} in {sweep.batch_size} windows; set precision='32-true'"
        )


def _windows_along_the_diagonal(
    volume: LazyArray, window: tuple[int, int, int], *, count: int
) -> Real[np.ndarray, "count z y x"]:
    corners = [
        [starts[round(place * (len(starts) - 1))] for place in (np.arange(count) + 1) / (count + 1)]
        for starts in (
            window_starts(length, size, overlap=0) for length, size in zip(volume.shape, window, strict=True)
        )
    ]
    found = np.zeros((count, *window), volume.dtype)
    for number, (z, y, x) in enumerate(zip(*corners, strict=True)):
        slab = np.asarray(volume[slice(z, z + window[0])])
        part = slab[:, y : y + window[1], x : x + window[2]]
        lacking = [(0, size - length) for size, length in zip(window, part.shape, strict=True)]
        found[number] = np.pad(part, lacking, mode="symmetric")
    return found
