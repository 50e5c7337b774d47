"""Share work among processes of this machine, or among the workers of a Dask scheduler."""

from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from .extras import check_extra
from .process_pool import process_pool
from .tls import scheduler_security, unanswered

_RETRIES = 3

Task = TypeVar("Task")
Result = TypeVar("Result")


@contextmanager
def worker_pool(
    *,
    workers: int = 1,
    scheduler: str | None = None,
    tls: Path | None = None,
    connect_timeout_s: float = 30,
) -> Generator[Executor | None]:
    """Give the executor that shares work, or None where there is one worker: the caller itself.

    Parameters
    ----------
    workers
        Processes of this machine.
    scheduler
        Address of a Dask scheduler, such as ``tls://10.0.0.1:8786``, whose workers do the work. What a lost
        worker was doing is done again by another. Files must be at the same paths for all workers.
    tls
        Folder of the certificates that the scheduler asks for: ``ca.pem``, ``cert.pem`` and ``key.pem``.
    connect_timeout_s
        Seconds to wait for the scheduler.

    Raises
    ------
    ValueError
        If ``workers`` is less than 1, both are given, the certificates are not the address's, or the package
        ``distributed`` is not installed.
    OSError
        If the scheduler does not answer or refuses the certificates, or others may read their key.
    """
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    if tls is not None and scheduler is None:
        raise ValueError(f"--tls names the certificates of a --scheduler, got {str(tls)!r} and no scheduler")
    if scheduler is not None:
        if workers > 1:
            raise ValueError(
                f"workers are processes of this machine, and a scheduler has its own: "
                f"give one of the two, got {workers} and {scheduler!r}"
            )
        check_extra("distributed", extra="dask", what="sharing among workers")
        from distributed import Client

        security = scheduler_security(scheduler, tls)
        try:
            client = Client(scheduler, timeout=connect_timeout_s, security=security)
        except (OSError, TimeoutError):
            raise OSError(unanswered(scheduler)) from None
        with client:
            # Not pure: the result is a file, which may have been deleted since.
            yield client.get_executor(pure=False, retries=_RETRIES)
    elif workers > 1:
        with process_pool(workers) as executor:
            yield executor
    else:
        yield None


def results(
    function: Callable[[Task], Result], tasks: Iterable[Task], *, executor: Executor | None
) -> Iterator[Result]:
    """Yield each task's result when it is done, in any order; without an executor, one after the other.

    If one fails, or the caller stops, those that have not begun are cancelled.

    Examples
    --------
    >>> list(results(abs, [-1, 2], executor=None))
    [1, 2]
    """
    if executor is None:
        yield from map(function, tasks)
        return
    futures: list[Any] = [executor.submit(function, task) for task in tasks]
    try:
        for future in as_completed(futures):
            yield future.result()
    finally:
        for future in futures:
            future.cancel()
