"""Two Dask workers, real processes on the loopback address, one of them killed."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import zarr
from mtneuro_seg import (
    InputSettings,
    Model,
    SweepSettings,
    TrainSettings,
    build_network,
    fitted,
    swept_labels,
)
from mtneuro_seg.volume.cluster import predict_volume_on_cluster

pytest.importorskip("distributed", reason="sharing among workers needs the extra 'dask'")

DEEP = SweepSettings(window=(8, 16, 16), batch_size=2)


@pytest.fixture
def model() -> Model:
    settings = TrainSettings(model="unet3d", classes=3, filters=8, levels=3)
    return Model(
        network=build_network(settings).eval(), settings=settings, class_names=("none", "vessels", "cells")
    )


@pytest.fixture
def tls(certificates) -> Path:
    """Return the folder of the scheduler's certificates."""
    return certificates("tls")


@pytest.fixture
def processes(tmp_path: Path, tls: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """Return a scheduler's address and its two workers, all with TLS."""
    secret = ["--protocol", "tls", "--tls-ca-file", tls / "ca.pem"]
    secret += ["--tls-cert", tls / "cert.pem", "--tls-key", tls / "key.pem"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "DASK_DISTRIBUTED__DASHBOARD__LINK": ""}
    known = tmp_path / "scheduler.json"
    common = [sys.executable, "-m", "distributed.cli.dask_scheduler", *secret]
    started = [
        subprocess.Popen(
            [*common, "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(known)],
            env=environment,
            cwd=tmp_path,
            stderr=subprocess.DEVNULL,
        )
    ]
    for _ in range(300):
        if known.is_file() and known.stat().st_size:
            break
        time.sleep(0.1)
    common = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(known), *secret]
    started += [
        subprocess.Popen(
            [*common, "--host", "127.0.0.1", "--no-nanny", "--nthreads", "1", "--no-dashboard"],
            env=environment,
            cwd=tmp_path,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(2)
    ]
    import json

    yield json.loads(known.read_text())["address"], started[1:]
    for process in started:
        process.kill()
        process.wait()


def test_a_killed_workers_rows_are_done_again_and_labels_are_bit_equal(model, processes, tls, tmp_path):
    address, workers = processes
    given = np.random.default_rng(0).integers(0, 256, (48, 48, 48), dtype=np.uint8)
    zarr.create_array(tmp_path / "volume.zarr", data=given, chunks=(8, 48, 48))
    model.save(tmp_path / "model")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        expected = swept_labels(model, given, sweep=DEEP)
        killed: list[int] = []

        def kill(done: int, total: int) -> None:
            if not killed:
                workers[0].kill()
                killed.append(done)

        predict_volume_on_cluster(
            address,
            tmp_path / "model",
            volume=tmp_path / "volume.zarr",
            out=tmp_path / "labels.zarr",
            sweep=DEEP,
            shard_depth=4,
            tls=tls,
            progress=kill,
        )
    finally:
        torch.set_num_threads(threads)
    assert killed
    assert workers[0].wait(timeout=10) != 0
    found = zarr.open_array(tmp_path / "labels.zarr", mode="r")[...]
    np.testing.assert_array_equal(found, expected)
    assert not (tmp_path / "labels.zarr.partial").exists()


def test_a_scheduler_that_does_not_answer_is_an_error(model, tmp_path):
    model.save(tmp_path / "model")
    np.save(tmp_path / "volume.npy", np.zeros((8, 16, 16), np.uint8))
    with pytest.raises(OSError, match=r"tcp://127\.0\.0\.1:9"):
        predict_volume_on_cluster(
            "tcp://127.0.0.1:9",
            tmp_path / "model",
            volume=tmp_path / "volume.npy",
            out=tmp_path / "labels.zarr",
            sweep=DEEP,
            connect_timeout_s=1,
        )


def test_a_model_that_is_fitted_to_the_volume_is_so_on_every_worker(processes, tls, tmp_path):
    address, _ = processes
    given = np.random.default_rng(0).integers(60, 200, (6, 48, 48), dtype=np.uint8)
    zarr.create_array(tmp_path / "volume.zarr", data=given, chunks=(2, 48, 48))
    settings = TrainSettings(model="unet", classes=3, filters=4, levels=2)
    takes = InputSettings(pixel_size_um=1.17)
    names = ("a", "b", "c")
    plain = Model(network=build_network(settings).eval(), settings=settings, class_names=names, input=takes)
    plain.save(tmp_path / "model")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        predict_volume_on_cluster(
            address,
            tmp_path / "model",
            volume=tmp_path / "volume.zarr",
            out=tmp_path / "labels.zarr",
            voxel_size_um=(1, 0.7, 0.6),
            tls=tls,
        )
        expected = swept_labels(fitted(plain, given, voxel_size_um=(1, 0.7, 0.6)), given)
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "labels.zarr", mode="r")[...], expected)
