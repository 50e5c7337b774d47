"""Stream images that do not fit the device: each step's are read while the step before is computed."""

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from jaxtyping import Int64, Real, Shaped
from torch import Tensor

from mtneuro_ssl.types import Volume

_THREADS = 4
_BLOCK_BYTES = 2**26


class StreamedImages:
    """Images of a volume, read by a few threads while the step before is computed.

    Only the images of two steps are in memory. Reading is quickest from a file whose chunks are whole slices.

    Parameters
    ----------
    volume
        Pixels ``(n, y, x)``, or ``(n, z, y, x)`` of subvolumes, such as a Zarr array or a mapped ``.npy``
        file.

    Examples
    --------
    >>> images = StreamedImages(np.arange(12, dtype=np.uint8).reshape(3, 2, 2))
    >>> images.at(torch.tensor([2, 0]))[:, 0, 0].tolist()
    [8, 0]
    >>> images.close()
    """

    def __init__(self, volume: Volume) -> None:
        self._volume = volume
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="images")
        self._reads: dict[int, Future[np.ndarray]] = {}

    @property
    def shape(self) -> tuple[int, ...]:
        """Images, height and width; or subvolumes, their slices, height and width."""
        return tuple(self._volume.shape)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def expect(self, positions: Int64[Tensor, " wanted"]) -> None:
        """Start reading the images that are needed soon, and drop all others."""
        wanted = set(positions.tolist())
        for position in self._reads.keys() - wanted:
            self._reads.pop(position).cancel()
        for position in positions.tolist():
            if position not in self._reads:
                self._reads[position] = self._threads.submit(self._read, position)

    def at(self, positions: Int64[Tensor, " batch"]) -> Real[Tensor, "batch *size"]:
        """Return the images at these positions, reading those that were not expected."""
        reads = self._reads
        found = [reads[p].result() if p in reads else self._read(p) for p in positions.tolist()]
        return torch.from_numpy(np.stack(found))

    def close(self) -> None:
        """Stop reading."""
        self._threads.shutdown(cancel_futures=True)
        self._reads.clear()

    def _read(self, position: int) -> Real[np.ndarray, "*size"]:
        return np.asarray(self._volume[position])


def located(
    images: Shaped[Tensor, "n *size"] | StreamedImages,
    positions: Int64[Tensor, " batch"],
    *,
    device: torch.device,
) -> tuple[Shaped[Tensor, "held *size"], Int64[Tensor, " batch"]]:
    """Return an array on the device, and where in it the samples at these positions are."""
    if isinstance(images, Tensor):
        return images, positions.to(images.device, non_blocking=True)
    return images.at(positions).to(device, non_blocking=True), torch.arange(len(positions), device=device)


def is_streamed(images: Volume, *, stream: bool | None, device: torch.device) -> bool:
    """Return whether to stream: as the setting says, or if the images would fill over half of the memory.

    Vectors are never streamed.

    Examples
    --------
    >>> is_streamed(np.zeros((2, 8, 8), np.uint8), stream=None, device=torch.device("cpu"))
    False
    """
    if len(images.shape) == 2:
        return False
    if stream is not None:
        return stream
    n_bytes = np.prod(images.shape, dtype=np.float64) * np.dtype(images.dtype).itemsize
    return bool(n_bytes > memory_of(device) / 2)


def memory_of(device: torch.device) -> float:
    """Return a device's memory in bytes; infinite if the system does not report it."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[1]
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError):  # not on every system
        return float("inf")


def blocks(images: Volume) -> Iterator[Shaped[np.ndarray, "some *size"]]:
    """Yield the images in order, as many at a time as take 64 MiB."""
    bytes_each = int(np.prod(images.shape[1:], dtype=np.int64)) * np.dtype(images.dtype).itemsize
    count = max(_BLOCK_BYTES // max(bytes_each, 1), 1)
    for start in range(0, images.shape[0], count):
        yield np.ascontiguousarray(images[start : start + count])


def varies(images: Volume) -> bool:
    """Return whether the intensities differ; reading ends at the first difference.

    Examples
    --------
    >>> varies(np.zeros((2, 8, 8), np.uint8)), varies(np.arange(8.0).reshape(2, 4))
    (False, True)
    """
    first = np.asarray(images[:1]).flat[0]
    return any(bool((block != first).any()) for block in blocks(images))
