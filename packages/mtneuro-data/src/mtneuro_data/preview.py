"""Draw one image of every cube of a task, with its labels laid over it."""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Integer, UInt8

from mtneuro_data.box import Box
from mtneuro_data.opening import open_task
from mtneuro_data.sources.base import Progress
from mtneuro_data.task import TaskSpec

if TYPE_CHECKING:
    from mtneuro_data.cache.folder import Cache

PALETTE = np.array(
    [
        (0, 0, 0), (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66),
        (0, 114, 178), (213, 94, 0), (204, 121, 167), (150, 150, 150),
    ],
    np.uint8,
)  # fmt: skip
"""Colours of labels 0 to 8, which colour-blind readers can tell apart; higher labels reuse 1 to 8."""

_CAPTION = 14
_GAP = 6
_ACROSS = 4


def contact_sheet(
    task: TaskSpec, *, cache: "Cache | None" = None, progress: Progress | None = None
) -> UInt8[np.ndarray, "y x 3"]:
    """Return a picture of the middle slice of every cube: the image, and the image under its labels.

    Parameters
    ----------
    task
        What to show. Cubes are ordered as in the task; each is shown at the middle of the range of
        slices that its splits span.
    cache
        As in `load`.
    progress
        Called with the number of cubes done and the number of all cubes.

    Raises
    ------
    ValueError, OSError
        As `load`.
    """
    # A picture is of 8 bits, whatever the images of the task become.
    image, annotation = open_task(task.replaced(image_type="uint8"), cache=cache)
    boxes = _middles(task)
    tiles: list[np.ndarray] = []
    across = _ACROSS if annotation is None else _ACROSS // 2
    for name, box in boxes:
        voxels = image.read(*box)[0]
        grey = np.repeat(voxels[..., None], 3, axis=-1)
        pictures = [grey]
        if annotation is not None:
            pictures.append(overlaid(voxels, annotation.read(*box)[0]))
        tiles.append(_captioned(np.concatenate(pictures, axis=1), f"{name}  z {box.lower[0]}"))
        if progress is not None:
            progress(len(tiles), len(boxes))
    return _grid(tiles, across=across)


def overlaid(
    image: UInt8[np.ndarray, "y x"], labels: Integer[np.ndarray, "y x"], *, opacity: float = 0.45
) -> UInt8[np.ndarray, "y x 3"]:
    """Return an image with its labels in colour over it; label 0 is left clear.

    Examples
    --------
    >>> overlaid(np.array([[100, 100]], np.uint8), np.array([[0, 1]]), opacity=1.0)[0]
    array([[100, 100, 100],
           [230, 159,   0]], dtype=uint8)
    """
    colour = PALETTE[np.where(labels > 0, (labels.astype(np.int64) - 1) % (len(PALETTE) - 1) + 1, 0)]
    share = np.where(labels > 0, opacity, 0.0)[..., None]
    return np.rint(image[..., None] * (1 - share) + colour * share).astype(np.uint8)


def _middles(task: TaskSpec) -> list[tuple[str, Box]]:
    spans: dict[str, tuple[int, int]] = {}
    for parts in task.splits.values():
        for part in parts:
            for name in part.cubes:
                lo, hi = spans.get(name, part.z)
                spans[name] = (min(lo, part.z[0]), max(hi, part.z[1]))
    boxes: list[tuple[str, Box]] = []
    for name, cube in task.cubes.items():
        if name in spans:
            z = sum(spans[name]) // 2
            boxes.append((name, Box((z, cube.y[0], cube.x[0]), (z + 1, cube.y[1], cube.x[1]))))
    return boxes


def _captioned(picture: np.ndarray, text: str) -> np.ndarray:
    from PIL import Image, ImageDraw

    strip = Image.new("RGB", (picture.shape[1], _CAPTION), "white")
    ImageDraw.Draw(strip).text((2, 1), text, fill="black")
    return np.concatenate([np.asarray(strip), picture])


def _grid(tiles: list[np.ndarray], *, across: int) -> np.ndarray:
    height, width = tiles[0].shape[:2]
    across = min(across, len(tiles))
    down = -(-len(tiles) // across)
    sheet = np.full((down * (height + _GAP) + _GAP, across * (width + _GAP) + _GAP, 3), 255, np.uint8)
    for at, tile in enumerate(tiles):
        y = _GAP + at // across * (height + _GAP)
        x = _GAP + at % across * (width + _GAP)
        sheet[y : y + height, x : x + width] = tile
    return sheet
