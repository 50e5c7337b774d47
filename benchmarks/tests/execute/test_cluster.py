import logging
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from distributed import LocalCluster, Security

from mtneuro_suite._shared import tls
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
    with pytest.raises(ValueError, match=r"must be an address such as tls://host:8786"), connected(address):
        pass


def test_a_scheduler_out_of_reach_is_named(monkeypatch):
    monkeypatch.setattr(cluster, "ANSWER_WITHIN", 0.5)
    with pytest.raises(OSError, match=r"no Dask scheduler answers at tcp://127.0.0.1:9"):  # noqa: SIM117
        with connected("tcp://127.0.0.1:9"):
            pass


def test_a_scheduler_without_workers_is_refused(tmp_path, scheduler):
    with connected(scheduler.scheduler_address) as client, marked(tmp_path) as mark:
        assert gpus_of(client) == 0
        with pytest.raises(ValueError, match=r"a worker, got none; where mtneuro is installed, start"):
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


@pytest.fixture
def secret(certificates):
    """A scheduler with TLS and one worker, in this process, and the folder of its certificates."""
    folder = certificates("tls")
    ca, cert, key = (str(folder / name) for name in ("ca.pem", "cert.pem", "key.pem"))
    parts = {f"tls_{part}_cert": cert for part in ("scheduler", "worker", "client")}
    keys = {name.replace("cert", "key"): key for name in parts}
    security = Security(require_encryption=True, tls_ca_file=ca, **parts, **keys)
    local = LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tls", host="127.0.0.1",
        dashboard_address="127.0.0.1:0", security=security,
    )  # fmt: skip
    with local:
        yield local.scheduler_address, folder


def test_a_scheduler_with_tls_serves_who_holds_its_certificates_alone(
    tmp_path, secret, certificates, monkeypatch
):
    monkeypatch.setattr(cluster, "ANSWER_WITHIN", 2)
    address, folder = secret
    with connected(address, tls=folder) as client, marked(tmp_path) as mark:
        check_workers(client, tmp_path, mark, gpu=False)
    with pytest.raises(OSError, match=r"answers at tls://.*, or it does not take these certificates; start"):  # noqa: SIM117
        with connected(address, tls=certificates("other")):
            pass
    with pytest.raises(OSError, match="no Dask scheduler answers at tcp://"):  # noqa: SIM117
        with connected(address.replace("tls", "tcp")):
            pass
    with pytest.raises(ValueError, match="needs certificates"), connected(address):
        pass


def test_a_scheduler_without_tls_is_warned_of(scheduler, caplog):
    tls._warn.cache_clear()
    with caplog.at_level(logging.WARNING), connected(scheduler.scheduler_address):
        pass
    assert len(caplog.messages) == 1
    assert "whoever reaches that port" in caplog.messages[0]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@pytest.mark.parametrize(
    "page", ["benchmarks/README.md", "packages/mtneuro-seg/README.md", "packages/mtneuro-ssl/README.md"]
)
def test_the_commands_that_the_pages_give_make_certificates(tmp_path, page):
    text = (Path(__file__).parents[3] / page).read_text()
    commands = re.findall(r"^    ((?:mkdir -m|openssl|cp tls/).*)$", text, re.MULTILINE)
    subprocess.run(["sh", "-ec", "\n".join(commands)], cwd=tmp_path, check=True, capture_output=True)
    assert tls.scheduler_security("tls://127.0.0.1:1", tmp_path / "tls").require_encryption
