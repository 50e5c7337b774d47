"""The computed volume behind ``phantom://``."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl

import numpy as np

from mtneuro_data._shared.words import unknown_name
from mtneuro_data.box import Box, Corner
from mtneuro_data.sources.base import Kind, Location, Source

if TYPE_CHECKING:
    from mtneuro_data.phantom import Appearance

CHANNELS = ("image", "pixel_labels", "roi_labels")


class _Address(NamedTuple):
    """The parts of a phantom's URI, with defaults for those that it leaves out."""

    channel: str
    seed: int
    shape: Corner
    level: int
    appearance: "Appearance"


class PhantomSource(Source):
    """One channel of a phantom at one level of resolution."""

    dtype = np.dtype(np.uint8)

    def __init__(self, address: _Address) -> None:
        from mtneuro_data.phantom import Phantom

        self.address = address
        self._phantom = Phantom(
            address.channel, shape=address.shape, seed=address.seed, appearance=address.appearance
        )
        self.shape = self._phantom.shape_at(address.level)
        self.voxel_size_um = self._phantom.voxel_size_um_at(address.level)

    @property
    def kind(self) -> Kind:
        """Whether the channel is the image or one of its annotations."""
        return "image" if self.address.channel == "image" else "annotation"

    def read(self, box: Box, /) -> np.ndarray:
        """Return the voxels of a box."""
        return self._phantom.read(box.lower, box.upper, level=self.address.level)

    def joint_reader(self, other: Source, /) -> Callable[[Box], tuple[np.ndarray, np.ndarray]] | None:
        """Return a function that computes a phantom's image and pixel labels in the time of the image."""
        if not isinstance(other, PhantomSource) or self.address.level or self.address.channel != "image":
            return None
        if self.address._replace(channel="pixel_labels") != other.address:
            return None

        def read(box: Box) -> tuple[np.ndarray, np.ndarray]:
            channels = self._phantom.read_all(box.lower, box.upper)
            return channels["image"], channels["pixel_labels"]

        return read


def located(uri: str, _server: object, /) -> Location:
    """Return the location of a phantom's channel, given a URI such as ``phantom://image?seed=7``.

    Raises
    ------
    ValueError
        If the channel, a parameter or its value is wrong.
    """
    from mtneuro_data.phantom import PHANTOM_VERSION

    address = _parsed(uri)
    try:
        source = PhantomSource(address)
    except ValueError as error:
        raise ValueError(f"{uri}: {error}") from None
    shape = "x".join(map(str, source.shape))
    usual = type(address.appearance)()
    looks = [
        f"-{field.name}{getattr(address.appearance, field.name):g}"
        for field in fields(usual)
        if getattr(address.appearance, field.name) != getattr(usual, field.name)
    ]
    # Everything that determines the voxels is part of the path in a cache.
    kind = f"seed{address.seed}-{shape}{''.join(looks)}"
    key = ("phantom", f"v{PHANTOM_VERSION}", kind, address.channel, address.level)
    return Location(uri, lambda: source, key)


def _parsed(uri: str) -> _Address:
    from mtneuro_data.phantom import Appearance
    from mtneuro_data.phantom.areas import NATIVE_SHAPE

    channel, _, query = uri.removeprefix("phantom://").partition("?")
    channel = channel.rstrip("/")
    if channel not in CHANNELS:
        raise ValueError(f"{uri}: {unknown_name('the channel', channel, CHANNELS)}")
    address = _Address(channel, 0, NATIVE_SHAPE, 0, Appearance())
    looks = [field.name for field in fields(Appearance)]
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key in looks:
            try:
                appearance = replace(address.appearance, **{key: float(value)})
            except ValueError:
                raise ValueError(f"{uri}: {key} must be a strength of 0 or more, got {value!r}") from None
            address = address._replace(appearance=appearance)
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
            raise ValueError(f"{uri}: {unknown_name('a parameter', key, allowed)}")
    return address
