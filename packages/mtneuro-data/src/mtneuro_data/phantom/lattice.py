"""Random numbers that depend on a position only: the hash of a lattice site, and numbers drawn from it."""

import numpy as np
from jaxtyping import Float32, Int64, UInt64

_MASK = (1 << 64) - 1
_AXIS = (0x9E3779B97F4A7C15, 0xD1B54A32D192ED03, 0x8CB92BA72F3D8DD7)


def _mixed(value: UInt64[np.ndarray, "..."]) -> UInt64[np.ndarray, "..."]:
    """Return 64-bit words whose every bit depends on every bit of ``value``, in place."""
    value ^= value >> np.uint64(30)
    value *= np.uint64(0xBF58476D1CE4E5B9)
    value ^= value >> np.uint64(27)
    value *= np.uint64(0x94D049BB133111EB)
    value ^= value >> np.uint64(31)
    return value


def stream_key(seed: int, stream: int) -> UInt64[np.ndarray, " 1"]:
    """Return the word from which the hash of every site of one stream is computed."""
    word = np.full((1,), (seed * _AXIS[0] + stream * _AXIS[1]) & _MASK, dtype=np.uint64)
    return _mixed(word)


def extended(
    word: UInt64[np.ndarray, "..."], axis: int, coordinate: Int64[np.ndarray, "..."]
) -> UInt64[np.ndarray, "..."]:
    """Return words that depend on one more coordinate; a whole site's word is three such steps."""
    return _mixed(word + coordinate.astype(np.uint64) * np.uint64(_AXIS[axis]))


def site_hash(seed: int, stream: int, *site: Int64[np.ndarray, "..."]) -> UInt64[np.ndarray, "..."]:
    """Return one 64-bit word a lattice site.

    Parameters
    ----------
    seed, stream
        The volume's seed, and a number that distinguishes one use of the lattice from another.
    site
        The site's integer coordinates, one array an axis; they broadcast, so open grids are cheap.

    Examples
    --------
    >>> z, y, x = (np.arange(2).reshape(shape) for shape in ((2, 1, 1), (2, 1), (2,)))
    >>> words = site_hash(0, 1, z, y, x)
    >>> words.shape, len(np.unique(words))
    ((2, 2, 2), 8)
    """
    word = stream_key(seed, stream)
    for axis, coordinate in enumerate(site):
        word = extended(word, axis, coordinate)
    return word


def noise_bits(
    word: UInt64[np.ndarray, "..."], coordinate: Int64[np.ndarray, "..."]
) -> UInt64[np.ndarray, "..."]:
    """Return words that depend on one more coordinate, as `extended` does at more than twice the cost.

    Only the upper 48 bits are well mixed: enough for noise, which is smoothed, but not for drawing objects.
    """
    word = word + coordinate.astype(np.uint64) * np.uint64(_AXIS[2])
    word ^= word >> np.uint64(32)
    word *= np.uint64(0xD6E8FEB86659FD93)
    return word


def uniforms(word: UInt64[np.ndarray, "..."], count: int) -> list[Float32[np.ndarray, "..."]]:
    """Return ``count`` arrays of numbers in [0, 1), independent of each other, drawn from each word.

    Examples
    --------
    >>> first, second = uniforms(site_hash(0, 1, np.arange(1000), np.arange(1000), np.arange(1000)), 2)
    >>> bool(abs(first.mean() - 0.5) < 0.03), bool(abs(np.corrcoef(first, second)[0, 1]) < 0.1)
    (True, True)
    """
    drawn: list[Float32[np.ndarray, "..."]] = []
    for number in range(count):
        salt = np.uint64((number * _AXIS[2]) & _MASK)
        bits = _mixed(word + salt) >> np.uint64(40)  # 24 bits: all that a float32 holds exactly
        drawn.append(bits.astype(np.float32) * np.float32(2.0**-24))
    return drawn
