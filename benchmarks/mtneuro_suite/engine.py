"""Carrying runs out: in this process, or over worker processes by Dask."""

import logging
import os
import shutil
import signal
import time
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

import psutil

from mtneuro_suite.results import Store
from mtneuro_suite.run import Run
from mtneuro_suite.steps import STEPS

if TYPE_CHECKING:
    from distributed import Future

logger = logging.getLogger(__name__)

_TOPIC = "mtneuro-progress"


@runtime_checkable
class Listener(Protocol):
    """Hears what happens to the runs."""

    def progressed(self, run_id: str, done: int, total: int) -> None:
        """Hear that a run has done so much of its work."""
        ...

    def finished(self, run_id: str, failure: str | None) -> None:
        """Hear that a run has ended, and why if it failed."""
        ...


@dataclass(frozen=True, slots=True)
class Failure:
    """A run that failed, or that could not start because one it needs failed."""

    run: Run
    reason: str
    needs_another: bool = False
    """Whether the run itself is blameless."""


def execute(run: Run, root: Path, progress: Callable[[int, int], None]) -> None:
    """Carry one run out and rename its folder into place.

    An interrupted run's folder is kept: what a package can take up again from there, it does.
    """
    import torch

    # Results differ between one thread and two: one thread a run, whatever the number of workers.
    torch.set_num_threads(1)
    store = Store(root)
    if store.done(run):
        return
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    started = time.monotonic()
    partial = store.partial(run)
    partial.mkdir(parents=True, exist_ok=True)
    roles = {
        role: [store.folder(run.needs[i]) for i in which]
        for role, which in run.settings.get("roles", {}).items()
    }
    outcome = STEPS[run.kind](run.settings, roles, partial, progress)
    store.finish(run, outcome.rows, extra=outcome.extra, seconds=time.monotonic() - started)


def _execute_in_worker(run: Run, root: str, *_needs: Any) -> str:
    from distributed import get_worker

    worker = get_worker()
    last = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > 0.5 or done == total:
            last = now
            worker.log_event(_TOPIC, {"run": run.id, "done": done, "total": total})

    progress(0, 1)
    execute(run, Path(root), progress)
    return run.id


def _failure(run: Run, failed: Container[str], error: BaseException | None) -> Failure:
    """Return why a run has no result: its own error, or that of a run that it needs."""
    broken = next((need for need in run.needs if need.id in failed), None)
    if broken:
        return Failure(run, f"not run, because it needs {broken.title!r}, which failed", needs_another=True)
    reason = f"{type(error).__name__}: {error}" if error else "its worker was lost"
    return Failure(run, " ".join(reason.split()))


def run_here(runs: Sequence[Run], store: Store, listener: Listener) -> list[Failure]:
    """Carry the runs out one after the other in this process; one that fails stops those that need it."""
    failures: dict[str, Failure] = {}
    for run in runs:
        if any(need.id in failures for need in run.needs):
            failures[run.id] = _failure(run, failures, None)
        else:
            listener.progressed(run.id, 0, 1)
            try:
                execute(
                    run, store.root, lambda done, total, name=run.id: listener.progressed(name, done, total)
                )
            except Exception as error:
                logger.info("%s failed", run.title, exc_info=True)
                failures[run.id] = _failure(run, failures, error)
        listener.finished(run.id, failures[run.id].reason if run.id in failures else None)
    return list(failures.values())


_WORKERS: dict[str, Any] = {
    "distributed.worker.daemon": False,
    "distributed.comm.timeouts.connect": "60s",
    # One thread a run. And memory that is freed is kept for the next step: Dask's own setting gives it back
    # to the system each time, which made a training step 1.5 times slower.
    "distributed.nanny.pre-spawn-environ": {
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_TRIM_THRESHOLD_": "1073741824",
        "MALLOC_MMAP_THRESHOLD_": "1073741824",
    },
}


def run_on_workers(runs: Sequence[Run], store: Store, listener: Listener, *, workers: int) -> list[Failure]:
    """Carry the runs out over worker processes on this machine, one thread each.

    Ctrl-C reaches this process only; the workers are then killed, which no unfinished run minds.
    """
    import dask
    from distributed import Client, LocalCluster, as_completed

    # Its chatter about connections is not for whoever runs a benchmark.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)

    def heard(event: tuple[float, dict[str, Any]]) -> None:
        message = event[1]
        listener.progressed(message["run"], message["done"], message["total"])

    # Workers inherit a blocked SIGINT, so that Ctrl-C is for this process alone; one that comes now waits.
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    with dask.config.set(_WORKERS):
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=0,
            protocol="tcp",
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",  # any free port: two suites may run on one machine
            silence_logs=logging.CRITICAL,
            local_directory=str(store.root / ".dask"),
        )
        client = Client(cluster)
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, previous)
            client.subscribe_topic(_TOPIC, heard)
            futures: dict[str, "Future[Any]"] = {}
            for order, run in enumerate(runs):
                needs = [futures[need.id] for need in run.needs if need.id in futures]
                futures[run.id] = client.submit(
                    _execute_in_worker, run, str(store.root), *needs, key=run.id, priority=-order, pure=False
                )
            by_id = {run.id: run for run in runs}
            failures: dict[str, Failure] = {}
            for future in as_completed(futures.values()):
                run = by_id[str(future.key)]
                if future.status != "finished":
                    broken = {name for name, other in futures.items() if other.status == "error"}
                    error = cast("BaseException | None", future.exception())
                    failures[run.id] = _failure(run, broken, error)
                listener.finished(run.id, failures[run.id].reason if run.id in failures else None)
        except KeyboardInterrupt:
            # Closing would wait for work that nobody waits for any more.
            for nanny in cluster.workers.values():
                nanny.auto_restart = False
            for child in psutil.Process().children(recursive=True):
                child.kill()
            shutil.rmtree(store.root / ".dask", ignore_errors=True)
            raise
        client.close()
        cluster.close()
    shutil.rmtree(store.root / ".dask", ignore_errors=True)
    return list(failures.values())


def cuda_devices() -> int:
    """Return how many GPUs torch can use here."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def default_workers() -> int:
    """Return one worker for each core that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
