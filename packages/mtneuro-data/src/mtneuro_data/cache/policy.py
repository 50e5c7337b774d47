"""How a cache is used: offline, checked at every read, limited in size."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How a cache is used; the same folder may be used in several ways at once.

    Examples
    --------
    >>> Policy(limit_bytes=0)
    Traceback (most recent call last):
    ValueError: limit_bytes must be 1 or more, got 0
    """

    offline: bool = False
    """Never ask the source."""

    verify: bool = False
    """Hash every chunk that is read."""

    limit_bytes: int | None = None
    """Size that the cache may grow to."""

    def __post_init__(self) -> None:
        if self.limit_bytes is not None and self.limit_bytes < 1:
            raise ValueError(f"limit_bytes must be 1 or more, got {self.limit_bytes}")
