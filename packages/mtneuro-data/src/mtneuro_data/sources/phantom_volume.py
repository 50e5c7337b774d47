"""The procedural volume behind ``phantom://``."""

from typing import cast
from urllib.parse import parse_qsl

from mtneuro_data.settings import nearest
from mtneuro_data.volume import Source

__all__ = ["cache_key", "open_phantom"]

CHANNELS = ("image", "pixel_labels", "roi_labels")
PARAMETERS = ("seed", "shape")


def open_phantom(uri: str, /) -> Source:
    """Return the phantom's channel that a URI such as ``phantom://image?seed=7`` names.

    Raises
    ------
    ValueError
        If the channel, a parameter or its value is wrong.
    """
    from mtneuro_data.phantom import Phantom

    channel, seed, shape = _parsed(uri)
    phantom = Phantom(channel, seed=seed) if shape is None else Phantom(channel, shape=shape, seed=seed)
    # A constant of the class there, an attribute of the instance here; both are only read.
    return cast("Source", phantom)


def cache_key(uri: str, /) -> tuple[str, str, str, str, int]:
    """Return where a cache keeps this phantom: what decides its voxels is part of the path."""
    from mtneuro_data import phantom

    channel, seed, _ = _parsed(uri)
    version = int(getattr(phantom, "PHANTOM_VERSION", 1))
    shape = "x".join(str(size) for size in open_phantom(uri).shape)
    return ("phantom", f"v{version}", f"seed{seed}-{shape}", channel, 0)


def _parsed(uri: str) -> tuple[str, int, tuple[int, int, int] | None]:
    channel, _, query = uri.removeprefix("phantom://").partition("?")
    channel = channel.rstrip("/")
    if channel not in CHANNELS:
        raise ValueError(f'{uri}: unknown channel "{channel}"; {nearest(channel, CHANNELS)}')
    seed, shape = 0, None
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key not in PARAMETERS:
            raise ValueError(f'{uri}: unknown parameter "{key}"; {nearest(key, PARAMETERS)}')
        try:
            numbers = [int(part) for part in value.split(",")]
        except ValueError:
            numbers = []
        if key == "seed":
            if len(numbers) != 1 or not 0 <= numbers[0] < 2**63:
                raise ValueError(f"{uri}: seed must be one whole number of 0 or more, got {value!r}")
            seed = numbers[0]
        else:
            if len(numbers) != 3 or not all(0 < size < 2**31 for size in numbers):
                raise ValueError(f"{uri}: shape must be three positive sizes z,y,x, got {value!r}")
            shape = (numbers[0], numbers[1], numbers[2])
    return channel, seed, shape
