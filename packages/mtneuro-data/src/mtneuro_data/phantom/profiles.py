"""Brightness over the local background by distance from a wall or an outline, looked up voxel by voxel."""

import numpy as np
from jaxtyping import Float32, Float64

_STEPS = 32  # a voxel
_DEEPEST = 8  # voxels inside


def profile(
    distance: Float64[np.ndarray, " knots"], ratio: Float64[np.ndarray, " knots"]
) -> Float32[np.ndarray, " steps"]:
    """Return brightness at every thirty-second of a voxel, from 8 voxels inside to the last of the knots."""
    place = np.arange(-_DEEPEST * _STEPS, int(distance[-1]) * _STEPS + 2) / _STEPS
    return np.interp(place, distance, ratio).astype(np.float32)


def brightness_at(
    steps: Float32[np.ndarray, " steps"], distance: Float32[np.ndarray, " voxels"]
) -> Float32[np.ndarray, " voxels"]:
    """Return the brightness of a profile's steps at distances in voxels, below 0 inside."""
    position = np.clip((distance + np.float32(_DEEPEST)) * np.float32(_STEPS), 0, len(steps) - 1)
    return steps[position.astype(np.int64)]
