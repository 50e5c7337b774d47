"""Processes that train together: this one's rank and their number, from ``torchrun`` and torch."""

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What ``torchrun`` says of this process; alone, where it was not started so."""

    rank: int = 0
    """Which process this is."""

    count: int = 1
    """How many there are."""

    local_count: int = 1
    """How many of them are on this machine."""

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files."""
        return self.rank == 0


def launch() -> Launch:
    """Return how this process was started.

    The variables of others, such as a cluster's ``RANK``, are not read.

    Examples
    --------
    >>> launch()
    Launch(rank=0, count=1, local_count=1)
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return Launch()
    names = ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")
    rank, count, local_count = (int(os.environ[name]) for name in names)
    return Launch(rank=rank, count=count, local_count=local_count)


def process_share() -> tuple[int, int]:
    """Return which process this is, and of how many, that are training together now."""
    import torch

    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1
