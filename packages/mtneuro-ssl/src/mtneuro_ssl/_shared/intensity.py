"""Grey levels: a window of intensities, from what becomes black to what becomes white."""

import math
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal, cast

import numpy as np

Window = tuple[float, float]
"""The intensities that become black and white; those outside become the same."""

GreyType = Literal["uint8", "float32"]
"""Grey levels of 0 to 255, or of 0 to 1."""

Level = float | str
"""An intensity, or a percentile as text: ``"0.5%"``."""

_PERCENT = re.compile(r"(\d+(?:\.\d+)?)%")
_TABLE = 1 << 16
"""Most different values that are looked up in a table."""

_SAMPLE_BYTES = 1 << 25


def parsed_levels(text: str, /) -> tuple[Level, Level]:
    """Return the two levels of ``LO:HI``, as a command line takes them.

    Raises
    ------
    ValueError
        If there are not two, or they do not ascend.

    Examples
    --------
    >>> parsed_levels("0:4095"), parsed_levels("0.5%:99.5%")
    ((0.0, 4095.0), ('0.5%', '99.5%'))
    """
    low, colon, high = text.partition(":")
    if not colon:
        raise ValueError(f"--intensity must read LO:HI, such as 0:4095 or 0.5%:99.5%, got {text!r}")
    return checked_levels((_level(low), _level(high)))


def parsed_window(text: str | None, /) -> Window | None:
    """Return the two intensities of ``LO:HI``; ``None`` stays ``None``.

    Raises
    ------
    ValueError
        If there are not two, they do not ascend, or they are percentiles, which only a task's sample has.

    Examples
    --------
    >>> parsed_window("0:4095")
    (0.0, 4095.0)
    """
    if text is None:
        return None
    low, high = parsed_levels(text)
    if isinstance(low, str) or isinstance(high, str):
        raise ValueError(
            f"--intensity takes numbers here, got {text!r}: percentiles are taken of a task's training images"
        )
    return low, high


def checked_levels(levels: Sequence[Level], /) -> tuple[Level, Level]:
    """Return two levels; numbers, or two percentiles, ascend.

    Raises
    ------
    ValueError
        If there are not two, one is neither a finite number nor a percentile, or they do not ascend.
    """
    if len(levels) != 2:
        raise ValueError(f"intensity must be two levels, lowest and highest, got {list(levels)}")
    low, high = levels
    ranks = [percent_of(level) for level in (low, high)]
    for level, rank in zip((low, high), ranks, strict=True):
        if rank is None and not (isinstance(level, (int, float)) and math.isfinite(level)):
            raise ValueError(f'intensity must be numbers, or percentiles such as "0.5%", got {level!r}')
        if rank is not None and rank > 100:
            raise ValueError(f"a percentile must lie within 0% and 100%, got {level}")
    if (ranks[0] is None) == (ranks[1] is None):
        ends = (low, high) if ranks[0] is None else ranks
        if not cast("float", ends[0]) < cast("float", ends[1]):
            raise ValueError(f"the lower intensity must be less than the higher, got {low}:{high}")
    return low, high


def percent_of(level: Level, /) -> float | None:
    """Return the number of a percentile; ``None`` of an intensity, or of what is neither.

    Examples
    --------
    >>> percent_of("0.5%"), percent_of(12.0)
    (0.5, None)
    """
    match = _PERCENT.fullmatch(level) if isinstance(level, str) else None
    return None if match is None else float(match[1])


