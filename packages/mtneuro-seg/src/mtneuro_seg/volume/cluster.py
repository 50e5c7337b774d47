"""Label a whole volume with the workers of a Dask scheduler, each row of shards once."""

import os
from collections.abc import Callable, Collection, Sequence
from functools import cache, partial
from pathlib import Path

import torch

from mtneuro_seg._shared.intensity import Window
from mtneuro_seg._shared.volume_file import Ranges, open_volume_file
from mtneuro_seg._shared.workers import results, worker_pool
from mtneuro_seg.files import regions_of, seen_through
from mtneuro_seg.fitting import fitted
from mtneuro_seg.model import Model, load_model
from mtneuro_seg.volume.half_precision import check_half_precision
from mtneuro_seg.volume.job import VolumeJob, check_volume, prepare_job
from mtneuro_seg.volume.predict import predict_row
from mtneuro_seg.volume.settings import SweepSettings

# A worker opens the model and the volume once for all of its rows.
_kept_volume = cache(open_volume_file)


def predict_volume_on_cluster(
    scheduler: str,
    folder: str | os.PathLike[str],
    *,
    volume: str | os.PathLike[str],
    out: str | os.PathLike[str],
    ranges: Ranges | None = None,
    trusted: Collection[str] = (),
    sweep: SweepSettings | None = None,
    probabilities: str | os.PathLike[str] | None = None,
    shard_depth: int | None = None,
    device: str | None = None,
    tls: Path | None = None,
    voxel_size_um: Sequence[float] | None = None,
    intensity: Window | None = None,
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
        The scheduler's address, such as ``tls://10.0.0.1:8786``.
    folder
        The model's folder.
    volume
        The volume's path, or a URI, as for ``mtneuro-seg predict``.
    ranges
        The part of the volume to label; all by default.
    trusted
        As for `mtneuro_seg.load_model`.
    out, sweep, probabilities, shard_depth, device
        As for `mtneuro_seg.predict_volume`.
    tls
        Folder of the certificates that the scheduler asks for: ``ca.pem``, ``cert.pem`` and ``key.pem``.
    voxel_size_um
        Voxel size ``(z, y, x)`` in micrometres, where the volume does not state it.
    intensity
        Intensities that become black and white; by default as the model was trained.
    connect_timeout_s
        Seconds to wait for the scheduler.
    progress
        Called with (rows of shards done, rows in all).

    Raises
    ------
    ValueError
        If the volume or the window does not fit, ``<out>.partial`` comes from other settings, the
        certificates are not the address's, or `distributed` is not installed.
    OSError
        If the scheduler does not answer or refuses the certificates, others may read their key, or ``out``
        cannot be written.
    """
    model_path, source = Path(folder).resolve(), _absolute(volume)
    # Connect first: where the scheduler does not answer, nothing has been written.
    with worker_pool(scheduler=scheduler, tls=tls, connect_timeout_s=connect_timeout_s) as executor:
        opened = seen_through(open_volume_file(source, ranges=ranges), intensity)
        size = opened.voxel_size_um if voxel_size_um is None else tuple(voxel_size_um)
        model = load_model(model_path, trusted=trusted)
        sweep = sweep or SweepSettings()
        check_volume(opened.array, model.settings)
        model = fitted(model, opened.array, voxel_size_um=size)
        check_half_precision(model, opened.array, sweep=sweep, device=torch.device("cpu"))
        job = prepare_job(
            model,
            opened.array,
            out=Path(out).resolve(),
            sweep=sweep,
            probabilities=None if probabilities is None else Path(probabilities).resolve(),
            voxel_size_um=size,
            source_name=Path(volume).name,
            sample_id=opened.sample_id,
            about=regions_of(opened),
            lower=opened.lower,
            shard_depth=shard_depth,
        )
        rows, missing = len(job.rows()), job.missing()
        row = partial(
            _row,
            model=model_path,
            trusted=tuple(trusted),
            volume=source,
            ranges=ranges,
            intensity=intensity,
            voxel_size_um=size,
            job=job,
            device=device,
        )
        finished = results(row, missing, executor=executor)
        for done, _ in enumerate(finished, start=rows - len(missing) + 1):
            if progress is not None:
                progress(done, rows)
    job.finish()


def _absolute(volume: str | os.PathLike[str]) -> str:
    """Return a volume's path in full, since a worker has another working folder; other URIs as they are."""
    path, hash_, fragment = os.fspath(volume).partition("#")
    return f"{Path(path).resolve()}{hash_}{fragment}" if Path(path).exists() else os.fspath(volume)


def _row(
    row: int,
    *,
    model: Path,
    trusted: tuple[str, ...],
    volume: str,
    ranges: Ranges | None,
    intensity: Window | None,
    voxel_size_um: tuple[float, ...] | None,
    job: VolumeJob,
    device: str | None,
) -> int:
    """Label one row of shards on a worker."""
    # With another number of threads the last bits of the scores differ.
    torch.set_num_threads(job.threads)
    if job.tick(row).exists():
        return row
    opened = seen_through(_kept_volume(volume, ranges=ranges), intensity)
    ours = _kept_model(
        model, trusted, volume=volume, ranges=ranges, intensity=intensity, voxel_size_um=voxel_size_um
    )
    return predict_row(ours, opened.array, job, row, device=device)


@cache
def _kept_model(
    folder: Path,
    trusted: tuple[str, ...],
    *,
    volume: str,
    ranges: Ranges | None,
    intensity: Window | None,
    voxel_size_um: tuple[float, ...] | None,
) -> Model:
    """Return the model that a worker labels a volume with."""
    opened = seen_through(_kept_volume(volume, ranges=ranges), intensity)
    return fitted(load_model(folder, trusted=trusted), opened.array, voxel_size_um=voxel_size_um)
