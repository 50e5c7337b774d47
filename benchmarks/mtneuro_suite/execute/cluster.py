"""Carry out runs on the workers of a Dask scheduler, after checking that they can."""

import logging
import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from distributed import Client

from mtneuro_suite._shared.tls import scheduler_security, unanswered
from mtneuro_suite._shared.words import one_line
from mtneuro_suite.execute.attempt import Attempt
from mtneuro_suite.execute.engine import Listener, carry_out
from mtneuro_suite.execute.handshake import check_here, marked
from mtneuro_suite.execute.pool import DaskPool, needs_gpu
from mtneuro_suite.runs.failure import Failure
from mtneuro_suite.runs.store import Store

ANSWER_WITHIN = 15
"""Seconds in which a scheduler must answer."""


def _workers(client: Client) -> Mapping[str, Any]:
    return cast("dict[str, Any]", client.scheduler_info(n_workers=-1))["workers"]


def workers_of(client: Client) -> int:
    """Return how many workers a scheduler has."""
    return len(_workers(client))


def gpus_of(client: Client) -> int:
    """Return how many GPUs a scheduler's workers offer as the resource ``GPU``."""
    return int(sum(worker["resources"].get("GPU", 0) for worker in _workers(client).values()))


def check_workers(client: Client, root: Path, mark: str, *, gpu: bool) -> None:
    """Check every worker that a scheduler has.

    Parameters
    ----------
    client
        Connected to the scheduler.
    root
        The output folder.
    mark
        Contents of the marker file in it: see `marked`.
    gpu
        Whether a run needs a GPU.

    Raises
    ------
    ValueError
        If there is no worker, one has more threads than one, or none has the GPU that a run needs.
    OSError
        If a worker has other sources or another output folder.
    """
    workers = _workers(client)
    if not workers:
        raise ValueError(
            "the scheduler must have a worker, got none; where mtneuro is installed, start some with "
            "`dask worker ADDRESS --nthreads 1 --memory-limit 0`"
        )
    threads = {address: worker["nthreads"] for address, worker in workers.items() if worker["nthreads"] != 1}
    if threads:
        address, count = next(iter(threads.items()))
        raise ValueError(
            f"each worker must have one thread, got {count} at {address}; start it with --nthreads 1 "
            "(and --nworkers for more processes)"
        )
    if gpu and not gpus_of(client):
        raise ValueError(
            "a worker must offer a GPU, got none; start it with --resources GPU=1, or use --device cpu"
        )
    answers = cast("dict[str, Any]", client.run(check_here, str(root.resolve()), mark, on_error="return"))
    wrong = {address: answer for address, answer in answers.items() if answer is not None}
    if wrong:
        address, error = next(iter(wrong.items()))
        # An error that the scheduler cannot unpickle arrives as text.
        missing = re.search(r"No module named '\w+'", str(error))
        why = f"{missing[0]}; install the same mtneuro there" if missing else one_line(error)
        raise OSError(f"{len(wrong)} of {len(answers)} workers cannot be used: {address}: {why}")


@contextmanager
def connected(address: str, *, tls: Path | None = None) -> Generator[Client]:
    """Connect to a Dask scheduler that is running already.

    Parameters
    ----------
    address
        The scheduler's address.
    tls
        Folder of the certificates that it asks for: ``ca.pem``, ``cert.pem`` and ``key.pem``.

    Raises
    ------
    ValueError
        If the address is not one, or the certificates are not its.
    OSError
        If nothing answers there, or others may read the key of the certificates.
    """
    if not re.fullmatch(r"(tcp|tls|ucx)://\S+:\d+", address):
        raise ValueError(f"scheduler must be an address such as tls://host:8786, got {address!r}")
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    security = scheduler_security(address, tls)
    try:
        client = Client(address, timeout=ANSWER_WITHIN, set_as_default=False, security=security)
    except (OSError, TimeoutError):
        raise OSError(f"{unanswered(address)}; start one with `dask scheduler`") from None
    with client:
        yield client


def run_on_cluster(
    attempts: Sequence[Attempt],
    store: Store,
    listener: Listener,
    *,
    client: Client,
    jobs: bool = False,
) -> list[Failure]:
    """Carry out the runs on a scheduler's workers, which must have these sources and share the output.

    Parameters
    ----------
    attempts
        What to do, needs first.
    store
        Where the results are.
    listener
        Is told of each run.
    client
        Connected to the scheduler.
    jobs
        Whether the workers come later, as jobs: each is then checked when it starts a run.

    Raises
    ------
    ValueError
        If there is no worker that could do the runs.
    OSError
        If a worker has other sources or another output folder.
    """
    with marked(store.root) as mark:
        if not jobs:
            check_workers(client, store.root, mark, gpu=any(needs_gpu(attempt.run) for attempt in attempts))
        pool = DaskPool(client, store.root, listener, mark=mark)
        return carry_out(attempts, store, listener, pool)
