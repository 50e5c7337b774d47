"""Runs over the machines of a cluster: an existing Dask scheduler, or jobs that SLURM is asked for."""

import logging
import os
import re
import shlex
import shutil
import sys
import tomllib
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any, Literal, cast

from distributed import Client
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from mtneuro_suite.engine import Failure, Listener, carried_out
from mtneuro_suite.preset import one_line
from mtneuro_suite.results import Store
from mtneuro_suite.run import SOURCES, Run, digest, source_digest
from mtneuro_suite.workers import KEPT_BYTES, ONE_THREAD, DaskPool, needs_gpu

ANSWER_WITHIN = 15
"""Seconds in which a scheduler must answer."""

_MARK = ".shared"
_HERE = Path(__file__).parent.parent


def _seconds(walltime: str) -> int:
    """Return the seconds of SLURM's ``[days-]hours:minutes:seconds``."""
    days, _, clock = walltime.rpartition("-")
    hours, minutes, seconds = map(int, clock.split(":"))
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds


class Queue(BaseModel):
    """What is asked of SLURM for each job, and how many jobs there may be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    queue: str | None = None
    """Partition; the cluster's default where none is named."""

    account: str | None = None
    """Account that the time is charged to."""

    cores: int = Field(default=1, ge=1)
    """Cores of a job. Each is a worker, so that many runs go on at once; a job with a GPU is one worker."""

    memory: str = Field(default="8GB", pattern=r"^\d+ ?[KMGT]i?B$")
    """Memory of a job, for all its workers."""

    walltime: str = Field(default="04:00:00", pattern=r"^(\d+-)?\d{1,3}:[0-5]\d:[0-5]\d$")
    """Time that a job may last, ``hours:minutes:seconds`` or ``days-hours:minutes:seconds``."""

    margin: int = Field(default=120, ge=1)
    """Seconds before the walltime at which a worker ends by itself; its run goes on from its checkpoint."""

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
            raise ValueError("must be a minute or more")
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
    if not path.is_file():
        raise FileNotFoundError(f"no queue file at {path}")
    try:
        return Queue.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not valid TOML: {error}") from None
    except ValidationError as error:
        raise ValueError(one_line(error, path.name, list(Queue.model_fields))) from None


def sources() -> str:
    """Return the digest of all that workers execute, which must be the same as here."""
    packages = sorted({"mtneuro_suite", *(package for names in SOURCES.values() for package in names)})
    return digest({package: source_digest(package) for package in packages})


def check_here(root: str, mark: str) -> None:
    """Check, in a worker, that it shares the output folder and the sources.

    Raises
    ------
    OSError
        If it does not, or the folder cannot be written.
    """
    expected, _, token = mark.partition(" ")
    if sources() != expected:
        raise OSError("its sources are not the ones here; start it in the same checkout")
    try:
        found = Path(root, f"{_MARK}-{token}").read_text(encoding="ascii")
        probe = Path(root, f"{_MARK}-{token_hex(8)}")
        probe.write_text(mark, encoding="ascii")
        probe.unlink()
    except OSError as error:
        raise OSError(f"it must read and write the output folder {root}: {error}") from None
    if found != mark:
        raise OSError(f"its output folder {root} is not the one here")


@contextmanager
def _marked(root: Path) -> Generator[str]:
    """Leave a file in the output folder, by which workers know it; removed when the block is left."""
    token = token_hex(8)
    mark = f"{sources()} {token}"
    path = root / f"{_MARK}-{token}"
    path.write_text(mark, encoding="ascii")
    try:
        yield mark
    finally:
        path.unlink(missing_ok=True)


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
        What the file in it says.
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
            "the scheduler must have a worker, got none; start some with "
            "`PYTHONPATH=benchmarks uv run dask worker ADDRESS --nthreads 1 --memory-limit 0`"
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
        # The scheduler hands on what it cannot read itself as text.
        missing = re.search(r"No module named '\w+'", str(error))
        why = f"{missing[0]}; start it with PYTHONPATH=benchmarks" if missing else str(error)
        raise OSError(f"{len(wrong)} of {len(answers)} workers cannot be used: {address}: {why}")


