"""Train a model on images in one call, which can be interrupted and repeated."""

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from lightning.pytorch.loggers import Logger

from mtneuro_ssl._shared.devices import chosen_device
from mtneuro_ssl._shared.factories import imported
from mtneuro_ssl._shared.files import written_beside
from mtneuro_ssl._shared.kinds import check_type
from mtneuro_ssl._shared.model_folder import (
    HEADS,
    WEIGHTS,
    check_destination,
    other_model,
    read_config,
    read_weights,
    weights_errors_named,
)
from mtneuro_ssl._shared.pixels import as_pixels, settled
from mtneuro_ssl.checks import check_run, vector_width_of, with_depth
from mtneuro_ssl.encoders import check_weights, features_made, new_encoder, seeded_weights
from mtneuro_ssl.loop import fit_method
from mtneuro_ssl.methods.base import Method
from mtneuro_ssl.model import FORMAT_VERSION, KINDS, Model, untrained
from mtneuro_ssl.model_folder import load_model
from mtneuro_ssl.monitor import monitored_size
from mtneuro_ssl.points import as_vectors
from mtneuro_ssl.processes import launch, process_share
from mtneuro_ssl.recorder import CHECKPOINT
from mtneuro_ssl.settings import TrainSettings
from mtneuro_ssl.stream import StreamedImages, blocks, is_streamed
from mtneuro_ssl.trial import asked_size, tried_settings
from mtneuro_ssl.types import Progress, Samples, Volume
from mtneuro_ssl.views import corner_crops, slice_neighbours

NOT_IDENTITY = {"device", "checkpoint_every", "monitor_every", "monitor_neighbours", "stream"}
"""Settings that change nothing in the model."""

log = logging.getLogger(__name__)


