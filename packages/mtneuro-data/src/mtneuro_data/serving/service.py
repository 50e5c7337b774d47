"""What a server and the handlers of its requests share: the catalogue, and how it is served."""

from dataclasses import dataclass

from mtneuro_data.serving.catalogue import Catalogue
from mtneuro_data.serving.faults import Faults


@dataclass(slots=True, kw_only=True)
class Service:
    """A catalogue and the conditions under which it is served; they may be changed while it is."""

    catalogue: Catalogue
    """What is served."""

    token: str | None = None
    """The only token to accept; any where ``None``."""

    writable: bool = False
    """Whether cutouts may be uploaded."""

    faults: Faults | None = None
    """What shall go wrong on purpose."""

    latency_s: float = 0.0
    """Delay of each answer, in seconds."""

    bytes_per_s: float | None = None
    """Speed of each connection in cutouts; as fast as it goes where ``None``."""

    requests: list[str] | None = None
    """Paths that were asked for, where somebody sets this to a list."""
