"""What a server and its request handlers share: the catalogue and the conditions of serving it."""

from dataclasses import dataclass

from mtneuro_data.serving.catalogue import Catalogue
from mtneuro_data.serving.faults import Faults


@dataclass(slots=True, kw_only=True)
class Service:
    """A catalogue and the conditions under which it is served; they may be changed during serving."""

    catalogue: Catalogue
    """What is served."""

    hosts: frozenset[str] = frozenset()
    """Names and addresses that the server listens on."""

    origins: frozenset[str] = frozenset()
    """Origins of the web pages that may read."""

    token: str | None = None
    """The only token to accept; any token if ``None``."""

    writable: bool = False
    """Whether cutouts may be uploaded."""

    faults: Faults | None = None
    """Faults to simulate."""

    latency_s: float = 0.0
    """Delay of each answer, in seconds."""

    bytes_per_s: float | None = None
    """Speed limit of each connection for cutouts; none if ``None``."""

    requests: list[str] | None = None
    """Requested paths, recorded if this is a list."""
