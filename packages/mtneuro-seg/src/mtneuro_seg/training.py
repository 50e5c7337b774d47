"""Train a network on labelled images; an interrupted training resumes bit for bit."""

import json
import os
import platform
import shutil
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
import torch
from jaxtyping import Integer, Real
from lightning.pytorch.loggers import Logger
from torch import nn

from mtneuro_seg._shared.compilation import check_compiler
from mtneuro_seg._shared.devices import check_full_precision, chosen_device
from mtneuro_seg._shared.digests import array_digest, digest
from mtneuro_seg._shared.files import disk_errors_named, written_beside
from mtneuro_seg._shared.foreign import described
from mtneuro_seg._shared.kinds import check_type
from mtneuro_seg._shared.masked import check_unmasked
from mtneuro_seg._shared.model_folder import CONFIG, check_destination, other_model
from mtneuro_seg._shared.pixels import as_pixels, check_image_type, settled
from mtneuro_seg._shared.words import one_line
from mtneuro_seg.loop import fit
from mtneuro_seg.metrics import check_labels
from mtneuro_seg.model import (
    FORMAT_VERSION,
    Model,
    build_network,
    check_images,
    checked_class_names,
    load_model,
    weights_digest,
)
from mtneuro_seg.schedule import Schedule
from mtneuro_seg.segmenter import Segmenter
from mtneuro_seg.settings import TrainSettings
from mtneuro_seg.trial import check_network

_RESUME = "resume.ckpt"
_RUN = "run.json"
_BEST = "best.safetensors"
_WITHOUT_EFFECT = {"checkpoint_every", "device", "image_type"}
"""Settings that do not change the result."""


