"""Tell an axis of channels, which no volume here has, from an axis of slices."""

from collections.abc import Sequence

_FIRST = (1, 3)
_LAST = (1, 3, 4)
_SMALLEST_FACE = 8


def check_no_channels(shape: Sequence[int], /, *, name: str, subvolumes: bool = False) -> None:
    """Raise where an array that does not name its axes looks as if one of them were channels.

    Parameters
    ----------
    shape
        Entries on each axis.
    name
        What messages call it.
    subvolumes
        Whether the array is known to be subvolumes ``(n, z, y, x)``, whose slices may be as few as channels.

    Raises
    ------
    ValueError
        If it looks like ``(n, c, y, x)``, ``(n, y, x, c)`` or ``(y, x, c)``.

    Examples
    --------
    >>> check_no_channels((10, 64, 64), name="scan.npy")
    >>> check_no_channels((64, 64, 3), name="photo.npy")
    Traceback (most recent call last):
    ValueError: photo.npy: the shape (64, 64, 3) looks like (y, x, channel); take one channel, array[..., 0]
    """
    shape = tuple(shape)
    if len(shape) in (3, 4) and shape[-1] in _LAST and min(shape[-3:-1]) >= _SMALLEST_FACE:
        axes, taken, instead = ("n, y, x, channel" if len(shape) == 4 else "y, x, channel"), "[..., 0]", ""
    elif len(shape) == 4 and shape[1] in _FIRST and min(shape[2:]) >= _SMALLEST_FACE and not subvolumes:
        axes, taken = "n, channel, y, x", "[:, 0]"
        instead = "; if they are slices, name the axes n, z, y, x in a Zarr, or add sample_id to an .npz"
    else:
        return
    raise ValueError(
        f"{name}: the shape {shape} looks like ({axes}); take one channel, array{taken}{instead}"
    )
