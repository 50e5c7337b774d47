"""Give runs to Dask workers, and start such workers on this machine."""

import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from secrets import token_hex
from typing import Any, cast

import dask
import psutil
from distributed import Client, Future, KilledWorker, Nanny, Scheduler, Security, SpecCluster, get_worker

from mtneuro_suite._shared.terminal import variable_set
from mtneuro_suite.execute.attempt import Attempt, Stopped, execute
from mtneuro_suite.execute.engine import Ended, Listener, carry_out
from mtneuro_suite.execute.handshake import check_here
from mtneuro_suite.runs.failure import Failure
from mtneuro_suite.runs.run import Run
from mtneuro_suite.runs.store import Store

_TOPIC = "mtneuro-progress"

# One thread a run. And memory that is freed is kept for the next step: Dask's own setting gives it back
# to the system each time, which made a training step 1.5 times slower.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
KEPT_BYTES = "1073741824"

NO_PAGES: dict[str, Any] = {
    f"distributed.{part}.http.routes": [] for part in ("scheduler", "worker", "nanny")
}
"""Dask's setting by which its web server, which asks for no certificate, has no pages."""

_WORKERS: dict[str, Any] = {
    **NO_PAGES,
    "distributed.worker.daemon": False,
    "distributed.comm.timeouts.connect": "60s",
    # A worker that died is restarted. By default Dask gives it up if it is not back within 15 s, which
    # happens if its next process dies too or starts slowly; then no worker would be left to do the runs.
    "distributed.deploy.lost-worker-timeout": "1000 days",
    "distributed.nanny.pre-spawn-environ": {
        **ONE_THREAD,
        "MALLOC_TRIM_THRESHOLD_": KEPT_BYTES,
        "MALLOC_MMAP_THRESHOLD_": KEPT_BYTES,
    },
}


def needs_gpu(run: Run) -> bool:
    """Return whether a run trains on a GPU, or embeds with what was trained on one."""
    return any(one.step.device == "cuda" for one in (run, *run.needed))


def _execute_in_worker(attempt: Attempt, root: str, key: str, mark: str | None) -> bool:
    if mark is not None:
        check_here(root, mark)
    worker, run = get_worker(), attempt.run
    last = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > 0.5 or done == total:
            last = now
            task = worker.state.tasks.get(key)
            if task is None or task.state == "cancelled":
                raise Stopped(f"{run.title!r} is no longer asked for")
            worker.log_event(_TOPIC, {"run": run.id, "done": done, "total": total})

    progress(0, 1)
    return execute(attempt, Path(root), progress)


class DaskPool:
    """Carries out runs on a scheduler's workers; those of a lost worker are resumed on another.

    Parameters
    ----------
    client
        Connected to the scheduler.
    root
        The output folder, which the workers know by the same name.
    listener
        Is told of each run's progress.
    mark
        Contents of the file by which a worker knows that it shares the folder and the sources; None where
        the workers are this process's own.
    """

    def __init__(self, client: Client, root: Path, listener: Listener, *, mark: str | None = None) -> None:
        self._client, self._root, self._mark = client, str(root.resolve()), mark
        self._futures: dict[str, tuple[Attempt, Future[Any]]] = {}
        self._done: SimpleQueue[str] = SimpleQueue()

        def heard(event: tuple[float, dict[str, Any]]) -> None:
            message = event[1]
            listener.progressed(message["run"], message["done"], message["total"])

        client.subscribe_topic(_TOPIC, heard)
        self._started = 0

    def start(self, attempt: Attempt) -> None:
        """Give a run to the scheduler."""
        run = attempt.run
        # A name of its own: another suite may have given the same run to the same scheduler.
        key = f"{run.id}-{token_hex(4)}"
        future = self._client.submit(
            _execute_in_worker,
            attempt,
            self._root,
            key,
            self._mark,
            key=key,
            priority=-self._started,
            pure=False,
            resources={"GPU": 1} if needs_gpu(run) else None,
        )
        self._started += 1
        self._futures[key] = attempt, future
        future.add_done_callback(lambda done: self._done.put(str(done.key)))

    def ended(self, seconds: float) -> list[Ended]:
        """Return the runs that have ended since the last call, having waited for one so long at most.

        Raises
        ------
        OSError
            If the scheduler has gone.
        """
        try:
            keys = [self._done.get(timeout=seconds)]
        except Empty:
            keys = []
        while not self._done.empty():
            keys.append(self._done.get())
        if self._client.status == "closed" or any(
            self._futures[key][1].status in ("lost", "cancelled") for key in keys
        ):
            raise OSError("the Dask scheduler has gone; run the same command again to go on from here")
        return [_ended(*self._futures.pop(key)) for key in keys]


