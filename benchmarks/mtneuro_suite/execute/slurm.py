"""Start workers as SLURM jobs: the settings of a job, and a scheduler here that submits jobs."""

import logging
import os
import shlex
import shutil
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import dask
from distributed import Client, Security
from pydantic import Field, field_validator, model_validator

from mtneuro_suite._shared.settings import Settings, read_values
from mtneuro_suite.execute.pool import KEPT_BYTES, NO_PAGES, ONE_THREAD
from mtneuro_suite.plan.models import merged_settings


def _seconds(walltime: str) -> int:
    """Return the seconds of SLURM's ``[days-]hours:minutes:seconds``."""
    days, _, clock = walltime.rpartition("-")
    hours, minutes, seconds = map(int, clock.split(":"))
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds


class Queue(Settings):
    """What is asked of SLURM for each job, and how many jobs there may be."""

    queue: str | None = None
    """Partition; the cluster's default where none is named."""

    account: str | None = None
    """Account that the time is charged to."""

    cores: int = Field(default=1, ge=1)
    """Cores of a job. Each is a worker and does one run at a time; a job with a GPU is one worker."""

    memory: str = Field(default="8GB", pattern=r"^\d+ ?[KMGT]i?B$")
    """Memory of a job, for all its workers."""

    walltime: str = Field(default="04:00:00", pattern=r"^(\d+-)?\d{1,3}:[0-5]\d:[0-5]\d$")
    """Time that a job may last, ``hours:minutes:seconds`` or ``days-hours:minutes:seconds``."""

    margin: int = Field(default=120, ge=1)
    """Seconds before the walltime at which a worker ends by itself; its run resumes elsewhere."""

    gpus: Literal[0, 1] = 0
    """GPUs of a job. More GPUs are more jobs."""

    jobs_min: int = Field(default=0, ge=0)
    """Jobs that are kept even while no run waits."""

    jobs_max: int = Field(default=4, ge=1)
    """Jobs at once at most."""

    directives: tuple[str, ...] = ()
    """Further options of ``sbatch``, such as ``--constraint=haswell``."""

    setup: tuple[str, ...] = ()
    """Shell lines that a job runs before its workers start, such as ``module load cuda``."""

    interface: str | None = None
    """Network interface over which jobs and this machine reach each other, such as ``ib0``."""

    @field_validator("walltime")
    @classmethod
    def _some_time(cls, walltime: str) -> str:
        if _seconds(walltime) < 60:
            raise ValueError(f"must be a minute or more, got {walltime!r}")
        return walltime

    @model_validator(mode="after")
    def _consistent(self) -> "Queue":
        if self.jobs_min > self.jobs_max:
            raise ValueError(f"jobs_min must be at most jobs_max {self.jobs_max}, got {self.jobs_min}")
        if self.margin >= self.lasting:
            raise ValueError(f"margin must be below the walltime's {self.lasting} s, got {self.margin}")
        return self

    @property
    def lasting(self) -> int:
        """Seconds that a job may last."""
        return _seconds(self.walltime)

    @property
    def workers(self) -> int:
        """Workers of a job."""
        return 1 if self.gpus else self.cores


def read_queue(path: Path) -> Queue:
    """Return a queue from a TOML file.

    Raises
    ------
    ValueError
        If the file is not TOML, or a key or value in it is not allowed.
    FileNotFoundError
        If the file does not exist.
    """
    return merged_settings(Queue, path.name, read_values(path))


def check_slurm() -> None:
    """Check that jobs can be submitted from here.

    Raises
    ------
    FileNotFoundError
        If there is no ``sbatch``.
    """
    if shutil.which("sbatch") is None:
        raise FileNotFoundError("--slurm needs sbatch on the PATH, found none; run where jobs are submitted")


@contextmanager
def submitted(queue: Queue, root: Path, *, runs: int) -> Generator[Client]:
    """Start a scheduler here whose workers are SLURM jobs, as many as there is work for.

    It answers who holds its certificates. They are made here, and the jobs find them in files of the output
    folder that only the user may read, for as long as the scheduler lives.

    Parameters
    ----------
    queue
        What a job is.
    root
        The output folder; the jobs' logs and certificates lie in its ``slurm``.
    runs
        How many runs there are to do.
    """
    from dask_jobqueue import SLURMCluster

    check_slurm()
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    jobs = min(queue.jobs_max, -(-runs // queue.workers))
    with _certificates(root.resolve() / "slurm") as security:
        with dask.config.set(NO_PAGES):
            cluster = SLURMCluster(**_job(queue, root), security=security)
        with cluster, Client(cluster, set_as_default=False) as client:
            # A job may have waited long in the queue: it is kept for a minute without work.
            cluster.adapt(
                minimum_jobs=min(queue.jobs_min, jobs),
                maximum_jobs=jobs,
                interval="1s",
                wait_count=60,
                target_duration="1s",
            )
            yield client


@contextmanager
def _certificates(folder: Path) -> Generator[Security]:
    """Make certificates, and keep a job's in files that only the user may read until the block is left."""
    folder.mkdir(parents=True, exist_ok=True)
    security = Security.temporary()
    with TemporaryDirectory(prefix=".certificates-", dir=folder, ignore_cleanup_errors=True) as private:
        for name in ("tls_ca_file", "tls_worker_cert", "tls_worker_key"):
            path = Path(private) / f"{name}.pem"
            path.touch(mode=0o600)
            path.write_text(getattr(security, name), encoding="ascii")
            setattr(security, name, str(path))
        yield security


def _job(queue: Queue, root: Path) -> dict[str, Any]:
    """Return the queue as dask-jobqueue's arguments."""
    memory = ("TARGET", "SPILL", "PAUSE", "TERMINATE")
    # Modules of the user's own lie where the command is run.
    here = str(Path.cwd())
    # The current folder only where it is searched here too: a job would find it before Python's own modules.
    modules = (here if here in sys.path else None, os.environ.get("PYTHONPATH"))
    searched = os.pathsep.join(filter(None, modules))
    environment = {
        **({"PYTHONPATH": searched} if searched else {}),
        "PYTHONSAFEPATH": "1",
        **ONE_THREAD,
        # SLURM sees to the memory of a job.
        **{f"DASK_DISTRIBUTED__WORKER__MEMORY__{name}": "False" for name in memory},
        **{f"DASK_DISTRIBUTED__{part}__HTTP__ROUTES": "[]" for part in ("WORKER", "NANNY")},
        "DASK_DISTRIBUTED__NANNY__PRE_SPAWN_ENVIRON__MALLOC_TRIM_THRESHOLD_": KEPT_BYTES,
    }
    arguments = ["--lifetime", f"{queue.lasting - queue.margin}s", "--no-dashboard"]
    if queue.gpus:
        arguments += ["--resources", "GPU=1"]
    return {
        "queue": queue.queue,
        "account": queue.account,
        "cores": queue.workers,
        "processes": queue.workers,
        "job_cpu": queue.cores,
        "memory": queue.memory,
        "walltime": queue.walltime,
        "interface": queue.interface,
        "python": sys.executable,
        "job_extra_directives": [*queue.directives, *(["--gres=gpu:1"] if queue.gpus else [])],
        "job_script_prologue": [
            *(f"export {k}={shlex.quote(v)}" for k, v in environment.items()),
            *queue.setup,
        ],
        "worker_extra_args": arguments,
        "log_directory": str(root.resolve() / "slurm"),
        "scheduler_options": {"dashboard": False, "dashboard_address": "127.0.0.1:0"},
    }