@contextmanager
def connected(address: str) -> Generator[Client]:
    """Connect to a Dask scheduler that is running already.

    Raises
    ------
    ValueError
        If the address is not one.
    OSError
        If nothing answers there.
    """
    if not re.fullmatch(r"(tcp|tls|ucx)://\S+:\d+", address):
        raise ValueError(f"scheduler must be an address such as tcp://host:8786, got {address!r}")
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=ANSWER_WITHIN, set_as_default=False)
    except (OSError, TimeoutError):
        raise OSError(
            f"no Dask scheduler answers at {address}; start one with `uv run dask scheduler`"
        ) from None
    with client:
        yield client


def check_slurm() -> None:
    """Check that jobs can be submitted from here.

    Raises
    ------
    FileNotFoundError
        If there is no ``sbatch``.
    """
    if shutil.which("sbatch") is None:
        raise FileNotFoundError("--slurm submits with sbatch, which is not on the PATH here")


@contextmanager
def submitted(queue: Queue, root: Path, *, runs: int) -> Generator[Client]:
    """Start a scheduler here whose workers are SLURM jobs, as many as there is work for.

    Parameters
    ----------
    queue
        What a job is.
    root
        The output folder; the jobs' logs lie in its ``slurm``.
    runs
        How many runs there are to do.
    """
    from dask_jobqueue import SLURMCluster

    check_slurm()
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    cluster = SLURMCluster(**_job(queue, root))
    jobs = min(queue.jobs_max, -(-runs // queue.workers))
    with cluster, Client(cluster, set_as_default=False) as client:
        # A job may wait in the queue for long: it is not given back in the first quiet minute.
        cluster.adapt(
            minimum_jobs=min(queue.jobs_min, jobs),
            maximum_jobs=jobs,
            interval="1s",
            wait_count=60,
            target_duration="1s",
        )
        yield client


def _given_path() -> list[str]:
    return [given] if (given := os.environ.get("PYTHONPATH")) else []


def _job(queue: Queue, root: Path) -> dict[str, Any]:
    """Return the queue as dask-jobqueue's arguments."""
    memory = ("TARGET", "SPILL", "PAUSE", "TERMINATE")
    environment = {
        # Modules of the user's own lie where the command is run.
        "PYTHONPATH": os.pathsep.join([str(_HERE), str(Path.cwd()), *_given_path()]),
        **ONE_THREAD,
        # SLURM sees to the memory of a job.
        **{f"DASK_DISTRIBUTED__WORKER__MEMORY__{name}": "False" for name in memory},
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
        "scheduler_options": {"dashboard": False},
    }


def run_on_cluster(
    runs: Sequence[Run],
    store: Store,
    listener: Listener,
    *,
    client: Client,
    again: Mapping[str, int] | None = None,
    jobs: bool = False,
) -> list[Failure]:
    """Carry the runs out over a scheduler's workers, each of which must share the checkout and the output.

    Parameters
    ----------
    runs
        What to do, needs first.
    store
        Where the results are.
    listener
        Hears of each run.
    client
        Connected to the scheduler.
    again
        Stamps of the results that shall be replaced, by run.
    jobs
        Whether the workers come later, as jobs: each is then checked when it starts a run.

    Raises
    ------
    ValueError
        If there is no worker that could do the runs.
    OSError
        If a worker has other sources or another output folder.
    """
    with _marked(store.root) as mark:
        if not jobs:
            check_workers(client, store.root, mark, gpu=any(map(needs_gpu, runs)))
        pool = DaskPool(client, store.root, listener, mark=mark)
        return carried_out(runs, store, listener, pool, again=again)