def _ended(attempt: Attempt, future: Future[Any]) -> Ended:
    if future.status == "finished":
        return Ended(attempt, held=not future.result())
    error = cast("BaseException | None", future.exception())
    reason = None
    if isinstance(error, KilledWorker):
        reason = (
            f"its worker process was lost {error.allowed_failures + 1} times (out of memory, killed, or its "
            "machine gone); use fewer --workers or a machine with more memory"
        )
    return Ended(attempt, error=error, reason=reason)


def _worker(index: int, gpus: int, security: Security) -> dict[str, Any]:
    """Return what starts one worker: one thread, and one GPU where there are any."""
    options: dict[str, Any] = {
        "host": "127.0.0.1",
        "protocol": "tls",
        "security": security,
        "nthreads": 1,
        "memory_limit": 0,
        "dashboard": False,
        "silence_logs": logging.CRITICAL,
    }
    if gpus:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(gpus)))
        options["env"] = {"CUDA_VISIBLE_DEVICES": visible.split(",")[index % gpus]}
        options["resources"] = {"GPU": 1}
    return {"cls": Nanny, "options": options}


@contextmanager
def own_workers(count: int, *, gpus: int = 0) -> Generator[Client]:
    """Start worker processes on this machine, and end them when the block is left.

    They and their scheduler answer who holds their certificates, which are made here and nowhere kept: other
    accounts of this machine reach their ports too, and what they are sent they run.

    Ctrl-C reaches this process only; the workers are then killed. Unfinished runs resume at the next start.

    Parameters
    ----------
    count
        How many processes, one thread each.
    gpus
        GPUs of this machine, given out in turn, one a worker.
    """
    # Dask's messages about connections are of no use to whoever runs a benchmark.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    security = Security.temporary()
    # Workers inherit the blocked signal, so that Ctrl-C reaches this process alone.
    # Python's tracker of what processes share starts with them, and warns as it clears up where the suite is
    # left at once, by a second Ctrl-C.
    warnings = ",".join(filter(None, (os.environ.get("PYTHONWARNINGS"), "ignore:resource_tracker")))
    quiet = variable_set("PYTHONWARNINGS", warnings)
    with _interrupts_held_back() as let_through, quiet, dask.config.set(_WORKERS):
        cluster = SpecCluster(
            workers={index: _worker(index, gpus, security) for index in range(count)},
            security=security,
            scheduler={
                "cls": Scheduler,
                # Any free port: two suites may run on one machine.
                "options": {
                    "host": "127.0.0.1",
                    "port": 0,
                    "protocol": "tls",
                    "security": security,
                    "dashboard": False,
                    "dashboard_address": "127.0.0.1:0",
                },
            },
            silence_logs=cast("bool", logging.CRITICAL),  # a level, as the library's own callers give it
        )
        with cluster, Client(cluster, set_as_default=False) as client:
            try:
                let_through()
                yield client
            except KeyboardInterrupt:
                # Closing would wait for the work in progress, which is no longer wanted.
                for nanny in cluster.workers.values():
                    nanny.auto_restart = False
                for child in psutil.Process().children(recursive=True):
                    with suppress(psutil.Error):
                        # Python's tracker of what processes share would be missed, and ends by itself.
                        if not any("resource_tracker" in word for word in child.cmdline()):
                            child.kill()
                raise


@contextmanager
def _interrupts_held_back() -> Generator[Callable[[], object]]:
    """Hold Ctrl-C back until the block is left or the function that it is given is called."""
    if sys.platform == "win32":  # has no mask of signals
        yield lambda: None
        return
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield lambda: signal.pthread_sigmask(signal.SIG_SETMASK, previous)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)


def run_on_workers(
    attempts: Sequence[Attempt], store: Store, listener: Listener, *, workers: int, gpus: int = 0
) -> list[Failure]:
    """Carry out the runs on worker processes of this machine, one thread each."""
    with own_workers(workers, gpus=gpus) as client:
        pool = DaskPool(client, store.root, listener)
        # No more runs than workers: Dask counts a worker's death against every run that it was given.
        return carry_out(attempts, store, listener, pool, at_once=workers)
