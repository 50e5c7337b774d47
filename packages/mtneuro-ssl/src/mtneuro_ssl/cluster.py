"""Where the work of an embedding map is shared: processes of this machine, or a Dask scheduler's workers."""

from collections.abc import Generator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

_RETRIES = 3


@contextmanager
def local_executor(workers: int) -> Generator[Executor | None]:
    """Give so many processes of this machine, or None for one."""
    if workers == 1:
        yield None
        return
    # Not forked: torch's threads do not survive it.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as executor:
        yield executor


@contextmanager
def cluster_executor(scheduler: str, *, connect_timeout_s: float = 30) -> Generator[Executor]:
    """Give the workers of a Dask scheduler; what a lost worker was at is done again by another.

    The model, the volume and the map must be at the same paths for all workers.

    Parameters
    ----------
    scheduler
        The scheduler's address, such as ``tcp://10.0.0.1:8786``.
    connect_timeout_s
        Seconds to wait for it.

    Raises
    ------
    ValueError
        If the package ``distributed`` is not installed.
    OSError
        If the scheduler does not answer.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise ValueError(
            "sharing among workers needs the package 'distributed': pip install 'mtneuro-ssl[dask]'"
        ) from error
    with Client(scheduler, timeout=connect_timeout_s) as client:
        # Not pure: the result is a file, which may have been deleted since.
        yield client.get_executor(pure=False, retries=_RETRIES)
