"""Labels of a whole volume, on disk: shard by shard, in constant memory, resumed after a kill."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from mtneuro_seg.inference import most_probable
from mtneuro_seg.model import Model
from mtneuro_seg.settings import SweepSettings
from mtneuro_seg.sweep import VolumeSource, swept_scores, window_of

_MANIFEST = "manifest.json"
_DONE = "done"
_LABELS = "labels.zarr"
_PROBABILITIES = "probabilities.zarr"
_PLANE_SHARD = 1024
_CHUNK = 64


def swept_labels(
    model: Model,
    volume: UInt8[np.ndarray, "z y x"],
    *,
    sweep: SweepSettings | None = None,
    device: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> UInt8[np.ndarray, "z y x"]:
    """Return the labels of a volume in memory, blended from overlapping windows.

    Parameters
    ----------
    model
        A trained model, 2D or 3D.
    volume
        Intensities.
    sweep
        How the window slides.
    device
        ``"cpu"`` or ``"cuda"``; by default where the network is.
    progress
        Called with (slices done, slices in all).

    Raises
    ------
    ValueError
        If the volume is not uint8 ``(z, y, x)``, or the window does not fit the network.
    """
    sweep = sweep or SweepSettings()
    check_volume(volume)
    window_of(model, sweep)
    place = _placed(model, device)
    labels = np.empty(volume.shape, np.uint8)
    rows = range(len(volume))
    for z, scores in swept_scores(model, volume, sweep, rows=rows, device=place, divide=False):
        labels[z] = _labels(scores)
        if progress is not None:
            progress(z + 1, len(volume))
    return labels


def check_volume(volume: VolumeSource) -> None:
    """Raise unless a volume is uint8 with axes ``(z, y, x)``.

    Raises
    ------
    ValueError
        Naming the axes or the type that it has.
    """
    shape = tuple(volume.shape)
    if len(shape) != 3 or 0 in shape:
        raise ValueError(f"a volume must have axes (z, y, x) and a voxel at least, got shape {shape}")
    if volume.dtype != np.uint8:
        raise ValueError(f"a volume must be uint8 (0 to 255), got {volume.dtype}; scale and convert it first")


def predict_volume(
    model: Model,
    volume: VolumeSource,
    *,
    out: str | os.PathLike[str],
    sweep: SweepSettings | None = None,
    probabilities: str | os.PathLike[str] | None = None,
    voxel_size_um: Sequence[float] | None = None,
    source_name: str = "",
    sample_id: Sequence[str] | None = None,
    shard_depth: int | None = None,
    device: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write the labels of a volume of any size as a sharded Zarr array.

    A row of shards is the unit of work: it is computed, written whole, and ticked off in ``<out>.partial``.
    After a kill the same call does the rows that are missing; the result is bit-equal to that of an
    uninterrupted run, and to `swept_labels`. The finished array is renamed into place.

    Parameters
    ----------
    model
        A trained model, 2D or 3D.
    volume
        uint8 ``(z, y, x)``: a Zarr array, or anything that cuts like one.
    out
        The ``.zarr`` to write.
    sweep
        How the window slides.
    probabilities
        A second ``.zarr``, for float16 ``(class, z, y, x)``: the softmax of the blended scores.
    voxel_size_um
        Voxel size ``(z, y, x)`` in micrometres, written into the array's metadata.
    source_name
        What the volume is called, kept in the array's metadata.
    sample_id
        Id of each slice, kept in the array's metadata.
    shard_depth
        Slices of a shard. By default as deep as the volume's own chunks, within 16 to 64, for 2D networks; 64
        for 3D ones, whose windows are computed again at the border between two rows.
    device
        ``"cpu"`` or ``"cuda"``; by default where the network is.
    progress
        Called with (slices done, slices in all).

    Raises
    ------
    ValueError
        If the volume or the window does not fit, or ``<out>.partial`` comes from other settings.
    OSError
        If ``out`` cannot be written.
    """
    job = prepared_job(
        model,
        volume,
        out=out,
        sweep=sweep,
        probabilities=probabilities,
        voxel_size_um=voxel_size_um,
        source_name=source_name,
        sample_id=sample_id,
        shard_depth=shard_depth,
    )
    for row in job.missing():
        predict_row(model, volume, job, row, device=device, progress=progress)
    job.finish()


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeJob:
    """A whole-volume prediction: where it is written, and which rows of shards are left.

    Plain paths and settings, so that it can be sent to another process.
    """

    out: Path
    """The finished labels."""

    probabilities: Path | None
    """The finished probabilities, where they are asked for."""

    sweep: SweepSettings
    """How the window slides."""

    shape: tuple[int, int, int]
    """Voxels of the volume."""

    shard_depth: int
    """Slices of a row of shards."""

    threads: int
    """Threads that compute: another number gives other last bits."""

    @property
    def partial(self) -> Path:
        """The folder that holds what is done so far."""
        return self.out.with_name(self.out.name + ".partial")

    def rows(self) -> range:
        """Return the numbers of all rows of shards."""
        return range(-(-self.shape[0] // self.shard_depth))

    def slices(self, row: int) -> range:
        """Return the slices of a row of shards."""
        return range(row * self.shard_depth, min((row + 1) * self.shard_depth, self.shape[0]))

    def missing(self) -> list[int]:
        """Return the rows that are not done."""
        return [row for row in self.rows() if not self.tick(row).exists()]

    def tick(self, row: int) -> Path:
        """Return the file whose presence says that a row is done."""
        return self.partial / _DONE / f"{row:06d}"

    def finish(self) -> None:
        """Rename the finished arrays into place.

        Raises
        ------
        ValueError
            If a row is missing.
        """
        if missing := self.missing():
            raise ValueError(
                f"all rows of shards must be done, got {len(missing)} missing, the first {missing[0]}"
            )
        if self.probabilities is not None:
            _replace(self.partial / _PROBABILITIES, self.probabilities)
        _replace(self.partial / _LABELS, self.out)
        shutil.rmtree(self.partial)


def prepared_job(
    model: Model,
    volume: VolumeSource,
    *,
    out: str | os.PathLike[str],
    sweep: SweepSettings | None = None,
    probabilities: str | os.PathLike[str] | None = None,
    voxel_size_um: Sequence[float] | None = None,
    source_name: str = "",
    sample_id: Sequence[str] | None = None,
    shard_depth: int | None = None,
) -> VolumeJob:
    """Check everything that can be known, make or take up ``<out>.partial``, and return the work to be done.

    The parameters and errors are those of `predict_volume`.
    """
    sweep = sweep or SweepSettings()
    check_volume(volume)
    window = window_of(model, sweep)
    depth, height, width = volume.shape
    job = VolumeJob(
        out=_checked_zarr(out),
        probabilities=None if probabilities is None else _checked_zarr(probabilities),
        sweep=sweep.model_copy(update={"window": window[-model.settings.network.axes :]}),
        shape=(depth, height, width),
        shard_depth=shard_depth or (64 if window[0] > 1 else _chunk_depth(volume)),
        threads=torch.get_num_threads(),
    )
    manifest = _manifest(model, volume, job)
    path = job.partial / _MANIFEST
    if path.is_file():
        _refuse_other(json.loads(path.read_text("utf-8")), manifest, job.partial)
        return job
    shutil.rmtree(job.partial, ignore_errors=True)
    (job.partial / _DONE).mkdir(parents=True)
    attributes = {
        "class_names": list(model.class_names),
        "prediction": manifest,
        "source": source_name,
    } | ({} if voxel_size_um is None else {"voxel_size_um": list(voxel_size_um)})
    if sample_id is not None:
        attributes["sample_id"] = list(sample_id)
    _create(job.partial / _LABELS, job, model.settings.classes, "uint8", attributes)
    if job.probabilities is not None:
        _create(job.partial / _PROBABILITIES, job, model.settings.classes, "float16", attributes)
    # Written last: its presence says that the arrays are there.
    path.write_text(json.dumps(manifest, indent=2), "utf-8")
    return job


def predict_row(
    model: Model,
    volume: VolumeSource,
    job: VolumeJob,
    row: int,
    *,
    device: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Compute one row of shards, write it and tick it off; return its number."""
    import zarr

    place = _placed(model, device)
    rows = job.slices(row)
    labels = np.empty((len(rows), *job.shape[1:]), np.uint8)
    wanted = job.probabilities is not None
    size = (model.settings.classes, *labels.shape) if wanted else (0,)
    probabilities = np.empty(size, np.float16)
    for z, scores in swept_scores(model, volume, job.sweep, rows=rows, device=place, divide=wanted):
        labels[z - rows.start] = _labels(scores)
        if wanted:
            probabilities[:, z - rows.start] = scores.softmax(dim=0).cpu().numpy()
        if progress is not None:
            progress(z + 1, job.shape[0])
    part = slice(rows.start, rows.stop)
    zarr.open_array(job.partial / _LABELS, mode="r+")[part] = labels
    if wanted:
        zarr.open_array(job.partial / _PROBABILITIES, mode="r+")[:, part] = probabilities
    job.tick(row).touch()
    return row


def _labels(scores: torch.Tensor) -> UInt8[np.ndarray, "y x"]:
    return most_probable(scores[None])[0].cpu().numpy()


def _placed(model: Model, device: str | None) -> torch.device:
    """Put the network on the device, ready to predict."""
    place = torch.device(device) if device else next(model.network.parameters()).device
    network = model.network.to(place).eval()
    layout = torch.channels_last if model.settings.network.axes == 2 else torch.channels_last_3d
    network.to(memory_format=layout)  # pyright: ignore[reportCallIssue] (torch's stub)
    return place


def _chunk_depth(volume: VolumeSource) -> int:
    """Return how many slices a 2D network does at once: no chunk of the volume is decoded twice for it."""
    chunks = getattr(volume, "chunks", None)
    return min(max(int(chunks[0]), 16), 64) if chunks else 16


def _checked_zarr(path: str | os.PathLike[str]) -> Path:
    target = Path(path)
    if target.suffix != ".zarr":
        raise ValueError(f"a whole volume's output must be a .zarr, got {str(target)!r}")
    if target.exists() and not (target / "zarr.json").is_file():
        raise FileExistsError(f"{str(target)!r} must be new or a Zarr array, got something else in its place")
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _create(path: Path, job: VolumeJob, classes: int, dtype: str, attributes: dict[str, Any]) -> None:
    """Make an empty array whose shards are as deep as a row of work."""
    import zarr

    depth = job.shard_depth
    inner = next(size for size in range(min(_CHUNK, depth), 0, -1) if depth % size == 0)
    plane = [-(-min(n, _PLANE_SHARD) // _CHUNK) * _CHUNK for n in job.shape[1:]]
    lead, names = ((classes,), ("class", "z", "y", "x")) if dtype == "float16" else ((), ("z", "y", "x"))
    zarr.create_array(
        path,
        shape=(*lead, *job.shape),
        dtype=dtype,
        shards=(*lead, depth, *plane),
        chunks=(*(1 for _ in lead), inner, _CHUNK, _CHUNK),
        dimension_names=names,
        attributes=attributes,
    )


def _manifest(model: Model, volume: VolumeSource, job: VolumeJob) -> dict[str, Any]:
    """Return everything that decides a bit of the result."""
    hashed = hashlib.blake2b(digest_size=16)
    for name, value in sorted(model.network.state_dict().items()):
        hashed.update(name.encode())
        hashed.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    first = np.ascontiguousarray(np.asarray(volume[slice(0, 1)]))
    return {
        "format_version": 1,
        "model": model.settings.model,
        "weights": hashed.hexdigest(),
        "sweep": job.sweep.model_dump(mode="json"),
        "shape": list(job.shape),
        "first_slice": hashlib.blake2b(first.data, digest_size=16).hexdigest(),
        "shard_depth": job.shard_depth,
        "probabilities": job.probabilities is not None,
        "threads": job.threads,
        "versions": {"torch": version("torch"), "mtneuro-seg": version("mtneuro-seg")},
    }


def _refuse_other(found: dict[str, Any], wanted: dict[str, Any], partial: Path) -> None:
    differing = [key for key in wanted if found.get(key) != wanted[key]]
    if differing:
        key = differing[0]
        raise ValueError(
            f"{str(partial)!r} must come from the same prediction to be resumed; {key} was {found.get(key)}, "
            f"is now {wanted[key]}. Set it back, or delete that folder to start anew"
        )


def _replace(partial: Path, target: Path) -> None:
    """Rename a finished array into place; one that is there already was renamed before an interruption."""
    if not partial.exists():
        return
    if target.exists():
        shutil.rmtree(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial.replace(target)
