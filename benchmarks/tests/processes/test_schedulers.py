"""Real schedulers, real worker processes and a real SLURM, on this machine alone."""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import cast

import pytest

from mtneuro_suite.execute.cluster import connected

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

TABLE = "small/results.csv"
BENCHMARKS = Path(__file__).parent.parent.parent


def until(found, what, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(0.05)
    raise AssertionError(f"no {what} within {seconds} s")


def lease_in(output, kind):
    """Return the process number of who is at work on a run whose checkpoint is there, and the run's name."""
    for checkpoint in output.glob(f"runs/{kind}-*.partial/model.partial/[!.]*.ckpt"):
        name = checkpoint.parent.parent.name.removesuffix(".partial")
        for lease in output.glob(f"runs/{name}.lease-*"):
            try:
                return json.loads(lease.read_text())["pid"], name
            except (OSError, ValueError):
                continue
    return None


@pytest.fixture
def tls(certificates):
    """The folder of everybody's certificates."""
    return certificates("tls")


@pytest.fixture
def dask(tmp_path, tls):
    """Starts ``dask`` commands with TLS, each in a session of its own, in a folder without the suite."""
    started = []
    secret = ["--protocol", "tls", "--tls-ca-file", tls / "ca.pem"]
    secret += ["--tls-cert", tls / "cert.pem", "--tls-key", tls / "key.pem"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def start(*arguments, **more):
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments, *secret],
            env={**environment, **more},
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        process.wait()


@pytest.fixture
def scheduler(dask, tmp_path):
    """Address of a scheduler process."""
    where = tmp_path / "scheduler.json"
    dask("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(where))

    def address():
        try:
            return json.loads(where.read_text())["address"]
        except (OSError, ValueError):
            return None

    return until(address, "scheduler")


def worker(dask, scheduler, tls, *, count=1, **more):
    process = dask(
        "worker",
        *(scheduler, "--nthreads", "1", "--memory-limit", "0", "--no-dashboard", "--host", "127.0.0.1"),
        **more,
    )
    with connected(scheduler, tls=tls) as client:
        client.wait_for_workers(count, timeout=120)
    return process


def test_a_worker_killed_in_mid_run_changes_no_table(tmp_path, dask, scheduler, tls, suite, uninterrupted):
    workers = [worker(dask, scheduler, tls, count=count) for count in (1, 2)]
    output = tmp_path / "output"
    process = suite(output, "--scheduler", scheduler, "--tls", str(tls))
    pid, name = until(lambda: lease_in(output, "encoder"), "training", seconds=240)
    # The worker and its nanny: a machine that is gone.
    session = os.getsid(pid)
    assert session in [one.pid for one in workers]
    os.killpg(session, signal.SIGKILL)
    _, err = process.communicate()
    assert process.returncode == 0, err
    assert (output / TABLE).read_bytes() == uninterrupted
    log = (output / "runs" / name / "run.log").read_text()
    assert "started on" in log
    assert "resumed on" in log
    assert not list(output.glob(".shared-*"))


def test_a_worker_at_its_walltimes_end_leaves_the_rest_to_the_next(
    tmp_path, dask, scheduler, tls, suite, uninterrupted
):
    def at_lifetimes_end(dask_worker):
        # What a worker started with ``--lifetime`` does when that is over.
        dask_worker.loop.add_callback(dask_worker.close_gracefully, reason="worker-lifetime-reached")

    first = worker(dask, scheduler, tls)
    output = tmp_path / "output"
    process = suite(output, "--scheduler", scheduler, "--tls", str(tls))
    until(lambda: lease_in(output, "encoder"), "training", seconds=240)
    with connected(scheduler, tls=tls) as client:
        client.run(at_lifetimes_end)
    until(lambda: first.poll() is not None, "end of the first worker")
    assert process.poll() is None, "the suite ended with the worker"
    worker(dask, scheduler, tls)
    _, err = process.communicate()
    assert process.returncode == 0, err
    assert (output / TABLE).read_bytes() == uninterrupted
    assert not list(output.glob("runs/*.failed.json"))


def test_a_worker_of_another_checkout_is_refused_before_any_run(tmp_path, dask, scheduler, tls, suite):
    other = tmp_path / "other"
    shutil.copytree(BENCHMARKS / "mtneuro_suite", other / "mtneuro_suite")
    with (other / "mtneuro_suite" / "steps" / "__init__.py").open("a") as file:
        file.write("# edited\n")
    worker(dask, scheduler, tls, PYTHONPATH=str(other))
    process = suite(tmp_path / "output", "--scheduler", scheduler, "--tls", str(tls))
    _, err = process.communicate()
    assert process.returncode == 2, err
    assert "1 of 1 workers cannot be used" in err
    assert "its sources are not the ones here; install the same mtneuro there" in err
    assert not list((tmp_path / "output" / "runs").iterdir())


def test_a_worker_without_the_suite_is_refused_with_what_it_lacks(tmp_path, dask, scheduler, tls, suite):
    other = tmp_path / "other"
    other.mkdir()
    (other / "mtneuro_suite.py").write_text("raise ModuleNotFoundError(\"No module named 'mtneuro_suite'\")")
    worker(dask, scheduler, tls, PYTHONPATH=str(other))
    process = suite(tmp_path / "output", "--scheduler", scheduler, "--tls", str(tls))
    _, err = process.communicate()
    assert process.returncode == 2, err
    assert "No module named 'mtneuro_suite'; install the same mtneuro there" in err


def test_ctrl_c_leaves_a_schedulers_workers_free(tmp_path, dask, scheduler, tls, suite, uninterrupted):
    worker(dask, scheduler, tls)
    output = tmp_path / "output"
    process = suite(output, "--scheduler", scheduler, "--tls", str(tls))
    until(lambda: lease_in(output, "encoder"), "training", seconds=240)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    until(lambda: not list(output.glob("runs/*.lease-*")), "end of the abandoned run")
    process = suite(output, "--scheduler", scheduler, "--tls", str(tls))
    _, err = process.communicate()
    assert process.returncode == 0, err
    assert (output / TABLE).read_bytes() == uninterrupted


def test_workers_of_this_machine_see_one_gpu_each(monkeypatch):
    from mtneuro_suite.execute.pool import own_workers

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with own_workers(2, gpus=2) as client:
        # Not os.environ.get: what that is bound to would travel with it.
        seen = cast("dict[str, str]", client.run(os.getenv, "CUDA_VISIBLE_DEVICES"))
        assert sorted(seen.values()) == ["0", "1"]
        offered = client.submit(os.getenv, "OMP_NUM_THREADS", resources={"GPU": 1}, pure=False)
        assert offered.result() == "1"


SLURM = """
ClusterName=mtneuro
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={root}/munge/socket
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/slurmd
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1
ReturnToService=2
JobAcctGatherType=jobacct_gather/none
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=4000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture
def slurm(tmp_path_factory, monkeypatch):
    """A SLURM of one node: ``munged``, ``slurmctld`` and ``slurmd``, all of this test alone."""
    monkeypatch.setenv("PATH", os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
    missing = [name for name in ("munged", "slurmctld", "slurmd", "sbatch") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"SLURM is not installed (Debian: slurm-wlm): no {', '.join(missing)}")
    if os.geteuid() != 0:
        pytest.skip("a SLURM of its own must be started by root")
    root = tmp_path_factory.mktemp("slurm")
    for name in ("munge", "state", "slurmd"):
        (root / name).mkdir(mode=0o700)
    (root / "munge" / "key").write_bytes(secrets.token_bytes(128))
    (root / "munge" / "key").chmod(0o600)
    host = socket.gethostname().partition(".")[0]
    (root / "slurm.conf").write_text(SLURM.format(host=host, root=root, ports=free_ports(2)))
    monkeypatch.setenv("SLURM_CONF", str(root / "slurm.conf"))
    places = {
        "key-file": "key",
        "socket": "socket",
        "pid-file": "pid",
        "log-file": "log",
        "seed-file": "seed",
    }
    munge = ["munged", "--force", "--foreground"]
    daemons = [
        [*munge, *(f"--{option}={root / 'munge' / name}" for option, name in places.items())],
        ["slurmctld", "-D"],
        ["slurmd", "-D", "-N", host],
    ]
    started = []
    for command in daemons:
        started.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        if command[0] == "munged":
            until((root / "munge" / "socket").exists, "socket of munged", seconds=20)

    def idle():
        said = subprocess.run(["sinfo", "-h", "-o", "%t"], capture_output=True, text=True, check=False)
        return said.stdout.strip() == "idle"

    try:
        until(idle, "idle node", seconds=60)
        yield root
    finally:
        subprocess.run(["scancel", "--user=root"], capture_output=True, check=False)
        for process in reversed(started):
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def jobs():
    said = subprocess.run(["squeue", "-h", "-o", "%i"], capture_output=True, text=True, check=False)
    return said.stdout.split()


def test_slurm_jobs_carry_the_runs_out_and_one_killed_changes_no_table(tmp_path, slurm, suite, uninterrupted):
    queue = tmp_path / "queue.toml"
    queue.write_text(
        "queue = 'main'\ncores = 1\nmemory = '1500MB'\nwalltime = '00:10:00'\n"
        "jobs_max = 2\ninterface = 'lo'\n"
    )
    output = tmp_path / "output"
    process = suite(output, "--slurm", str(queue))
    pid, name = until(lambda: lease_in(output, "encoder"), "training", seconds=300)
    job = next(
        line.partition("=")[2]
        for line in Path(f"/proc/{pid}/environ").read_text().split("\0")
        if line.startswith("SLURM_JOB_ID=")
    )
    subprocess.run(["scancel", "--signal=KILL", "--full", job], check=True)
    _, err = process.communicate()
    assert process.returncode == 0, err
    assert (output / TABLE).read_bytes() == uninterrupted
    assert "resumed on" in (output / "runs" / name / "run.log").read_text()
    until(lambda: not jobs(), "end of the last job", seconds=60)
    assert list((output / "slurm").iterdir()), "the jobs' logs are kept"
