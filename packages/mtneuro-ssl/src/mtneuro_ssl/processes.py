"""Find out this process's rank, and the number of processes that train together."""

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """The place of this process among those that ``torchrun`` started; without it, the only one."""

    rank: int = 0
    """Rank of this process, counted from 0."""

    count: int = 1
    """Number of processes."""

    local_count: int = 1
    """Number of processes on this machine."""

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files."""
        return self.rank == 0


def launch() -> Launch:
    """Return how this process was started.

    Only ``torchrun`` counts: a ``RANK`` that another launcher has set is ignored.

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
    """Return this process's rank and the number of processes that are training together now."""
    import torch

    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1
