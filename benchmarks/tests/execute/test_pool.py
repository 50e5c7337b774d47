import asyncio
import urllib.error
import urllib.request
from itertools import product

import psutil
import pytest
from distributed import Security
from distributed.comm import connect

from mtneuro_suite.execute import pool
from mtneuro_suite.execute.pool import own_workers


def test_each_worker_of_this_machine_has_one_gpu_of_those_that_may_be_used(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    security = Security()
    visible = [pool._worker(index, 2, security)["options"]["env"] for index in range(3)]
    assert [one["CUDA_VISIBLE_DEVICES"] for one in visible] == ["2", "5", "2"]
    assert pool._worker(0, 2, security)["options"]["resources"] == {"GPU": 1}
    assert "resources" not in pool._worker(0, 0, security)["options"]


def ports():
    """Return the addresses at which this process and its children listen."""
    here = psutil.Process()
    return {
        f"{one.laddr.ip}:{one.laddr.port}"
        for process in (here, *here.children(recursive=True))
        for one in process.net_connections("tcp")
        if one.status == "LISTEN"
    }


async def answers(address, security):
    """Return whether one of Dask's servers at an address takes what it is sent."""
    try:
        reached = connect(address, timeout=1, **security.get_connection_args("client"))
        comm = await asyncio.wait_for(reached, 2)
    except (OSError, TimeoutError):
        return False
    comm.abort()
    return True


def test_the_suites_own_workers_answer_nobody_without_their_certificates():
    before = ports()
    with own_workers(1) as client:
        assert client.submit(abs, -1).result() == 1
        scheduler = client.scheduler_info()["address"]
        open_here = ports() - before
        assert scheduler.removeprefix("tls://") in open_here
        # Scheduler, nanny and worker, two of them with a web server.
        assert len(open_here) == 5
        intruders = [("tcp", Security()), ("tls", Security.temporary())]
        for (protocol, security), address in product(intruders, open_here):
            assert not asyncio.run(answers(f"{protocol}://{address}", security)), address
        assert asyncio.run(answers(scheduler, client.security))
        for address, page in product(open_here, ("info/main/workers.html", "json/identity.json", "metrics")):
            with pytest.raises((urllib.error.HTTPError, ConnectionError)):
                urllib.request.urlopen(f"http://{address}/{page}", timeout=5)
        assert client.submit(abs, -2).result() == 2