def train(
    images: Samples | Volume,
    settings: TrainSettings,
    *,
    labels: Int64[np.ndarray, " n"] | None = None,
    out: Path | str,
    replace: bool = False,
    class_names: Sequence[str] | None = None,
    sample_id: np.ndarray | None = None,
    progress: Progress | None = None,
    loggers: Sequence[Logger] = (),
) -> Model:
    """Train a model on images, save it in a folder, and return it.

    An interrupted run continues from its last checkpoint, and ends as if it had not been interrupted; a
    finished run of the same settings and data is loaded. Checkpoints are kept in ``<out>.partial`` until the
    end.

    Several processes that ``torchrun`` started share each batch, as if they were one; the batch and the pool
    must be divisible by their number. On GPUs BatchNorm takes the statistics of the whole batch, on CPUs of
    each process's part.

    Parameters
    ----------
    images
        Images to learn from, (n, y, x) of any type of number, or subvolumes, (n, z, y, x), for an encoder in
        three dimensions; in memory or a volume that is read by slices, such as a Zarr array; they are kept on
        the device as one array, or streamed (``settings.stream``). Or vectors, float32 (n, features), with an
        encoder of your own; or clouds of points, float32 (n, points, 4), with the encoder ``deepsets``.
    settings
        Method, encoder and everything else that can be set.
    labels
        The class of each image, counted from 0. Supervised methods need them; others only use them to
        report, in the history, how often a mined sample has the same label.
    out
        Model folder: ``model.safetensors``, ``config.json`` and ``history.csv`` (step, epoch, loss,
        the method's own columns and the learning rate), for BYOL, MYOW and MAE ``heads.safetensors``
        (projector and predictor, or decoder, for ``start_from``), and ``monitor.csv`` (the rank and spread
        of the embeddings of a few images, and with ``monitor_neighbours`` the accuracy of their neighbours'
        labels).
    replace
        Whether a model of other settings or images, if one is there, is replaced.
    class_names
        Names of the classes, kept with a supervised model.
    sample_id
        The id of each image, ``<cube>/z<z>``; needed where ``views.slices`` asks for views from other slices.
    progress
        Called with the number of steps done and of all.
    loggers
        Lightning's loggers, such as `run_loggers` returns, that are given the settings, and the rows of the
        history of 200 steps.

    Returns
    -------
    model
        The same as `load_model` returns from ``out``.

    Raises
    ------
    ValueError
        If the images, labels, settings and encoder do not go together (raised before any work starts), or the
        loss is no longer finite.
    FileExistsError
        If ``out`` holds anything but a model; or, unless ``replace``, a model of other settings or images, or
        ``<out>.partial`` a checkpoint of another method.
    """
    check_type(settings, TrainSettings, "settings")
    images = as_vectors(images, settings)
    check_run(images, settings, labels=labels, class_names=class_names, sample_id=sample_id)
    out, settings = Path(out), with_depth(settings.resolved(), images)
    check_destination(out)
    width = vector_width_of(images)
    settings = _tried(images, settings, vector_width=width)
    digest = run_digest(images, settings, labels=labels, class_names=class_names, sample_id=sample_id)
    first = launch().first
    if out.is_dir() and any(out.iterdir()):
        there = read_config(out, kinds=KINDS, format_version=FORMAT_VERSION)
        if there["digest"] == digest:
            log.info("%s already holds this run, which is loaded", out)
            return load_model(out, trusted=(settings.encoder,))
        if not replace:
            raise other_model(out)
    check_weights(settings)
    pixels = images
    if width is None:
        settings = settled(settings, images)
        pixels = as_pixels(images, settings)
    partial = out.with_name(f"{out.name}.partial")
    family = settings.entry.family
    if family == "baseline":
        untrained(settings, vector_width=width).save(out, digest=digest)
    elif family == "classical":
        crops = corner_crops(np.asarray(pixels[:]))
        crops = crops.reshape(-1, *crops.shape[2:])
        imported(settings.entry.target).fit(crops, settings, progress=progress).save(out, digest=digest)
    else:
        method = new_method(pixels, settings, labels=labels, class_names=class_names, sample_id=sample_id)
        _prepare_partial(partial, digest, method=settings.method, first=first, replace=replace)
        try:
            model, tables = fit_method(
                method,
                partial=partial,
                class_names=class_names,
                progress=progress if first else None,
                loggers=loggers,
            )
        finally:
            if isinstance(method.images, StreamedImages):
                method.images.close()
        if first:
            heads = method.heads().state_dict() if settings.entry.keeps_heads else None
            model.save(out, digest=digest, heads=heads, **tables)
        if process_share()[1] > 1:
            torch.distributed.barrier()
    if first:
        shutil.rmtree(partial, ignore_errors=True)
    return load_model(out, trusted=(settings.encoder,))