def train(
    images: Real[np.ndarray, "images *size"],
    settings: TrainSettings,
    *,
    masks: Integer[np.ndarray, "images *size"],
    out: str | os.PathLike[str],
    replace: bool = False,
    start: Model | None = None,
    validation: tuple[Real[np.ndarray, "..."], Integer[np.ndarray, "..."]] | None = None,
    class_names: Sequence[str] | None = None,
    loggers: Sequence[Logger] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Model:
    """Train a network and write its folder.

    While it runs, ``<out>.partial`` holds a resume point. A run that was interrupted, or killed, resumes from
    there and ends bit-equal to an uninterrupted one, as long as settings, data, device and number of threads
    are the same; with other settings or data it starts anew. A folder that is finished with the same settings
    and data is loaded instead.

    Parameters
    ----------
    images
        Intensities of any type, ``(n, y, x)`` for 2D networks and ``(n, z, y, x)`` for 3D ones.
    settings
        How to build and train the network.
    masks
        Labels in the shape of ``images``, 0 to ``settings.classes - 1``.
    out
        Folder to write: ``model.safetensors``, ``config.json`` and ``history.csv``.
    replace
        Whether a model of other settings or data, if one is there, is replaced.
    start
        A model whose weights the training starts from, of the same network and classes; by default the
        weights are drawn from the seed. The images are normalised as ``settings`` say: with
        ``normalisation="given"`` and the model's ``mean`` and ``sd``, as those that it learned from were.
    validation
        Images and masks that are scored after each epoch.
    class_names
        A name for each label, background first; by default the benchmark's.
    loggers
        Lightning's loggers, such as `run_loggers` returns, that are given the settings and each row of the
        history.
    progress
        Called with (steps done, steps in all).

    Returns
    -------
    model
        The trained model, on the CPU.

    Raises
    ------
    ValueError
        If the images are not what the network takes, the masks do not fit them, a network of the user's own
        cannot be used, the weights to start from are another network's, or the device or
        its memory cannot do what the settings ask for.
    FileExistsError
        If ``out`` holds something else than a model, or, unless ``replace``, a model of other settings or
        data.
    OSError
        If the encoder's weights cannot be obtained, or ``out`` cannot be written. Where the disk is full, the
        resume point stays, and the same call goes on from there when there is room.
    """
    check_type(settings, TrainSettings, "settings")
    check_images(images, settings)
    _check_masks(images, masks, settings, "masks")
    if validation is not None:
        _check_pair(validation)
        check_images(validation[0], settings)
        _check_masks(*validation, settings, "validation masks")
    settings.check_class_weights()
    names = checked_class_names(class_names, settings.classes)
    schedule = Schedule.of(len(images), settings)
    size = settings.crop or images.shape[1:]
    if settings.crop is not None:
        _check_crop(size, images.shape[1:], settings)
    _check_size(size, settings, smallest_batch=schedule.smallest_batch // settings.accumulate or 1)
    if validation is not None and not settings.size_rule.fits(validation[0].shape[1:]):
        raise _size_error(validation[0].shape[1:], settings, "validation images")
    if validation is None and (settings.keep == "best" or settings.patience is not None):
        raise ValueError("validation images must be given for keep='best' and for patience, got none")
    device = _device(settings)
    if settings.compile:
        check_compiler(device)
    folder = Path(out)
    partial = folder.with_name(folder.name + ".partial")
    check_destination(folder)
    sizes = [size] if validation is None else [size, validation[0].shape[1:]]
    check_network(settings, sizes=sizes)
    data = {"images": images, "masks": masks}
    if validation is not None:
        data |= {"validation_images": validation[0], "validation_masks": validation[1]}
    fingerprint = {
        name: {"shape": list(array.shape), "dtype": str(array.dtype), "digest": array_digest(array)}
        for name, array in data.items()
    }
    begun = None if start is None else weights_digest(start)
    identity = _identity(settings, names, fingerprint, start=begun)
    finished = _json(folder / CONFIG)
    if isinstance(finished, dict) and finished.get("provenance", {}).get("digest") == identity:
        shutil.rmtree(partial, ignore_errors=True)
        return load_model(folder, trusted=(settings.model,))
    if finished is not None and not replace:
        raise other_model(folder)

    settings = settled(settings, images)
    pixels = as_pixels(images, settings)
    if validation is not None:
        check_image_type(validation[0], settings, name="validation images")
        validation = as_pixels(validation[0], settings), validation[1]
    run = {"digest": identity, "device": device.type}
    if _json(partial / _RUN) != run:
        shutil.rmtree(partial, ignore_errors=True)
    # Built before anything is written: a wrong encoder leaves nothing behind.
    network = build_network(settings) if start is None else _started(settings, start)
    segmenter = Segmenter(
        network, settings, schedule=schedule, images=pixels, masks=masks, validation=validation
    )
    with disk_errors_named(partial):
        partial.mkdir(parents=True, exist_ok=True)
        with written_beside(partial / _RUN) as beside:
            beside.write_text(json.dumps(run), "utf-8")
        history = fit(
            segmenter,
            checkpoint=partial / _RESUME,
            best=partial / _BEST,
            device=device,
            loggers=loggers,
            progress=progress,
        )
    model = Model(
        network=network.cpu().eval(),
        settings=settings,
        class_names=names,
        history=history,
        provenance={
            "digest": identity,
            "data": fingerprint,
            "versions": _versions(),
            **({} if begun is None else {"start": begun}),
        },
    )
    model.save(folder)
    shutil.rmtree(partial)
    return model


def _check_pair(validation: object) -> None:
    if not isinstance(validation, tuple | list) or len(validation) != 2:
        raise ValueError(f"validation must be images and their masks, got {described(validation)}")


def _check_masks(images: np.ndarray, masks: object, settings: TrainSettings, name: str) -> None:
    check_unmasked(masks, name, fill="ignore_label")
    if not isinstance(masks, np.ndarray) or masks.dtype.kind not in "ui":
        kind = masks.dtype if isinstance(masks, np.ndarray) else type(masks).__name__
        raise ValueError(
            f"{name} must be an array of integers, one label a pixel, got {kind}: convert them with "
            "masks.astype(numpy.uint8)"
        )
    if masks.shape != images.shape:
        raise ValueError(f"{name} must have the images' shape {images.shape}, got {masks.shape}")
    labelled = masks if settings.ignore_label is None else masks[masks != settings.ignore_label]
    if labelled.size == 0:
        raise ValueError(
            f"{name} must hold a labelled pixel, got ignore_label {settings.ignore_label} everywhere"
        )
    check_labels(labelled, name, classes=settings.classes)


def _check_size(size: tuple[int, ...], settings: TrainSettings, *, smallest_batch: int) -> None:
    """Raise if the network cannot be trained on images of this size, this many at once."""
    rule = settings.size_rule
    if not rule.fits(size):
        raise _size_error(size, settings, "images")
    if smallest_batch < rule.least_batch:
        raise ValueError(
            f"{settings.model!r} must be trained on at least {rule.least_batch} images at once "
            f"(batch normalisation), got a batch of {smallest_batch}; raise batch_size or give more images"
        )
    if smallest_batch == 1 and min(size[-2:]) < rule.smallest_alone:
        raise ValueError(
            f"{settings.model!r} must be trained on images at least {rule.smallest_alone} high and wide "
            f"when a batch holds one, got {_times(size)}; raise batch_size or give larger images"
        )


def _check_crop(crop: tuple[int, ...], size: tuple[int, ...], settings: TrainSettings) -> None:
    """Raise if a window is larger than the images, or of a size that the network does not take."""
    if any(length > whole for length, whole in zip(crop, size, strict=True)):
        raise ValueError(f"crop must lie within the images, {_times(size)}, got {_times(crop)}")
    if not settings.size_rule.fits(crop):
        raise _size_error(crop, settings, "crop")


def _size_error(size: tuple[int, ...], settings: TrainSettings, name: str) -> ValueError:
    rule = settings.size_rule
    near = sorted({rule.trimmed(size), rule.padded(size)})
    return ValueError(
        f"{name} for {settings.model!r} must be multiples of {_times(rule.multiple)}, at least "
        f"{rule.smallest} high and wide, got {_times(size)}; "
        f"the nearest that it takes: {' or '.join(map(_times, near))}"
    )


def _times(size: tuple[int, ...]) -> str:
    return " x ".join(map(str, size))


def _device(settings: TrainSettings) -> torch.device:
    """Return the device of the settings, or raise if it cannot compute what they ask for."""
    device = chosen_device(settings.device)
    check_full_precision(device, settings.precision)
    if device.type == "cpu" and settings.precision == "16-mixed":
        raise ValueError("precision must be '32-true' or 'bf16-mixed' on a CPU, got '16-mixed'")
    if device.type == "cpu" and settings.precision == "bf16-mixed" and settings.network.axes == 3:
        raise ValueError(
            "precision must be '32-true' to train a 3D network on a CPU, got 'bf16-mixed' "
            "(its 3D convolutions can crash the process in the backward pass)"
        )
    return device


def _started(settings: TrainSettings, start: Model) -> nn.Module:
    """Return the network of the settings with the weights of a model."""
    network = build_network(settings.model_copy(update={"encoder_weights": None}))
    try:
        network.load_state_dict(start.network.state_dict())
    except RuntimeError as error:
        raise ValueError(
            f"start must be a model of the network that the settings describe, {settings.model!r} of "
            f"{settings.classes} classes, got {start.settings.model!r} of {start.settings.classes}: "
            f"{shorten(one_line(error), 200, placeholder=' ...')}"
        ) from None
    return network


def _identity(
    settings: TrainSettings, names: Sequence[str], fingerprint: dict[str, Any], *, start: str | None
) -> str:
    """Return a digest of everything that decides a run's result."""
    return digest(
        {
            "format_version": FORMAT_VERSION,
            "settings": _chosen(settings),
            "class_names": list(names),
            "data": fingerprint,
            # Left out where there is none: it came later, and would rename earlier runs.
            **({} if start is None else {"start": start}),
        }
    )


def _chosen(settings: TrainSettings) -> dict[str, Any]:
    """Return the settings that decide a result, with what says how intensities are normalised."""
    # Defaults are left out, so that a setting added later does not rename earlier runs.
    found = settings.model_dump(mode="json", exclude=_WITHOUT_EFFECT, exclude_defaults=True)
    if settings.normalisation == "given":
        del found["normalisation"]
        return found
    # What the data decide is no setting.
    rest = {key: value for key, value in found.items() if key not in {"mean", "sd"}}
    return rest | {"normalisation": "data"}


def _json(path: Path) -> Any:
    """Return what a JSON file holds, or None if it is missing or damaged."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None


def _versions() -> dict[str, str]:
    names = ("mtneuro-seg", "torch", "lightning", "segmentation-models-pytorch", "monai", "numpy")
    return {"python": platform.python_version()} | {name: version(name) for name in names}
