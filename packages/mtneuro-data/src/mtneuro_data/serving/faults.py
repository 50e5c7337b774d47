"""Simulated faults of a bad network, reproducible from a seed."""

import hashlib
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal, get_args

from mtneuro_data._shared.words import unknown_name

Fault = Literal[
    "400", "401", "403", "404", "429", "500", "503",
    "reset", "truncate", "wrong_size", "garbage", "flip", "drip", "stall",
]  # fmt: skip
"""An HTTP status; a connection that is cut; half a body; a body of fewer voxels; a body that is not a
compressed cutout; one wrong voxel; a slow body; a body that pauses halfway and then ends."""


@dataclass(frozen=True)
class Faults:
    """Which answers to cutouts go wrong, and how.

    The choice depends on the seed, on what is asked and on how often it has been asked, not on
    the order in which threads ask.

    Parameters
    ----------
    rate
        Share of faulty answers, 0 to 1.
    seed
        Selects which answers fail.
    kinds
        The faults to choose from. By default all temporary ones that a client can detect; it cannot detect
        a ``flip``.
    stall_s
        How long a stall or a drip takes, in seconds.

    Examples
    --------
    >>> Faults(rate=1.0, kinds=("429",)).next("/v1/cutout/x")
    '429'
    """

    rate: float
    seed: int = 0
    kinds: tuple[Fault, ...] = (
        "429", "500", "503", "reset", "truncate", "wrong_size", "garbage", "drip", "stall",
    )  # fmt: skip
    stall_s: float = 1.0
    _asked: Counter[str] = field(default_factory=Counter, init=False, repr=False, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 1:
            raise ValueError(f"the rate of faults must lie within [0, 1], got {self.rate}")
        for kind in self.kinds:
            if kind not in get_args(Fault):
                raise ValueError(unknown_name("a fault", kind, get_args(Fault)))

    def times(self, path: str, /) -> int:
        """Return how often a path has been requested."""
        with self._lock:
            return self._asked[path]

    def next(self, path: str, /) -> Fault | None:
        """Return the fault of the next answer to a path, or ``None``."""
        with self._lock:
            self._asked[path] += 1
            asked = self._asked[path]
        digest = hashlib.sha256(f"{self.seed} {path} {asked}".encode()).digest()
        if int.from_bytes(digest[:4], "big") >= self.rate * 2**32:
            return None
        return self.kinds[digest[4] % len(self.kinds)]
