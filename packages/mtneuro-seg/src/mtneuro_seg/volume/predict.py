"""Label a whole volume shard by shard, in constant memory; an interrupted prediction resumes."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Real, UInt8

from mtneuro_seg._shared.files import disk_errors_named
from mtneuro_seg._shared.memory import memory_errors_named
from mtneuro_seg._shared.sample_ids import consecutive_runs
from mtneuro_seg._shared.volume_file import LazyArray
from mtneuro_seg.inference import most_probable, place_network
from mtneuro_seg.model import Model
from mtneuro_seg.volume.half_precision import check_half_precision
from mtneuro_seg.volume.job import VolumeJob, check_volume, prepare_job
from mtneuro_seg.volume.settings import SweepSettings
from mtneuro_seg.volume.store import write_labels, write_probabilities
from mtneuro_seg.volume.sweep import swept_scores, window_of


def swept_labels(
    model: Model,
    volume: Real[np.ndarray, "z y x"],
    *,
    sweep: SweepSettings | None = None,
    sample_id: Sequence[str] | np.ndarray | None = None,
    device: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> UInt8[np.ndarray, "z y x"]:
    """Return the labels of a volume in memory, blended from overlapping windows.

    Parameters
    ----------
    model
        A trained model, 2D or 3D.
    volume
        Intensities. Without ids, its slices are consecutive.
    sweep
        How the window slides.
    sample_id
        Id of each slice, ``<cube>/z<z>``: a window of a 3D network then holds consecutive slices of one cube
        alone, and each such run of slices is labelled as a volume by itself.
    device
        ``"cpu"``, ``"cuda"`` or ``"mps"``; by default where the network is.
    progress
        Called with (slices done, slices in all).

    Raises
    ------
    ValueError
        If the volume is not ``(z, y, x)`` or of another type, the window does not fit the network, or bf16 is
        asked for and gives other labels than fp32.
    """
    sweep = sweep or SweepSettings()
    check_volume(volume, model.settings)
    window_of(model, sweep)
    place = place_network(model, device)
    check_half_precision(model, volume, sweep=sweep, device=place)
    labels = np.empty(volume.shape, np.uint8)
    flat = model.settings.network.axes == 2
    runs = [np.arange(len(volume))] if flat or sample_id is None else consecutive_runs(sample_id)
    done = 0
    for run in runs:
        whole = len(run) == len(volume) and (np.diff(run) == 1).all()
        part = volume if whole else volume[run]
        rows = range(len(part))
        for z, scores in swept_scores(model, part, sweep, rows=rows, device=place, divide=False):
            labels[run[z]] = _labels(scores)
            done += 1
            if progress is not None:
                progress(done, len(volume))
    return labels


def predict_volume(
    model: Model,
    volume: LazyArray,
    *,
    out: str | os.PathLike[str],
    sweep: SweepSettings | None = None,
    probabilities: str | os.PathLike[str] | None = None,
    voxel_size_um: Sequence[float] | None = None,
    source_name: str = "",
    sample_id: Sequence[str] | None = None,
    about: Mapping[str, Any] | None = None,
    lower: Sequence[int] = (0, 0, 0),
    shard_depth: int | None = None,
    device: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write the labels of a volume of any size as a sharded Zarr array, or as OME-Zarr with levels.

    A row of shards is the unit of work: it is computed, written whole, and marked as done in
    ``<out>.partial``.
    After a kill the same call does the rows that are missing; the result is bit-equal to that of an
    uninterrupted run, and to `swept_labels`. The finished array is renamed into place.

    Parameters
    ----------
    model
        A trained model, 2D or 3D.
    volume
        ``(z, y, x)``, of the type that the model was trained on: a Zarr array, or anything that is sliced
        like one.
    out
        The ``.zarr`` to write: one array, or, where the name ends in ``.ome.zarr``, OME-Zarr 0.5 with the
        labels' colours and levels that halve y and x, for napari and Neuroglancer.
    sweep
        How the window slides.
    probabilities
        A second ``.zarr`` or ``.ome.zarr``, for ``(class, z, y, x)``: the softmax of the blended scores, as
        float16 (in an ``.ome.zarr`` the same values as float32, which Neuroglancer reads).
    voxel_size_um
        Voxel size ``(z, y, x)`` in micrometres, written into the array's metadata.
    source_name
        What the volume is called, kept in the array's metadata.
    sample_id
        Id of each slice, kept in the array's metadata.
    about
        Further attributes of the array.
    lower
        First voxel ``(z, y, x)`` of the volume in the larger one that it was cut from: an ``.ome.zarr`` is
        placed there, so that viewers show it over the larger one.
    shard_depth
        Slices of a shard. By default as deep as the volume's own chunks, within 16 to 64, for 2D networks; 64
        for 3D ones, whose windows are computed again at the border between two rows.
    device
        ``"cpu"``, ``"cuda"`` or ``"mps"``; by default where the network is.
    progress
        Called with (slices done, slices in all).

    Raises
    ------
    ValueError
        If the volume or the window does not fit, bf16 is asked for and gives other labels than fp32, or
        ``<out>.partial`` comes from other settings.
    OSError
        If ``out`` cannot be written. Where the disk is full, the finished shards stay, and the same call goes
        on from there when there is room.
    """
    check_volume(volume, model.settings)
    sweep = sweep or SweepSettings()
    check_half_precision(model, volume, sweep=sweep, device=place_network(model, device))
    job = prepare_job(
        model,
        volume,
        out=out,
        sweep=sweep,
        probabilities=probabilities,
        voxel_size_um=voxel_size_um,
        source_name=source_name,
        sample_id=sample_id,
        about=about,
        lower=lower,
        shard_depth=shard_depth,
    )
    for row in job.missing():
        predict_row(model, volume, job, row, device=device, progress=progress)
    job.finish()


def predict_row(
    model: Model,
    volume: LazyArray,
    job: VolumeJob,
    row: int,
    *,
    device: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Compute one row of shards, write it and mark it as done; return its number."""
    place = place_network(model, device)
    rows = job.slices(row)
    wanted = job.probabilities is not None
    with memory_errors_named("a row of shards", remedy="lower shard_depth, or do without probabilities"):
        labels = np.empty((len(rows), *job.shape[1:]), np.uint8)
        size = (model.settings.classes, *labels.shape) if wanted else (0, 0, 0, 0)
        shares = np.empty(size, np.float16)
    for z, scores in swept_scores(model, volume, job.sweep, rows=rows, device=place, divide=wanted):
        labels[z - rows.start] = _labels(scores)
        if wanted:
            shares[:, z - rows.start] = scores.softmax(dim=0).cpu().numpy()
        if progress is not None:
            progress(z + 1, job.shape[0])
    with disk_errors_named(job.partial):
        write_labels(job.unfinished_labels, labels, start=rows.start)
        if wanted:
            write_probabilities(job.unfinished_probabilities, shares, start=rows.start)
        job.tick_off(row)
    return row


def _labels(scores: torch.Tensor) -> UInt8[np.ndarray, "y x"]:
    return most_probable(scores[None])[0].cpu().numpy()
