"""Clouds of points as samples: what they must be, and their random views."""

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from mtneuro_ssl.settings import TrainSettings, ViewSettings
from mtneuro_ssl.types import Samples, Volume

COLUMNS = ("class", "y", "x", "size")
"""What a point has: the number of its class, its place about the middle of the image, and its size."""

MOST_CLASSES = 32
"""Largest number of a class."""

_VIEWS = {"flip", "rotate", "noise", "mask", "slices"}
"""Settings of views that mean something for clouds."""


def as_vectors(samples: Samples | Volume, settings: TrainSettings) -> Samples | Volume:
    """Return clouds ``(n, points, 4)`` as the vectors ``(n, points x 4)`` that they are trained as.

    Samples of other encoders stay as they are.

    Examples
    --------
    >>> as_vectors(np.zeros((2, 5, 4), np.float32), TrainSettings(encoder="deepsets")).shape
    (2, 20)
    """
    shape = tuple(getattr(samples, "shape", ()))
    if settings.of_points and len(shape) == 3 and shape[2] == len(COLUMNS):
        return np.asarray(samples[:]).reshape(shape[0], shape[1] * shape[2])
    return samples


def check_points(samples: Samples | Volume, *, encoder: str) -> None:
    """Raise unless samples are clouds of points, as vectors ``(n, points x 4)``.

    Raises
    ------
    ValueError
        If they are images or other vectors, or a class or a size is none.
    """
    shape, dtype = getattr(samples, "shape", ()), getattr(samples, "dtype", type(samples).__name__)
    if dtype != np.float32 or len(shape) != 2 or 0 in shape or shape[1] % len(COLUMNS):
        raise ValueError(
            f"encoder {encoder!r} takes clouds of points, float32 (n, points, {len(COLUMNS)}), as "
            f"`mtneuro-probe points` writes them, got {dtype} of shape {shape}"
        )
    points = np.asarray(samples).reshape(shape[0], -1, len(COLUMNS))
    number, size = points[:, :, 0], points[:, :, 3]
    if not np.isfinite(points).all():
        raise ValueError("points must be finite, got nan or inf")
    wrong = number[(number < 0) | (number > MOST_CLASSES) | (number % 1 != 0)]
    if wrong.size:
        raise ValueError(
            f"the class of a point must be a whole number, {MOST_CLASSES} at most and 0 for none, "
            f"got {wrong[0]:g}"
        )
    if (size < 0).any():
        raise ValueError(f"the size of a point must be 0 or more, got {size.min():g}")


def check_learnable(samples: Samples | Volume, settings: TrainSettings) -> None:
    """Raise unless a method can learn from clouds of points.

    Raises
    ------
    ValueError
        If there is no point, the method is of images alone, or its views would all be alike.
    """
    check_points(samples, encoder=settings.encoder)
    if not np.asarray(samples)[:, :: len(COLUMNS)].any():
        raise ValueError(f"clouds must have a point, got none in {samples.shape[0]} of them")
    family, views = settings.entry.family, settings.views
    if family == "classical" or settings.method == "supervised+mixup":
        raise ValueError(f"method {settings.method!r} needs images, got clouds of points")
    unset = type(views)()
    given = {name for name in type(views).model_fields if getattr(views, name) != getattr(unset, name)}
    if given - _VIEWS:
        raise ValueError(
            f"views.{min(given - _VIEWS)} means nothing for clouds of points: leave it out; theirs are "
            + ", ".join(sorted(_VIEWS))
        )
    if family == "self-supervised" and not given:
        raise ValueError(
            f"method {settings.method!r} needs views that differ, and those of clouds are whole: set "
            "views.mask (points left out), views.noise (of their places), views.flip or views.rotate"
        )


def point_views(
    clouds: Float32[Tensor, "batch inputs"], views: ViewSettings, *, generator: torch.Generator
) -> Float32[Tensor, "batch inputs"]:
    """Return clouds mirrored, turned by quarters, jittered, and with some points left out.

    All points of a cloud are mirrored and turned alike, about the middle of the image. What is drawn depends
    on the width of the clouds, their padding included.
    """
    count = len(clouds)
    points = clouds.unflatten(1, (-1, len(COLUMNS)))
    place = points[:, :, 1:3]
    if views.flip:
        kept = 1 - 2 * (torch.rand((count, 1, 2), generator=generator) < views.flip).float()
        place = place * kept.to(place.device, non_blocking=True)
    if views.rotate:
        # Quarter turns: cosine and sine of each.
        turns = torch.randint(4, (count, 1, 1), generator=generator).to(place.device, non_blocking=True)
        cosine, sine = (
            (turns == 0).float() - (turns == 2).float(),
            (turns == 1).float() - (turns == 3).float(),
        )
        y, x = place[:, :, :1], place[:, :, 1:]
        place = torch.cat([cosine * y - sine * x, sine * y + cosine * x], dim=2)
    if views.noise:
        drawn = torch.randn(place.shape, generator=generator)
        place = place + views.noise * drawn.to(place.device, non_blocking=True)
    varied = torch.cat([points[:, :, :1], place, points[:, :, 3:]], dim=2)
    if views.mask:
        dropped = torch.rand(points.shape[:2], generator=generator) < views.mask
        varied = varied.masked_fill(dropped.to(place.device, non_blocking=True)[:, :, None], 0)
    return varied.flatten(1)
