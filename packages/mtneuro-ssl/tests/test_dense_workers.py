"""Two Dask workers, real processes on the loopback address, one of them killed."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zarr
from mtneuro_ssl import TrainSettings, embedding_map, train
from mtneuro_ssl._shared.workers import worker_pool

pytest.importorskip("distributed", reason="sharing among workers needs the extra 'dask'")

TINY = "tiny_lab:encoder"
VOLUME = np.random.default_rng(0).integers(0, 256, (3, 40, 50), dtype=np.uint8)


class Interrupted(Exception):
    pass


@pytest.fixture
def tls(certificates) -> Path:
    """Return the folder of the scheduler's certificates."""
    return certificates("tls")


@pytest.fixture
def scheduler(tmp_path: Path, lab: Path, tls: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """Return a scheduler's address and its two workers, all with TLS."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(lab)}
    known = tmp_path / "scheduler.json"

    def started(part: str, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{part}", "--scheduler-file", str(known)]
        command += ["--host", "127.0.0.1", "--no-dashboard", *options]
        command += ["--protocol", "tls", "--tls-ca-file", tls / "ca.pem"]
        command += ["--tls-cert", tls / "cert.pem", "--tls-key", tls / "key.pem"]
        return subprocess.Popen(command, env=environment, cwd=tmp_path, stderr=subprocess.DEVNULL)

    running = [started("scheduler", "--port", "0")]
    patience = time.monotonic() + 60
    while not (known.is_file() and known.stat().st_size) and time.monotonic() < patience:
        time.sleep(0.05)
    running += [started("worker", "--no-nanny", "--nthreads", "1") for _ in range(2)]
    yield json.loads(known.read_text())["address"], running[1:]
    for process in running:
        process.kill()
        process.wait()


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Return a model and a volume."""
    settings = TrainSettings(method="untrained", encoder=TINY, latent_dim=5, device="cpu")
    train(VOLUME, settings, out=tmp_path / "model")
    zarr.create_array(tmp_path / "volume.zarr", data=VOLUME, chunks=(1, 16, 16))
    return tmp_path / "model", tmp_path / "volume.zarr"


OPTIONS = {"window": (16, 12), "stride": (8, 12), "trusted": [TINY]}


@pytest.mark.slow
def test_two_workers_of_which_one_is_killed_write_the_map_of_one_process(
    scheduler, files, tls, tmp_path, monkeypatch
):
    monkeypatch.setattr("mtneuro_ssl.dense.ROW_WINDOWS", 4)
    address, workers = scheduler
    expected = embedding_map(*files, out=tmp_path / "here.zarr", **OPTIONS)

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise Interrupted

    # Begun here: workers would go on with the rows that they hold, and might leave none.
    with pytest.raises(Interrupted):
        embedding_map(*files, out=tmp_path / "shared.zarr", progress=stop, **OPTIONS)
    calls: list[int] = []

    def kill(done: int, total: int) -> None:
        if not calls:
            workers[0].kill()
        calls.append(done)

    with worker_pool(scheduler=address, tls=tls) as executor:
        found = embedding_map(
            *files, out=tmp_path / "shared.zarr", executor=executor, progress=kill, **OPTIONS
        )
    assert calls[0] == 3  # what the first call had done was not done again
    assert calls[-1] == 12
    assert workers[0].wait(timeout=10) != 0
    np.testing.assert_array_equal(np.asarray(found[...]), np.asarray(expected[...]))


@pytest.mark.slow
def test_two_processes_of_this_machine_write_the_map_of_one(files, tmp_path, monkeypatch):
    monkeypatch.setattr("mtneuro_ssl.dense.ROW_WINDOWS", 4)
    expected = embedding_map(*files, out=tmp_path / "here.zarr", **OPTIONS)
    with worker_pool(workers=2) as executor:
        found = embedding_map(*files, out=tmp_path / "shared.zarr", executor=executor, **OPTIONS)
    np.testing.assert_array_equal(np.asarray(found[...]), np.asarray(expected[...]))
