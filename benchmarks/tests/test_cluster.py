import pytest
from distributed import LocalCluster
from pydantic import ValidationError

from mtneuro_suite import cluster, workers
from mtneuro_suite.cluster import (
    Queue,
    _job,
    _marked,
    check_here,
    check_workers,
    connected,
    gpus_of,
    read_queue,
)
from mtneuro_suite.place import Place, check_output


@pytest.fixture
def scheduler():
    """A scheduler without workers, in this process."""
    with LocalCluster(
        n_workers=0, processes=False, protocol="tcp", host="127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as local:
        yield local


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wall_time = '1:00:00'", "unknown key 'wall_time'; did you mean 'walltime'"),
        ("walltime = '90'", "walltime: .*got '90'"),
        ("walltime = '00:00:30'", "walltime: must be a minute or more, got '00:00:30'"),
        ("walltime = '00:01:00'", "margin must be below the walltime's 60 s, got 120"),
        ("memory = 'much'", "memory: .*got 'much'"),
        ("gpus = 2", "gpus: .*got 2"),
        ("jobs_min = 5", "jobs_min must be at most jobs_max 4, got 5"),
        ("cores = [", "is not valid TOML"),
    ],
)
def test_a_queue_that_is_wrong_is_refused_by_key(tmp_path, text, message):
    path = tmp_path / "queue.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_queue(path)


def test_a_queue_that_is_missing_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no queue file at"):
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


@pytest.mark.parametrize("address", ["localhost", "tcp://host", "http://127.0.0.1:8786"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(ValueError, match=r"must be an address such as tcp://host:8786"), connected(address):
        pass


def test_a_scheduler_out_of_reach_is_named(monkeypatch):
    monkeypatch.setattr(cluster, "ANSWER_WITHIN", 0.5)
    with pytest.raises(OSError, match=r"no Dask scheduler answers at tcp://127.0.0.1:9"):  # noqa: SIM117
        with connected("tcp://127.0.0.1:9"):
            pass


def test_a_scheduler_without_workers_is_refused(tmp_path, scheduler):
    with connected(scheduler.scheduler_address) as client, _marked(tmp_path) as mark:
        assert gpus_of(client) == 0
        with pytest.raises(ValueError, match=r"must have a worker, got none; start some with"):
            check_workers(client, tmp_path, mark, gpu=False)
    assert not list(tmp_path.iterdir())


def test_workers_are_checked_for_threads_gpus_and_the_folder(tmp_path, scheduler):
    scheduler.scale(1)
    with connected(scheduler.scheduler_address) as client:
        client.wait_for_workers(1)
        scheduler.workers[0].state.nthreads = 1
        scheduler.scheduler.workers[scheduler.workers[0].address].nthreads = 2
        with pytest.raises(ValueError, match=r"one thread, got 2 at tcp://.*--nthreads 1"):
            check_workers(client, tmp_path, "mark", gpu=False)
        scheduler.scheduler.workers[scheduler.workers[0].address].nthreads = 1
        with pytest.raises(ValueError, match="must offer a GPU, got none"):
            check_workers(client, tmp_path, "mark", gpu=True)
        with pytest.raises(OSError, match=r"1 of 1 workers cannot be used: tcp://.*sources are not the ones"):
            check_workers(client, tmp_path, "mark", gpu=False)
        with _marked(tmp_path) as mark:
            check_workers(client, tmp_path, mark, gpu=False)


def test_another_output_folder_is_noticed(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    with _marked(here) as mark:
        check_here(str(here), mark)
        with pytest.raises(OSError, match="must read and write the output folder"):
            check_here(str(there), mark)


def test_each_worker_of_this_machine_has_one_gpu_of_those_that_may_be_used(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    visible = [workers._worker(index, 2)["options"]["env"] for index in range(3)]
    assert [one["CUDA_VISIBLE_DEVICES"] for one in visible] == ["2", "5", "2"]
    assert workers._worker(0, 2)["options"]["resources"] == {"GPU": 1}
    assert "resources" not in workers._worker(0, 0)["options"]


def test_runs_go_to_one_place():
    with pytest.raises(ValueError, match="give one of --workers and --scheduler"):
        Place(workers=2, scheduler="tcp://127.0.0.1:8786")
    with pytest.raises(ValueError, match="workers must be 0 or more, got -1"):
        Place(workers=-1)
    assert Place(workers=0).processes(gpus=0) == 1


def test_slurm_without_sbatch_is_refused(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FileNotFoundError, match="sbatch, which is not on the PATH"):
        Place(queue=Queue())


def test_an_output_that_is_checked_is_left_as_it_was(tmp_path):
    check_output(tmp_path / "new")
    assert [path.name for path in (tmp_path / "new").rglob("*")] == ["runs"]
