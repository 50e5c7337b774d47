"""The procedural volume behind ``phantom://``."""

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl

import numpy as np

from mtneuro_data.settings import nearest
from mtneuro_data.volume import Corner

if TYPE_CHECKING:
    from mtneuro_data.phantom import Appearance

__all__ = ["PhantomSource", "cache_key", "common_phantom", "open_phantom"]

CHANNELS = ("image", "pixel_labels", "roi_labels")


class _Address(NamedTuple):
    """What a URI says, with what it leaves out."""

    channel: str
    seed: int
    shape: Corner | None
    level: int
    appearance: "Appearance"


class PhantomSource:
    """One channel of a phantom at one level of resolution."""

    dtype: np.dtype[Any] = np.dtype(np.uint8)

    def __init__(self, address: _Address) -> None:
        from mtneuro_data.phantom import Phantom

        self.address = address
        given: dict[str, Any] = {} if address.shape is None else {"shape": address.shape}
        self._phantom = Phantom(address.channel, seed=address.seed, appearance=address.appearance, **given)
        self.shape: Corner = self._phantom.shape_at(address.level)
        self.voxel_size_um = self._phantom.voxel_size_um_at(address.level)

    def read(self, lower: Corner, upper: Corner, /) -> np.ndarray:
        """Return the voxels of a half-open box."""
        return self._phantom.read(lower, upper, level=self.address.level)

    def read_all(self, lower: Corner, upper: Corner, /) -> dict[str, np.ndarray]:
        """Return all channels of a half-open box at the finest level, by name."""
        return self._phantom.read_all(lower, upper)


def open_phantom(uri: str, /) -> PhantomSource:
    """Return the phantom's channel that a URI such as ``phantom://image?seed=7`` names.

    Raises
    ------
    ValueError
        If the channel, a parameter or its value is wrong.
    """
    address = _parsed(uri)
    try:
        return PhantomSource(address)
    except ValueError as error:
        raise ValueError(f"{uri}: {error}") from None


def common_phantom(one: object, other: object, /) -> PhantomSource | None:
    """Return the phantom whose image and pixel labels two sources are, at its finest level, or ``None``.

    They are computed together in about the time of the image alone.
    """
    if not isinstance(one, PhantomSource) or not isinstance(other, PhantomSource) or one.address.level:
        return None
    right = one.address.channel == "image" and other.address.channel == "pixel_labels"
    return one if right and one.address._replace(channel="pixel_labels") == other.address else None


def cache_key(uri: str, /) -> tuple[str, str, str, str, int]:
    """Return where a cache keeps this phantom: what decides its voxels is part of the path."""
    from mtneuro_data.phantom import PHANTOM_VERSION

    address = _parsed(uri)
    shape = "x".join(str(size) for size in open_phantom(uri).shape)
    usual = type(address.appearance)()
    looks = [
        f"-{field.name}{getattr(address.appearance, field.name):g}"
        for field in fields(usual)
        if getattr(address.appearance, field.name) != getattr(usual, field.name)
    ]
    kind = f"seed{address.seed}-{shape}{''.join(looks)}"
    return ("phantom", f"v{PHANTOM_VERSION}", kind, address.channel, address.level)


def _parsed(uri: str) -> _Address:
    from mtneuro_data.phantom import Appearance

    channel, _, query = uri.removeprefix("phantom://").partition("?")
    channel = channel.rstrip("/")
    if channel not in CHANNELS:
        raise ValueError(f'{uri}: unknown channel "{channel}"; {nearest(channel, CHANNELS)}')
    address = _Address(channel, 0, None, 0, Appearance())
    looks = [field.name for field in fields(Appearance)]
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key in looks:
            address = address._replace(appearance=_look(uri, address.appearance, key, value))
        elif key in ("seed", "level"):
            if not value.isdecimal() or int(value) >= 2**63:
                raise ValueError(f"{uri}: {key} must be one whole number of 0 or more, got {value!r}")
            address = address._replace(**{key: int(value)})
        elif key == "shape":
            parts = value.split(",")
            if len(parts) != 3 or not all(part.isdecimal() and 0 < int(part) < 2**31 for part in parts):
                raise ValueError(f"{uri}: shape must be three positive sizes z,y,x, got {value!r}")
            address = address._replace(shape=(int(parts[0]), int(parts[1]), int(parts[2])))
        else:
            allowed = ("seed", "shape", "level", *looks)
            raise ValueError(f'{uri}: unknown parameter "{key}"; {nearest(key, allowed)}')
    return address


def _look(uri: str, appearance: "Appearance", name: str, value: str) -> "Appearance":
    try:
        return replace(appearance, **{name: float(value)})
    except ValueError:
        raise ValueError(f"{uri}: {name} must be a strength of 0 or more, got {value!r}") from None
