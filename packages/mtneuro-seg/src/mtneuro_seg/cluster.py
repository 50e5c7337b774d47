"""A whole volume labelled by many machines: each row of shards once, through a Dask scheduler."""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch

from mtneuro_seg.half_precision import check_half_precision
from mtneuro_seg.model import Model, load_model
from mtneuro_seg.sweep import VolumeSource
from mtneuro_seg.sweep_settings import SweepSettings
from mtneuro_seg.volume_job import VolumeJob, check_volume, prepared_job
from mtneuro_seg.volumes import open_volume
from mtneuro_seg.whole_volume import predict_row

_RETRIES = 3


def predict_volume_on_cluster(
    scheduler: str,
    folder: str | os.PathLike[str],
    *,
    volume: str | os.PathLike[str],
    out: str | os.PathLike[str],
    sweep: SweepSettings | None = None,
    probabilities: str | os.PathLike[str] | None = None,
    shard_depth: int | None = None,
    device: str | None = None,
    connect_timeout_s: float = 30,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write the labels of a whole volume with the workers of a Dask scheduler.

    Each worker owns whole rows of shards and computes every window that touches them, so the labels are
    bit-equal to those of one machine with as many threads. Rows of a worker that is lost are done again by
    another. The model, the volume and the output must be at the same paths for all workers.

    Parameters
    ----------
    scheduler
        The scheduler's address, such as ``tcp://10.0.0.1:8786``.
    folder
        The model's folder.
    volume
        The volume, as `mtneuro_seg.volumes.open_volume` opens it.
    out, sweep, probabilities, shard_depth, device
        As for `mtneuro_seg.predict_volume`.
    connect_timeout_s
        Seconds to wait for the scheduler.
    progress
        Called with (rows of shards done, rows in all).

    Raises
    ------
    ValueError
        If the volume or the window does not fit, ``<out>.partial`` comes from other settings, or
        `distributed` is not installed.
    OSError
        If the scheduler does not answer, or ``out`` cannot be written.
    """
    try:
        from distributed import Client, as_completed
    except ImportError as error:
        raise ValueError(
            "sharing among workers needs the package 'distributed': pip install 'mtneuro-seg[dask]'"
        ) from error
    model_path, volume_path = Path(folder).resolve(), Path(volume).resolve()
    source = open_volume(volume_path)
    client: Any
    # Connected first: a scheduler that does not answer leaves nothing behind.
    with Client(scheduler, timeout=connect_timeout_s) as client:
        model = load_model(model_path)
        sweep = sweep or SweepSettings()
        check_volume(source.array)
        check_half_precision(model, source.array, sweep=sweep, device=torch.device("cpu"))
        job = prepared_job(
            model,
            source.array,
            out=Path(out).resolve(),
            sweep=sweep,
            probabilities=None if probabilities is None else Path(probabilities).resolve(),
            voxel_size_um=source.voxel_size_um,
            source_name=volume_path.name,
            sample_id=source.sample_id,
            shard_depth=shard_depth,
        )
        rows = len(job.rows())
        missing = job.missing()
        futures = client.map(
            _row,
            missing,
            model=model_path,
            volume=volume_path,
            job=job,
            device=device,
            pure=False,
            retries=_RETRIES,
        )
        for done, future in enumerate(as_completed(futures), start=rows - len(missing) + 1):
            future.result()
            if progress is not None:
                progress(done, rows)
    job.finish()


def _row(row: int, *, model: Path, volume: Path, job: VolumeJob, device: str | None) -> int:
    """Do one row of shards on a worker."""
    # Another number of threads gives other last bits.
    torch.set_num_threads(job.threads)
    if job.tick(row).exists():
        return row
    return predict_row(_model(model), _volume(volume), job, row, device=device)


@cache
def _model(folder: Path) -> Model:
    return load_model(folder)


@cache
def _volume(path: Path) -> VolumeSource:
    return open_volume(path).array
