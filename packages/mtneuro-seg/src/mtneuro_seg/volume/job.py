"""The prediction of a whole volume as a job: its outputs, its finished rows, and whether it may resume."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mtneuro_seg._shared.channels import check_no_channels
from mtneuro_seg._shared.digests import array_digest
from mtneuro_seg._shared.files import disk_errors_named, written_beside
from mtneuro_seg._shared.pixels import check_image_type
from mtneuro_seg._shared.sample_ids import consecutive_runs, why_apart
from mtneuro_seg._shared.volume_file import LazyArray
from mtneuro_seg.files import PREDICTION, partial_folder
from mtneuro_seg.model import Model, weights_digest
from mtneuro_seg.settings import TrainSettings
from mtneuro_seg.volume.settings import SweepSettings
from mtneuro_seg.volume.store import (
    Layout,
    create_labels,
    create_probabilities,
    is_ome_zarr,
    move_into_place,
    synchronise_row,
    zarr_path,
)
from mtneuro_seg.volume.sweep import window_of

_MANIFEST = "manifest.json"
_DONE = "done"


def check_volume(volume: LazyArray, settings: TrainSettings) -> None:
    """Raise unless a volume has axes ``(z, y, x)`` and a type that a model takes.

    Raises
    ------
    ValueError
        Naming the axes or the type that it has.
    """
    shape = tuple(volume.shape)
    check_no_channels(shape, name="a volume")
    if len(shape) != 3 or 0 in shape:
        raise ValueError(f"a volume must have axes (z, y, x) and at least one voxel, got shape {shape}")
    if volume.dtype.kind not in "uif":
        raise ValueError(f"a volume must hold numbers, got {volume.dtype}")
    check_image_type(volume, settings, name="a volume")


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
    """Number of threads; the last bits of the scores depend on it."""

    @property
    def partial(self) -> Path:
        """The folder that holds what is done so far."""
        return partial_folder(self.out)

    @property
    def unfinished_labels(self) -> Path:
        """The labels that are being written."""
        return self.partial / "labels.zarr"

    @property
    def unfinished_probabilities(self) -> Path:
        """The probabilities that are being written."""
        return self.partial / "probabilities.zarr"

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

    def tick_off(self, row: int) -> None:
        """Mark a row as done, once it is on the disk."""
        synchronise_row(self.unfinished_labels, row)
        if self.probabilities is not None:
            synchronise_row(self.unfinished_probabilities, row)
        self.tick(row).touch()

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
            move_into_place(self.unfinished_probabilities, self.probabilities)
        move_into_place(self.unfinished_labels, self.out)
        shutil.rmtree(self.partial)


def prepare_job(
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
) -> VolumeJob:
    """Check the arguments, create or resume ``<out>.partial``, and return the work to be done.

    The parameters and errors are those of `predict_volume`.
    """
    sweep = sweep or SweepSettings()
    check_volume(volume, model.settings)
    window = window_of(model, sweep)
    if window[0] > 1 and sample_id is not None:
        _check_consecutive(sample_id)
    depth, height, width = volume.shape
    job = VolumeJob(
        out=zarr_path(out),
        probabilities=None if probabilities is None else zarr_path(probabilities),
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
    attributes: dict[str, Any] = {
        "class_names": list(model.class_names),
        PREDICTION: manifest,
        "source": source_name,
        **(about or {}),
    }
    if voxel_size_um is not None:
        attributes["voxel_size_um"] = list(voxel_size_um)
    if sample_id is not None:
        attributes["sample_id"] = list(sample_id)
    layout = Layout(
        shard_depth=job.shard_depth,
        class_names=model.class_names,
        voxel_size_um=voxel_size_um,
        lower=lower,
        attributes=attributes,
    )
    with disk_errors_named(job.partial):
        _create_empty(job, layout)
        # Written last: its presence says that the arrays are there.
        with written_beside(path) as beside:
            beside.write_text(json.dumps(manifest, indent=2), "utf-8")
    return job


def _check_consecutive(sample_id: Sequence[str]) -> None:
    """Raise unless the slices are those of one cube in order: a window would hold others side by side."""
    runs = consecutive_runs(sample_id)
    if len(runs) == 1 and (np.diff(runs[0]) == 1).all():
        return
    reason = why_apart(sample_id)
    raise ValueError(
        f"a 3D network must be given consecutive slices of one cube, got {len(runs)} runs of them by id"
        + (f": {reason}" if reason else "")
        + "; label one of them (--z), or write an .npz or .npy, for which each run is labelled by itself"
    )


def _create_empty(job: VolumeJob, layout: Layout) -> None:
    shutil.rmtree(job.partial, ignore_errors=True)
    (job.partial / _DONE).mkdir(parents=True)
    create_labels(job.unfinished_labels, job.shape, ome=is_ome_zarr(job.out), layout=layout)
    if job.probabilities is not None:
        shape = (len(layout.class_names), *job.shape)
        ome = is_ome_zarr(job.probabilities)
        create_probabilities(job.unfinished_probabilities, shape, ome=ome, layout=layout)


def _chunk_depth(volume: LazyArray) -> int:
    """Return how many slices a 2D network labels at once, so that no chunk of the volume is decoded twice."""
    chunks = getattr(volume, "chunks", None)
    return min(max(int(chunks[0]), 16), 64) if chunks else 16


def _manifest(model: Model, volume: LazyArray, job: VolumeJob) -> dict[str, Any]:
    """Return everything that the result depends on, down to its last bit."""
    return {
        "format_version": 2,
        "model": model.settings.model,
        "weights": weights_digest(model),
        "sweep": job.sweep.model_dump(mode="json"),
        "shape": list(job.shape),
        "first_slice": array_digest(np.asarray(volume[0:1])),
        "shard_depth": job.shard_depth,
        "probabilities": None if job.probabilities is None else _form(job.probabilities),
        "threads": job.threads,
        "versions": {"torch": version("torch"), "mtneuro-seg": version("mtneuro-seg")},
    }


def _form(path: Path) -> str:
    return "OME-Zarr" if is_ome_zarr(path) else "array"


def _refuse_other(found: dict[str, Any], wanted: dict[str, Any], partial: Path) -> None:
    differing = [key for key in wanted if found.get(key) != wanted[key]]
    if differing:
        key = differing[0]
        raise ValueError(
            f"{str(partial)!r} must come from the same prediction to be resumed; {key} was {found.get(key)}, "
            f"is now {wanted[key]}. Set it back, or delete that folder to start anew"
        )
