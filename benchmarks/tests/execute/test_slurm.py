import pytest
from pydantic import ValidationError

from mtneuro_suite.execute.slurm import Queue, _job, read_queue


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wall_time = '1:00:00'", "a key must be one of .*, got 'wall_time'; did you mean 'walltime'"),
        ("walltime = '90'", "walltime: .*got '90'"),
        ("walltime = '00:00:30'", "walltime: must be a minute or more, got '00:00:30'"),
        ("walltime = '00:01:00'", "margin must be below the walltime's 60 s, got 120"),
        ("memory = 'much'", "memory: .*got 'much'"),
        ("gpus = 2", "gpus: .*got 2"),
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
    with pytest.raises(FileNotFoundError, match="must exist, found none at"):
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


def test_a_queue_is_frozen():
    with pytest.raises(ValidationError):
        Queue().cores = 3  # pyright: ignore[reportAttributeAccessIssue]