def windowed(voxels: np.ndarray, window: Window, /, grey: GreyType = "uint8") -> np.ndarray:
    """Return intensities as grey levels.

    Parameters
    ----------
    voxels
        Numbers of any type.
    window
        The intensity that becomes 0, and that which becomes 255 (or 1); those beyond become the same.
    grey
        ``uint8``, rounded, or ``float32``.

    Raises
    ------
    ValueError
        If a voxel is not a number (NaN).

    Examples
    --------
    >>> windowed(np.array([0, 1000, 2000, 9000], np.uint16), (0, 2000))
    array([  0, 128, 255, 255], dtype=uint8)
    >>> windowed(np.array([-1.0, 0.25]), (0, 1), "float32")
    array([0.  , 0.25], dtype=float32)
    """
    if voxels.dtype.kind in "biu" and voxels.dtype.itemsize <= 2:
        # A table of all values there are: many times faster than arithmetic on each voxel.
        code = np.dtype(f"u{voxels.dtype.itemsize}")
        values = np.arange(min(1 << 8 * code.itemsize, _TABLE)).astype(code).view(_number(voxels.dtype))
        native = np.ascontiguousarray(voxels, dtype=voxels.dtype.newbyteorder("="))
        return np.take(_mapped(values, window, grey), native.view(code))
    return _mapped(voxels, window, grey)


def _number(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(np.uint8) if dtype.kind == "b" else dtype.newbyteorder("=")


def _mapped(voxels: np.ndarray, window: Window, grey: GreyType) -> np.ndarray:
    low, high = window
    # In the precision of the voxels, of float32 at least; whole numbers beyond 2^24 need float64.
    wide = np.float32 if voxels.dtype.kind == "f" and voxels.itemsize <= 4 else np.float64
    share = voxels.astype(wide)
    share -= wide(low)
    share *= wide(1 / (high - low))
    np.clip(share, 0, 1, out=share)
    if voxels.dtype.kind == "f" and np.isnan(share.sum()):
        raise ValueError("intensities must be numbers, got NaN: fill them first")
    if grey == "float32":
        return share.astype(np.float32, copy=False)
    share *= 255
    return np.rint(share, out=share).astype(np.uint8)


class Windowed:
    """A volume as grey levels; it is read, and mapped, where it is sliced.

    Parameters
    ----------
    array
        An array, or what is sliced like one.
    window, grey
        As `windowed` takes them.

    Examples
    --------
    >>> grey = Windowed(np.array([[[0, 4095]]], np.uint16), (0, 4095))
    >>> grey.shape, grey.dtype, grey[0].tolist()
    ((1, 1, 2), dtype('uint8'), [[0, 255]])
    """

    def __init__(self, array: Any, window: Window, grey: GreyType = "uint8") -> None:
        self._array, self.window = array, window
        self._grey: GreyType = grey
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.dtype: np.dtype[Any] = np.dtype(grey)
        chunks = getattr(array, "chunks", None)
        self.chunks: tuple[int, ...] | None = None if chunks is None else tuple(chunks)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any, /) -> Any:
        return windowed(np.asarray(self._array[key]), self.window, self._grey)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[...], dtype=dtype)


def seen_range(array: Any, /) -> tuple[float, float]:
    """Return the least and the greatest of some voxels of a volume, or of images: of its middle part.

    Examples
    --------
    >>> seen_range(np.arange(8).reshape(2, 2, 2))
    (0, 7)
    """
    item = max(1, math.prod(array.shape[1:]) * array.dtype.itemsize)
    count = max(1, min(array.shape[0], _SAMPLE_BYTES // item))
    first = (array.shape[0] - count) // 2
    some = np.asarray(array[first : first + count])
    if some.dtype.kind == "f":
        some = some[np.isfinite(some)]
    return (some.min().item(), some.max().item()) if some.size else (math.nan, math.nan)


def not_grey(
    name: str, dtype: np.dtype[Any], read: Callable[[], tuple[float, float]], /, *, hint: str = ""
) -> str:
    """Return what to say of an image that is not uint8 where no window of intensities is given.

    Parameters
    ----------
    name
        What holds the image.
    dtype
        Its type.
    read
        Returns the least and the greatest value of some of it; asked only for this message.
    hint
        What else than ``--intensity`` would do.
    """
    low, high = (f"{value:g}" if isinstance(value, float) else str(value) for value in read())
    told = f"--intensity {low}:{high}" + (f", or {hint.format(low=low, high=high)}" if hint else "")
    return (
        f"{name}: an image must be uint8, got {dtype} with values from {low} to {high}; "
        f"say which become black and white: {told}"
    )


def _level(text: str) -> Level:
    try:
        return float(text)
    except ValueError:
        return text.strip()
