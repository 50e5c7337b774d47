"""Random views of images that lie on the device as one uint8 array, and the seeds that they hang on."""

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

_STREAMS = {"weights": 0, "order": 1, "pool": 2, "views": 3}


def generator_at(seed: int, stream: str, *, step: int = 0) -> torch.Generator:
    """Return the random generator of one purpose at one step.

    It depends on nothing else, so a run that goes on after an interruption draws what it would have drawn.
    """
    key = np.random.SeedSequence([seed, _STREAMS[stream], step]).generate_state(1, np.uint64)[0]
    # torch takes a signed 64-bit seed.
    return torch.Generator().manual_seed(int(key >> np.uint64(1)))


@lru_cache(maxsize=4)
def _permutation(count: int, seed: int, stream: str, epoch: int) -> Tensor:
    return torch.randperm(count, generator=generator_at(seed, stream, step=epoch))


def batch_positions(
    count: int, batch_size: int, *, step: int, seed: int, stream: str = "order"
) -> Int64[Tensor, " batch"]:
    """Return the positions of a step's batch among ``count`` images.

    Each epoch is a permutation of its own, cut into whole batches; what is left over is dropped.

    Examples
    --------
    >>> both = [batch_positions(5, 2, step=t, seed=1).tolist() for t in (0, 1)]
    >>> len(set(both[0] + both[1]))
    4
    """
    epoch, place = divmod(step, count // batch_size)
    return _permutation(count, seed, stream, epoch)[place * batch_size : (place + 1) * batch_size]


def random_crops(
    images: UInt8[Tensor, "n y x"],
    positions: Int64[Tensor, " batch"],
    *,
    size: tuple[int, int],
    generator: torch.Generator,
) -> UInt8[Tensor, "batch h w"]:
    """Return one crop of each image at the positions, each at an offset of its own.

    Only the pixels of the crops are read. The offsets are drawn on the CPU, so they are the same on every
    device.
    """
    height, width = size
    draws = torch.rand((2, len(positions)), generator=generator)
    spare = torch.tensor([[images.shape[1] - height + 1], [images.shape[2] - width + 1]])
    top, left = (draws * spare).long().to(images.device)
    rows = top[:, None] + torch.arange(height, device=images.device)
    columns = left[:, None] + torch.arange(width, device=images.device)
    return images[positions.to(images.device)[:, None, None], rows[:, :, None], columns[:, None, :]]


def normalised(
    images: UInt8[Tensor, "batch y x"], *, mean: float, sd: float
) -> Float32[Tensor, "batch 1 y x"]:
    """Return images as the encoder takes them: scaled to [0, 1], standardised, with a channel axis.

    Examples
    --------
    >>> normalised(torch.full((1, 1, 1), 255, dtype=torch.uint8), mean=0.5, sd=0.25).item()
    2.0
    """
    return images[:, None].float().mul_(1 / (255 * sd)).sub_(mean / sd)


def corner_crops(images: UInt8[np.ndarray, "n y x"]) -> UInt8[np.ndarray, "n 4 h w"]:
    """Return the four corners of each image, of half its height and width.

    Their order is top left, top right, bottom left, bottom right.

    Examples
    --------
    >>> corner_crops(np.arange(16, dtype=np.uint8).reshape(1, 4, 4))[0, 1]
    array([[2, 3],
           [6, 7]], dtype=uint8)
    """
    h, w = images.shape[1] // 2, images.shape[2] // 2
    top, bottom = images[:, :h], images[:, -h:]
    return np.stack([top[..., :w], top[..., -w:], bottom[..., :w], bottom[..., -w:]], axis=1)
