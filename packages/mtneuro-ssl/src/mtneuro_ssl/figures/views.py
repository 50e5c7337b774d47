"""Draw a few samples, random views of them, and the view that is mined for each."""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from mtneuro_ssl.checks import check_samples, with_depth
from mtneuro_ssl.methods.base import Draw
from mtneuro_ssl.mining import nearest_positions
from mtneuro_ssl.model import Model
from mtneuro_ssl.settings import TrainSettings
from mtneuro_ssl.views import generator_at, slice_neighbours

_GAP = 4


def view_sheet(
    images: UInt8[np.ndarray, "n *size"],
    settings: TrainSettings,
    *,
    model: Model | None = None,
    samples: int = 6,
    sample_id: np.ndarray | None = None,
) -> UInt8[np.ndarray, "rows columns"]:
    """Return a picture with a row for each of a few samples: the image, two views, and a mined view.

    The mined view needs a model: it is the one whose embedding is nearest to the second view's, among one
    view of every other image. The picture is like the paper's Figure A3. Of subvolumes, ``(n, z, y, x)``, the
    middle slices are drawn.

    Raises
    ------
    ValueError
        If the images are not uint8 of shape (n, y, x) or (n, z, y, x), or there are fewer of them than
        ``samples``.
    """
    settings = with_depth(settings, images)
    check_samples(images, subvolumes=settings.depth is not None)
    if not 1 <= samples <= len(images):
        raise ValueError(f"samples must be 1 to the number of images, {len(images)}, got {samples}")
    reach = settings.views.slices
    if reach and sample_id is None:
        raise ValueError("views.slices needs a sample_id for each image")
    chosen = torch.from_numpy(np.linspace(0, len(images) - 1, samples).astype(np.int64))
    draw = Draw(
        images=torch.from_numpy(np.array(images, order="C")),
        device=torch.device("cpu"),
        labels=None,
        nearby=slice_neighbours(sample_id, reach=reach) if reach and sample_id is not None else None,
        positions=chosen,
        step=0,
        generator=generator_at(settings.seed, "views"),
        settings=settings,
    )
    first, second = _pixels(draw.view(), settings), _pixels(draw.view(), settings)
    columns = [images[chosen.numpy()], first, second]
    if model is not None:
        pool = _pixels(replace(draw, positions=torch.arange(len(images))).view(), settings)
        queries, candidates = (torch.from_numpy(model.embed(part)) for part in (second, pool))
        mined = nearest_positions(queries, candidates, forbidden=(chosen, torch.arange(len(images))))
        columns.append(pool[mined.numpy()])
    height, width = images.shape[-2:]
    sheet = np.full((samples * (height + _GAP) - _GAP, len(columns) * (width + _GAP) - _GAP), 255, np.uint8)
    for column, pictures in enumerate(columns):
        for row, picture in enumerate(map(_middle, pictures)):
            times = max(min(height // picture.shape[0], width // picture.shape[1]), 1)
            shown = picture.repeat(times, axis=0).repeat(times, axis=1)
            top, left = row * (height + _GAP), column * (width + _GAP)
            sheet[top : top + shown.shape[0], left : left + shown.shape[1]] = shown
    return sheet


def _middle(picture: UInt8[np.ndarray, "*size"]) -> UInt8[np.ndarray, "h w"]:
    """Return an image, or the middle slice of a subvolume."""
    return picture if picture.ndim == 2 else picture[len(picture) // 2]


def _pixels(views: Tensor, settings: TrainSettings) -> UInt8[np.ndarray, "n *size"]:
    """Return views scaled back to intensities of 0 to 255."""
    scaled = (views[:, 0] * settings.sd + settings.mean) * 255
    return scaled.round().clamp(0, 255).to(torch.uint8).numpy()
