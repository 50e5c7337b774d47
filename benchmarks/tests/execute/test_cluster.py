import pytest
from distributed import LocalCluster

from mtneuro_suite.execute import cluster
from mtneuro_suite.execute.cluster import check_workers, connected, gpus_of
from mtneuro_suite.execute.handshake import marked


@pytest.fixture
def scheduler():
    """A scheduler without workers, in this process."""
    with LocalCluster(
        n_workers=0, processes=False, protocol="tcp", host="127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as local:
        yield local


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
    with connected(scheduler.scheduler_address) as client, marked(tmp_path) as mark:
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
        with marked(tmp_path) as mark:
            check_workers(client, tmp_path, mark, gpu=False)
