import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from mtneuro_ssl._shared.workers import results, worker_pool


def test_one_worker_is_the_caller_itself():
    with worker_pool() as executor:
        assert executor is None


def test_results_are_those_of_one_worker():
    with ThreadPoolExecutor(3) as executor:
        assert sorted(results(abs, range(-5, 0), executor=executor)) == [1, 2, 3, 4, 5]


def test_results_come_one_at_a_time_without_an_executor():
    done: list[int] = []
    for _ in results(done.append, [1, 2, 3], executor=None):
        break
    assert done == [1]


def test_a_failure_passes_and_cancels_what_has_not_begun():
    begun: list[int] = []
    released = Event()

    def work(task: int) -> None:
        begun.append(task)
        if task == 0:
            raise OSError("disk")
        released.wait(60)

    with ThreadPoolExecutor(1) as executor:
        with pytest.raises(OSError, match="disk"):
            list(results(work, range(1000), executor=executor))
        released.set()
    # The thread may have taken one more up while the others were cancelled one by one.
    assert begun[0] == 0
    assert len(begun) <= 2


@pytest.mark.slow
def test_processes_of_this_machine_share_the_work():
    with worker_pool(workers=2) as executor:
        assert sorted(results(abs, [-1, -2], executor=executor)) == [1, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "workers must be at least 1, got 0"),
        ({"workers": 2, "scheduler": "tcp://x:1"}, "give one of the two, got 2 and 'tcp://x:1'"),
    ],
)
def test_workers_that_contradict_each_other_are_refused(options, message):
    with pytest.raises(ValueError, match=message), worker_pool(**options):
        pass


def test_a_scheduler_that_does_not_answer_is_an_error():
    pytest.importorskip("distributed", reason="sharing among workers needs the extra 'dask'")
    with (
        pytest.raises(OSError, match=r"tcp://127\.0\.0\.1:9"),
        worker_pool(scheduler="tcp://127.0.0.1:9", connect_timeout_s=0.5),
    ):
        pass


def test_a_scheduler_needs_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(ValueError, match=r"pip install 'mtneuro-ssl\[dask\]'"),
        worker_pool(scheduler="tcp://x:1"),
    ):
        pass


def test_certificates_without_a_scheduler_are_refused(tmp_path):
    with (
        pytest.raises(ValueError, match=r"names the certificates of a --scheduler, got .* and no scheduler"),
        worker_pool(workers=2, tls=tmp_path),
    ):
        pass


@pytest.fixture
def scheduler(certificates):
    """A scheduler with TLS and one worker in this process, and the folder of its certificates."""
    distributed = pytest.importorskip("distributed", reason="sharing among workers needs the extra 'dask'")
    folder = certificates("tls")
    ca, cert, key = (str(folder / name) for name in ("ca.pem", "cert.pem", "key.pem"))
    parts = {f"tls_{part}_cert": cert for part in ("scheduler", "worker", "client")}
    keys = {name.replace("cert", "key"): key for name in parts}
    security = distributed.Security(require_encryption=True, tls_ca_file=ca, **parts, **keys)
    with distributed.LocalCluster(
        n_workers=1, processes=False, protocol="tls", host="127.0.0.1", dashboard_address=None,
        security=security,
    ) as cluster:  # fmt: skip
        yield cluster.scheduler_address, folder


def test_a_scheduler_with_tls_serves_who_holds_its_certificates_alone(scheduler, certificates):
    address, folder = scheduler
    with worker_pool(scheduler=address, tls=folder) as executor:
        assert sorted(results(abs, [-1, -2], executor=executor)) == [1, 2]
    with (
        pytest.raises(OSError, match=r"answers at tls://.*, or it does not take these certificates"),
        worker_pool(scheduler=address, tls=certificates("other"), connect_timeout_s=2),
    ):
        pass
    with (
        pytest.raises(OSError, match="no Dask scheduler answers at tcp://"),
        worker_pool(scheduler=address.replace("tls", "tcp"), connect_timeout_s=2),
    ):
        pass
