"""Carry out runs in one place: this process, its own workers, a Dask scheduler's, or SLURM's jobs."""

import ctypes
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mtneuro_suite.execute.attempt import Attempt
from mtneuro_suite.execute.engine import Listener, run_here
from mtneuro_suite.runs.failure import Failure
from mtneuro_suite.runs.store import Store

if TYPE_CHECKING:
    from mtneuro_suite.execute.slurm import Queue


@dataclass(frozen=True, kw_only=True)
class Executor:
    """Carries out runs in one place.

    Raises
    ------
    ValueError
        If more than one place is named, or the number of workers is negative.
    """

    workers: int | None = None
    """Processes on this machine, 0 for this process; by default one a GPU, or one a core."""

    scheduler: str | None = None
    """Address of a Dask scheduler."""

    tls: Path | None = None
    """Folder of the certificates that the scheduler asks for."""

    queue: "Queue | None" = None
    """Jobs to ask SLURM for."""

    def __post_init__(self) -> None:
        given = {"--workers": self.workers, "--scheduler": self.scheduler, "--slurm": self.queue}
        names = [name for name, value in given.items() if value is not None]
        if len(names) > 1:
            raise ValueError(f"give only one of {', '.join(given)}, got {' and '.join(names)}")
        if self.workers is not None and self.workers < 0:
            raise ValueError(f"workers must be 0 or more, got {self.workers}")
        if self.tls is not None and self.scheduler is None:
            raise ValueError(
                f"--tls names the certificates of a --scheduler, got {str(self.tls)!r} and no scheduler; the "
                "suite's own workers and SLURM's jobs have certificates of their own"
            )
        if self.queue:
            from mtneuro_suite.execute.slurm import check_slurm

            check_slurm()

    @cached_property
    def _found(self) -> tuple[int, int]:
        if self.scheduler:
            from mtneuro_suite.execute.cluster import connected, gpus_of, workers_of

            with connected(self.scheduler, tls=self.tls) as client:
                return gpus_of(client), workers_of(client)
        if self.queue:
            return self.queue.gpus * self.queue.jobs_max, self.queue.workers * self.queue.jobs_max
        gpus = cuda_devices()
        return gpus, gpus or default_workers()

    @property
    def gpus(self) -> int:
        """GPUs that the runs may use."""
        return self._found[0]

    @property
    def mps(self) -> bool:
        """Whether the runs may use the GPU of a Mac: of this one, and of no other machine."""
        return self.scheduler is None and self.queue is None and mps_is_there()

    def device(self, asked: str) -> tuple[str, int]:
        """Return the device on which networks are trained, and how many GPUs the runs share.

        Parameters
        ----------
        asked
            ``cpu``, ``cuda`` or ``mps``; ``auto`` takes the first of CUDA's GPUs, a Mac's GPU and the CPU.

        Raises
        ------
        ValueError
            If there is none of what is asked for.
        """
        gpus = self.gpus if asked in ("auto", "cuda") else 0
        if gpus:
            return "cuda", gpus
        if asked == "cuda":
            raise ValueError(
                "device cuda needs a GPU where the runs go, and none was found; use --device cpu"
            )
        if asked in ("auto", "mps") and self.mps:
            return "mps", 1
        if asked == "mps":
            raise ValueError(
                "device mps needs the GPU of a Mac, this one, and none was found; use --device cpu"
            )
        return "cpu", 0

    def processes(self, *, gpus: int) -> int:
        """Return how many runs are carried out at once, given how many GPUs are used."""
        if self.workers is not None:
            return max(1, self.workers)
        if self.scheduler or self.queue:
            return max(1, self._found[1])
        return gpus or default_workers()

    def run(
        self, attempts: Sequence[Attempt], store: Store, listener: Listener, *, gpus: int = 0
    ) -> list[Failure]:
        """Carry out the runs and return those that failed.

        Parameters
        ----------
        attempts
            What to do, needs first.
        store
            Where the results go.
        listener
            Is told of each run.
        gpus
            GPUs of this machine to share among its own workers.

        Raises
        ------
        OSError
            If a scheduler is out of reach, or its workers lack these sources or the output folder.
        """
        if not attempts or self.workers == 0:
            return run_here(attempts, store, listener)
        # Dask is loaded where runs are given out: without any, a command ends sooner.
        from mtneuro_suite.execute.cluster import connected, run_on_cluster
        from mtneuro_suite.execute.pool import run_on_workers
        from mtneuro_suite.execute.slurm import submitted

        if self.scheduler:
            with connected(self.scheduler, tls=self.tls) as client:
                return run_on_cluster(attempts, store, listener, client=client)
        if self.queue:
            with submitted(self.queue, store.root, runs=len(attempts)) as client:
                return run_on_cluster(attempts, store, listener, client=client, jobs=True)
        workers = min(self.processes(gpus=gpus), len(attempts))
        return run_on_workers(attempts, store, listener, workers=workers, gpus=gpus)


def cuda_devices() -> int:
    """Return how many GPUs torch can use here; torch is loaded only where there may be one."""
    if not _driver_is_there():
        return 0
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def mps_is_there() -> bool:
    """Return whether torch can use the GPU of a Mac here; torch is loaded on a Mac only."""
    if sys.platform != "darwin":
        return False
    import torch

    return torch.backends.mps.is_available()


def _driver_is_there() -> bool:
    """Return whether this machine may have a GPU for torch: it has NVIDIA's driver, or AMD's."""
    if sys.platform == "darwin":
        return False
    if sys.platform != "linux" or Path("/dev/kfd").exists():
        return True
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def default_workers() -> int:
    """Return one worker for each core that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def create_output(root: Path) -> None:
    """Make the output folder, and raise OSError if it cannot be written."""
    probe = root / "runs" / ".probe"
    try:
        probe.parent.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"written")
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise OSError(f"output must be a folder that can be written, got {root}: {error.strerror}") from None
