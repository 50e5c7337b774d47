"""Settings of a cache: offline, checked at every read, limited in size."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Settings of a cache; one folder may be used with different settings at the same time.

    Examples
    --------
    >>> Policy(limit_bytes=0)
    Traceback (most recent call last):
    ValueError: limit_bytes must be 1 or more, got 0
    """

    offline: bool = False
    """Never contact the source."""

    verify: bool = False
    """Hash every chunk that is read."""

    limit_bytes: int | None = None
    """Largest size of the cache."""

    def __post_init__(self) -> None:
        if self.limit_bytes is not None and self.limit_bytes < 1:
            raise ValueError(f"limit_bytes must be 1 or more, got {self.limit_bytes}")