def _tried(images: Samples | Volume, settings: TrainSettings, *, vector_width: int | None) -> TrainSettings:
    """Return the settings with which the encoder takes what this training gives it."""
    if vector_width is not None:
        return tried_settings(settings, vector_width=vector_width)
    size = tuple(images.shape[1:])
    *depth, height, width = size
    corners = (*depth, max(height // 2, 1), max(width // 2, 1))
    # What a model is asked to embed later, as a rule: whole images, and their corners.
    later = [size, corners] if settings.entry.family == "baseline" else [monitored_size(size, settings), size]
    return tried_settings(settings, sizes=[asked_size(size, settings)], wished=later)


def run_digest(
    images: Samples | Volume,
    settings: TrainSettings,
    *,
    labels: Int64[np.ndarray, " n"] | None = None,
    class_names: Sequence[str] | None = None,
    sample_id: np.ndarray | None = None,
) -> str:
    """Return what identifies a run: a digest of its settings and data, whatever the device."""
    identity = {
        "format_version": FORMAT_VERSION,
        "settings": _identity(settings),
        "shape": tuple(images.shape),
        "class_names": None if class_names is None else list(class_names),
    }
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode())
    for block in blocks(images):
        digest.update(block.data)
    if settings.views.slices and sample_id is not None:
        digest.update("\n".join(map(str, sample_id)).encode())
    if labels is not None:
        digest.update(np.ascontiguousarray(labels, dtype=np.int64).data)
    if settings.encoder_weights is not None:
        weights = Path(settings.encoder_weights)
        file = weights / WEIGHTS if weights.is_dir() else weights
        digest.update(file.read_bytes() if file.is_file() else str(weights).encode())
    if settings.start_from is not None:
        for name in (WEIGHTS, HEADS):
            digest.update((Path(settings.start_from) / name).read_bytes())
    return digest.hexdigest()


def _identity(settings: TrainSettings) -> dict[str, object]:
    """Return the settings that identify a run; the younger ones only where they are set."""
    found = settings.model_dump(exclude=NOT_IDENTITY | {"image_type"})
    if found["intensity"] is None:
        del found["intensity"]
    # What the data decide is no setting; numbers that are given are identified by themselves.
    if found["normalisation"] == "data":
        del found["mean"], found["sd"]
    elif found["normalisation"] == "given":
        del found["normalisation"]
    return found


def _prepare_partial(partial: Path, digest: str, *, method: str, first: bool, replace: bool) -> None:
    """Make sure that the partial folder belongs to this run: keep it, or replace it with an empty one.

    The first of several processes does this, and the others wait for it. An interrupted run of other settings
    is removed; one of another method is more likely to be wanted, and raises an error.
    """
    mark = partial / "run.json"

    def found() -> dict[str, str]:
        return json.loads(mark.read_text(encoding="utf-8")) if mark.is_file() else {}

    while not first and found().get("digest") != digest:
        time.sleep(0.1)
    run = found()
    if run.get("digest") == digest:
        return
    if not replace and run.get("method", method) != method and (partial / CHECKPOINT).is_file():
        raise FileExistsError(
            f"{partial} holds an interrupted run of {run['method']!r}, not {method!r}: "
            "finish that run, or choose another output; --force (replace=True) starts anew"
        )
    if (partial / CHECKPOINT).is_file():
        log.warning("%s holds an interrupted run of other settings or images: starting anew", partial)
    shutil.rmtree(partial, ignore_errors=True)
    with written_beside(mark) as beside:
        beside.write_text(json.dumps({"digest": digest, "method": method}), encoding="utf-8")


def new_method(
    images: Samples | Volume,
    settings: TrainSettings,
    *,
    labels: Int64[np.ndarray, " n"] | None = None,
    class_names: Sequence[str] | None = None,
    sample_id: np.ndarray | None = None,
) -> Method:
    """Return the method's networks around a fresh encoder, or those of ``start_from``, before any step.

    Images are uint8, or float32 on the same scale, as `as_pixels` gives them.
    """
    kind: type[Method] = imported(settings.entry.target)
    settings = with_depth(settings, images)
    classes = 0 if labels is None else len(class_names or range(int(labels.max()) + 1))
    reach, width = settings.views.slices, vector_width_of(images)
    nearby = slice_neighbours(sample_id, reach=reach) if reach and sample_id is not None else None
    streamed = is_streamed(images, stream=settings.stream, device=chosen_device(settings.device))
    with seeded_weights(settings):
        encoder = new_encoder(settings, vector_width=width)
        method = kind(
            encoder,
            settings,
            width=features_made(encoder, settings, vector_width=width),
            nearby=nearby,
            classes=classes,
            # Copies, so that later changes to the caller's arrays do not reach the run.
            images=StreamedImages(images) if streamed else torch.from_numpy(_copied(images)),
            labels=None if labels is None else torch.from_numpy(np.array(labels, dtype=np.int64, order="C")),
        )
    if settings.start_from is not None:
        folder = Path(settings.start_from)
        with weights_errors_named(
            folder / HEADS, of="the projector and predictor, or the decoder, in the settings"
        ):
            method.start(read_weights(folder, HEADS))
    return method


def _copied(images: Samples | Volume) -> Samples:
    # What owns its memory was read for this run alone; a view of an array or of a mapped file does not.
    return np.require(images[:], requirements=["C", "W", "O", "E"])
