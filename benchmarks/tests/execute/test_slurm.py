import os
import sys
from pathlib import Path

import pytest
from distributed import Client, Security
from pydantic import ValidationError

from mtneuro_suite.execute.handshake import sources
from mtneuro_suite.execute.slurm import Queue, _job, read_queue, submitted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wall_time = '1:00:00'", "a key must be one of .*, got 'wall_time'; did you mean 'walltime'"),
        ("walltime = '90'", "walltime: .*got '90'"),
        ("walltime = '00:00:30'", "walltime must be a minute or more, got '00:00:30'"),
        ("walltime = '00:01:00'", "margin must be below the walltime's 60 s, got 120"),
        ("memory = 'much'", "memory: .*got 'much'"),
        ("gpus = 2", "gpus must be 0 or 1, got 2"),
        ("jobs_min = 5", "jobs_min must be at most jobs_max 4, got 5"),
        ("cores = [", "must be TOML"),
    ],
)
def test_a_queue_that_is_wrong_is_refused_by_key(tmp_path, text, message):
    path = tmp_path / "queue.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_queue(path)


def test_a_queue_that_is_missing_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file at"):
        read_queue(tmp_path / "queue.toml")


def test_a_worker_ends_by_itself_before_its_job_does(tmp_path):
    job = _job(Queue(walltime="1-00:10:00", margin=60, cores=4, gpus=1), tmp_path)
    at = job["worker_extra_args"].index("--lifetime")
    assert job["worker_extra_args"][at + 1] == f"{86400 + 600 - 60}s"
    assert job["worker_extra_args"][-2:] == ["--resources", "GPU=1"]
    # A job with a GPU is one worker of one thread, whatever its cores.
    assert (job["cores"], job["processes"], job["job_cpu"]) == (1, 1, 4)
    assert "--gres=gpu:1" in job["job_extra_directives"]
    without = _job(Queue(cores=4), tmp_path)
    assert (without["cores"], without["processes"]) == (4, 4)


def test_a_job_searches_for_modules_of_the_users_where_this_process_does(tmp_path, monkeypatch):
    def exported():
        return [line for line in _job(Queue(), tmp_path)["job_script_prologue"] if "PYTHONPATH" in line]

    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.chdir(tmp_path)
    assert exported() == []
    monkeypatch.syspath_prepend(str(tmp_path))
    assert exported() == [f"export PYTHONPATH={tmp_path}"]
    monkeypatch.setenv("PYTHONPATH", "/lab/nets")
    assert exported() == [f"export PYTHONPATH={tmp_path}{os.pathsep}/lab/nets"]


def test_a_queue_is_frozen():
    with pytest.raises(ValidationError):
        Queue().cores = 3  # pyright: ignore[reportAttributeAccessIssue]


BENCHMARKS = Path(__file__).parents[2]

SBATCH = """#!/bin/sh
for script; do :; done
cp "$script" {root}/job.sh
setsid sh {root}/job.sh >{root}/job.log 2>&1 &
echo "Submitted batch job $!"
"""
SCANCEL = """#!/bin/sh
kill -- "-$1"
"""


@pytest.fixture
def no_queue(tmp_path, monkeypatch):
    """Commands of SLURM's names that start each job at once on this machine."""
    (tmp_path / "bin").mkdir()
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (tmp_path / "bin" / name).write_text(text.format(root=tmp_path))
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")


@pytest.mark.skipif(sys.platform != "linux", reason="the network interface is called lo on Linux")
@pytest.mark.usefixtures("no_queue")
def test_jobs_find_certificates_that_nobody_else_can_read(tmp_path, monkeypatch):
    # And import nothing from the folder where they are submitted.
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "tokenize.py").write_text("open('imported', 'w').close()")
    monkeypatch.chdir(tmp_path / "here")
    queue = Queue(jobs_max=1, memory="500MB", interface="lo")
    with submitted(queue, tmp_path / "output", runs=1) as client:
        assert client.submit(abs, -1).result(timeout=100) == 1, (tmp_path / "job.log").read_text()
        # The job's Python has the suite installed: no path leads to it.
        assert client.submit(sources).result(timeout=100) == sources()
        assert str(BENCHMARKS) not in (tmp_path / "job.sh").read_text()
        address = client.scheduler_info()["address"]
        assert address.startswith("tls://")
        (folder,) = (tmp_path / "output" / "slurm").glob(".certificates-*")
        assert folder.stat().st_mode & 0o777 == 0o700
        assert [path.stat().st_mode & 0o777 for path in folder.iterdir()] == [0o600] * 3
        assert "BEGIN" not in (tmp_path / "job.sh").read_text()
        intruders = [(address.replace("tls", "tcp"), Security()), (address, Security.temporary())]
        for intruder, security in intruders:
            with pytest.raises(OSError), Client(intruder, security=security, timeout=1):
                pass
    assert not list((tmp_path / "output" / "slurm").glob(".certificates-*"))
    assert not (tmp_path / "here" / "imported").exists()
