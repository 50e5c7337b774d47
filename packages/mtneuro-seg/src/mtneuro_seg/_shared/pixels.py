"""Images of any type as the networks' pixels, and the mean and standard deviation of their intensities."""

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Real
from pydantic import AfterValidator

from .intensity import Window, Windowed, checked_levels, not_grey, seen_range
from .volume_file import LazyArray

CheckedWindow = Annotated[Window, AfterValidator(checked_levels)]
"""A window in settings: two finite intensities that ascend."""

_BLOCK_BYTES = 1 << 26


@runtime_checkable
class ImageSettings(Protocol):
    """What settings say of images."""

    @property
    def normalisation(self) -> str:
        """``data`` where mean and spread are those of the training images; else they are known."""
        ...

    @property
    def intensity(self) -> Window | None:
        """Intensities that become black and white where images are not uint8."""
        ...

    @property
    def image_type(self) -> str | None:
        """Type of the images that a model was trained on."""
        ...

    def model_copy(self, *, update: Mapping[str, Any] | None = None) -> Any:
        """Return the settings with some of them changed."""
        ...


Chosen = TypeVar("Chosen", bound=ImageSettings)


def given_if_named(values: Any, /) -> Any:
    """Return the values of settings; where only ``mean`` or ``sd`` are named, they are meant.

    Examples
    --------
    >>> given_if_named({"mean": 0.5})
    {'mean': 0.5, 'normalisation': 'given'}
    """
    if isinstance(values, Mapping) and "normalisation" not in values and {"mean", "sd"} & values.keys():
        return {**values, "normalisation": "given"}
    return values


def scaled(images: Real[np.ndarray, "*size"]) -> Real[np.ndarray, "*size"]:
    """Return intensities on the scale of 0 to 255: uint8 as they are, all else as float32.

    The range of an integer type becomes that scale, and for floating point that from 0 to 1.

    Examples
    --------
    >>> scaled(np.array([0, 65535], np.uint16)), scaled(np.array([0.5]))
    (array([  0., 255.], dtype=float32), array([127.5], dtype=float32))
    """
    if images.dtype == np.uint8:
        return images
    whole = np.iinfo(images.dtype).max if images.dtype.kind in "iu" else 1
    return images.astype(np.float32) * np.float32(255 / whole)


class _Scaled:
    """A volume whose intensities are brought to one scale where it is sliced."""

    dtype = np.dtype(np.float32)

    def __init__(self, array: Any) -> None:
        self._array = array
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.chunks: tuple[int, ...] | None = getattr(array, "chunks", None)

    def __getitem__(self, key: Any, /) -> Any:
        return scaled(np.asarray(self._array[key]))


def as_pixels(images: Any, settings: ImageSettings) -> Any:
    """Return images on the scale of 0 to 255, through the settings' window if they are not uint8.

    An array gives an array, and a volume that is read where it is sliced another.
    """
    if images.dtype == np.uint8:
        return images
    if settings.intensity is not None:
        grey = Windowed(images, settings.intensity)
        return grey[...] if isinstance(images, np.ndarray) else grey
    return scaled(images) if isinstance(images, np.ndarray) else _Scaled(images)


def check_image_type(images: LazyArray, settings: ImageSettings, /, *, name: str = "images") -> None:
    """Raise unless a model takes images of this type: that of its training, or grey levels of its window.

    Raises
    ------
    ValueError
        Naming both types, and the window that would make it fit.
    """
    known, got = settings.image_type, _type(images)
    window, of_grey = settings.intensity is not None, known in (None, "uint8")
    # What is grey was not trained on another type: then its window is that of whatever the grey was made of.
    if got == known or (got == "uint8" and (window or of_grey)) or (window and of_grey):
        return
    if window or of_grey:
        raise ValueError(not_grey(name, images.dtype, lambda: seen_range(images)))
    raise ValueError(f"{name} must be {known}, as the model was trained on, got {got}")


def intensity_statistics(pixels: LazyArray) -> tuple[float, float]:
    """Return mean and standard deviation of pixels, as fractions of 255.

    Raises
    ------
    ValueError
        If a pixel is not finite.

    Examples
    --------
    >>> intensity_statistics(np.array([[[0, 255]]], np.uint8))
    (0.5, 0.5)
    """
    count, mean, spread = 0, 0.0, 0.0
    for block in _blocks(pixels):
        own = float(block.mean(dtype=np.float64))
        # Merged as Chan, Golub and LeVeque (1983) do: sums of squares would lose the digits of small spreads.
        apart, both = own - mean, count + block.size
        spread += float(np.square(block - own, dtype=np.float64).sum()) + apart**2 * count * block.size / both
        mean += apart * block.size / both
        count = both
    if not math.isfinite(mean):
        raise ValueError("images must be finite, got nan or inf: fill them first")
    return mean / 255, (spread / count) ** 0.5 / 255


def settled(settings: Chosen, images: LazyArray) -> Chosen:
    """Return the settings as a model keeps them: with the type, and the mean and spread, of its images.

    Raises
    ------
    ValueError
        If an intensity is not finite.
    """
    known: dict[str, Any] = {"image_type": _type(images)}
    if settings.normalisation == "data":
        known["mean"], known["sd"] = intensity_statistics(as_pixels(images, settings))
    return settings.model_copy(update=known)


def _type(images: LazyArray) -> str:
    return np.dtype(images.dtype).newbyteorder("=").name


def _blocks(images: LazyArray) -> Iterator[np.ndarray]:
    count = max(_BLOCK_BYTES // max(math.prod(images.shape[1:]) * images.dtype.itemsize, 1), 1)
    for start in range(0, images.shape[0], count):
        yield np.asarray(images[start : start + count])
