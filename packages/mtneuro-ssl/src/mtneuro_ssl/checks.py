"""Check images, labels and settings before any work starts."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from mtneuro_ssl._shared.channels import check_no_channels
from mtneuro_ssl._shared.compilation import check_compiler
from mtneuro_ssl._shared.devices import check_full_precision, chosen_device
from mtneuro_ssl._shared.kinds import check_type
from mtneuro_ssl._shared.masked import check_unmasked
from mtneuro_ssl._shared.model_folder import HEADS, WEIGHTS
from mtneuro_ssl.points import check_learnable
from mtneuro_ssl.processes import launch
from mtneuro_ssl.settings import TrainSettings
from mtneuro_ssl.stream import blocks, varies
from mtneuro_ssl.types import Samples, Volume
from mtneuro_ssl.views import crop_size, slice_neighbours

SMALLEST_CROP = 8
"""Least height and width of a crop, in pixels; a smaller one shows the encoder too little."""

_WITHOUT_LABELS = "a self-supervised method needs none (--method byol)"


_MOST_CLASSES = 1000
"""Classes that labels may count where there are fewer images: a layer is made that has an output for each."""


def check_samples(
    images: Samples | Volume, *, vector_width: int | None = None, subvolumes: bool = False
) -> None:
    """Raise unless the samples are a stack of images, of subvolumes, or of vectors of the given width.

    Raises
    ------
    ValueError
        If the array is not numbers of shape (n, y, x), or (n, z, y, x) of subvolumes, or not float32 of shape
        (n, vector_width), or empty.
    """
    check_unmasked(images, "images")
    shape, dtype = getattr(images, "shape", ()), getattr(images, "dtype", type(images).__name__)
    if vector_width is not None:
        if dtype != np.float32 or len(shape) != 2 or shape[0] == 0 or shape[1] != vector_width:
            raise ValueError(
                f"vectors must be float32 of shape (n, {vector_width}), got {dtype} of shape {shape}"
            )
        if not np.isfinite(np.asarray(images)).all():
            raise ValueError("vectors must be finite, got nan or inf")
        return
    check_no_channels(shape, name="images", subvolumes=subvolumes)
    what, axes = ("subvolumes", "(n, z, y, x)") if subvolumes else ("images", "(n, y, x)")
    if getattr(dtype, "kind", "?") not in "uif" or len(shape) != (4 if subvolumes else 3) or 0 in shape:
        raise ValueError(
            f"{what} must be numbers of shape {axes} with no axis of length 0, got {dtype} of shape {shape}"
        )


def with_depth(settings: TrainSettings, images: Samples | Volume) -> TrainSettings:
    """Return the settings of these samples: with the depth of subvolumes, ``(n, z, y, x)``.

    Raises
    ------
    ValueError
        If the settings name another depth, or one and the samples have none; or if the axis of slices may as
        well be one of channels, and the settings do not name a depth.
    """
    shape = tuple(getattr(images, "shape", ()))
    depth = shape[1] if len(shape) == 4 else None
    if settings.depth == depth or len(shape) not in (2, 3, 4):
        return settings
    if settings.depth is not None:
        raise ValueError(
            f"subvolumes must have the shape (n, {settings.depth}, y, x), as depth={settings.depth} says, "
            f"got {shape}; set depth to their slices, or to none for images"
        )
    try:
        check_no_channels(shape, name="images")
    except ValueError as error:
        if "array[:, 0]" not in str(error):
            raise
        told = str(error).partition("; if they are slices")[0]
        raise ValueError(f"{told}; if they are slices of subvolumes, set depth={depth}") from None
    return settings.model_copy(update={"depth": depth})


def vector_width_of(images: Samples | Volume) -> int | None:
    """Return the width of samples that are vectors, float32 of two axes, or None."""
    is_vectors = getattr(images, "dtype", None) == np.float32 and len(images.shape) == 2
    return images.shape[1] if is_vectors else None


def check_run(
    images: Samples | Volume,
    settings: TrainSettings,
    *,
    labels: Int64[np.ndarray, " n"] | None = None,
    class_names: Sequence[str] | None = None,
    sample_id: np.ndarray | None = None,
) -> None:
    """Raise unless images, labels and settings go together.

    Raises
    ------
    TypeError
        If the settings are not `TrainSettings`.
    ValueError
        If they do not; the message names the requirement and the value.
    """
    check_type(settings, TrainSettings, "settings")
    settings = with_depth(settings, images)
    width = vector_width_of(images)
    if settings.of_points:
        check_learnable(images, settings)
    check_samples(images, vector_width=width, subvolumes=settings.depth is not None)
    count = images.shape[0]
    if (
        width is None
        and images.dtype.kind == "f"
        and not all(np.isfinite(part).all() for part in blocks(images))
    ):
        raise ValueError("images must be finite, got nan or inf: fill them first")
    if not varies(images):
        raise ValueError(
            f"images must vary in intensity, got {np.asarray(images[:1]).flat[0]} in every pixel"
        )
    if settings.start_from is not None:
        _check_start(Path(settings.start_from))
    family = settings.entry.family
    if width is None:
        _check_sizes(settings, (images.shape[-2], images.shape[-1]))
        if settings.method == "mae":
            check_patches(settings, tuple(images.shape[1:]))
    elif family == "classical":
        raise ValueError(f"method {settings.method!r} needs images, got vectors")
    if family in ("classical", "baseline") and launch().count > 1:
        raise ValueError(f"method {settings.method!r} must be run by 1 process, got {launch().count}")
    if family in ("self-supervised", "supervised"):
        _check_counts(settings, count)
    if labels is not None or family == "supervised":
        _check_labels(labels, count, settings, class_names)
    if settings.views.slices and (sample_id is None or np.shape(sample_id) != (count,)):
        raise ValueError(f"views.slices needs a sample_id for each of the {count} images")
    if settings.views.slices and sample_id is not None:
        slice_neighbours(sample_id, reach=settings.views.slices)
    device = chosen_device(settings.device)
    check_full_precision(device, settings.precision)
    if device.type == "mps" and launch().count > 1:
        raise ValueError(f"device must be 'cuda' or 'cpu' for {launch().count} processes, got 'mps'")
    if settings.compile:
        check_compiler(device)


def _check_start(folder: Path) -> None:
    if not all((folder / name).is_file() for name in (WEIGHTS, HEADS)):
        raise ValueError(
            f"start_from must be the folder of a run of BYOL, MYOW or MAE, with {WEIGHTS} and {HEADS}, "
            f"got {folder}: repeat that run, if it is of an earlier version, or set encoder_weights to start "
            "from its encoder alone"
        )


def _check_sizes(settings: TrainSettings, size: tuple[int, int]) -> None:
    family, views = settings.entry.family, settings.views
    height, width = size
    if family in ("self-supervised", "classical"):
        part = views.crop if family == "self-supervised" else 0.5
        least = math.ceil(SMALLEST_CROP / part)
        if min(height, width) < least:
            raise ValueError(
                f"method {settings.method!r} crops {part:g} of the height and width, and crops must be "
                f"at least {SMALLEST_CROP} x {SMALLEST_CROP} pixels: "
                f"images must be at least {least} x {least}, got {height} x {width}"
            )
        height, width = int(height * part), int(width * part)
    if views.rotate and height != width:
        raise ValueError(f"views.rotate needs square views, got {height} x {width}")


def check_patches(settings: TrainSettings, size: tuple[int, ...]) -> None:
    """Raise unless views of images of a size are whole patches of which ``mae`` hides some and leaves some.

    Parameters
    ----------
    settings
        Settings of the method ``mae``.
    size
        Height and width of the images; depth, height and width of subvolumes.

    Raises
    ------
    ValueError
        If views end within a patch, or all of their patches would be hidden or none.

    Examples
    --------
    >>> check_patches(TrainSettings(method="mae"), (64, 64))
    """
    crop, patch = crop_size(size, settings.views), settings.vit.patch_size(len(size))
    words = "vit.patch" if len(size) == 2 else "vit.patch_depth and vit.patch"
    whole, seen, part = (" x ".join(map(str, each)) for each in (size, crop, patch))
    if any(pixels % each for pixels, each in zip(crop, patch, strict=True)):
        raise ValueError(
            f"method 'mae' hides whole patches, and crops must be multiples of {words}, {part}, got "
            f"{seen} of {whole}: set {words} to divisors of that, or views.crop"
        )
    patches = math.prod(crop) // math.prod(patch)
    if not 0 < settings.mae.hidden_patches(patches) < patches:
        raise ValueError(
            f"mae.mask_ratio must hide a patch of a crop and leave one, got {settings.mae.mask_ratio:g} of "
            f"{patches} patches (crops of {seen}, {words} {part}): lower {words}, or set "
            "mae.mask_ratio nearer to 0.5"
        )


def _check_counts(settings: TrainSettings, count: int) -> None:
    batch, pool = settings.batch_size, settings.pool_size
    processes = launch().count
    if batch % processes or (pool or batch) % processes:
        raise ValueError(
            f"batch_size and pool_size must be divisible by the number of processes, {processes}, "
            f"got {batch} and {pool or batch}"
        )
    if settings.partial_batches and processes > 1:
        raise ValueError(
            f"partial_batches must be false where several processes share a batch, got {processes} processes"
        )
    if batch < 2:
        raise ValueError(
            "batch_size must be at least 2, since BatchNorm compares the images of a batch, got 1"
        )
    if batch > count:
        raise ValueError(
            f"batch_size must be at most the number of images, {count}, got {batch}: "
            f"lower it (--set batch_size={count}) or provide more images"
        )
    if pool is not None and pool > count:
        raise ValueError(f"pool_size must be at most the number of images, {count}, got {pool}")
    if settings.mined_neighbours >= (pool or batch):
        raise ValueError(
            f"mined_neighbours must be less than the pool of {pool or batch}, got {settings.mined_neighbours}"
        )


def _check_labels(
    labels: np.ndarray | None, count: int, settings: TrainSettings, class_names: Sequence[str] | None
) -> None:
    method = settings.method
    if labels is None:
        raise ValueError(
            f"method {method!r} needs labels, one integer per image, got none: give labels= (--labels FILE); "
            + _WITHOUT_LABELS
        )
    check_type(labels, np.ndarray, "labels", mend=" of integers, one per image")
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise ValueError(
            f"labels must be integers of shape ({count},), one per image, "
            f"got {labels.dtype} of shape {labels.shape}"
        )
    check_unmasked(labels, "labels")
    if labels.min() < 0:
        raise ValueError(f"labels must count from 0, got {labels.min()}: leave unlabelled images out")
    if labels.max() >= max(count, _MOST_CLASSES):
        raise ValueError(
            f"labels must number the classes from 0, got {labels.max()} among {count} images: number them "
            "with numpy.unique(labels, return_inverse=True)"
        )
    if settings.entry.family == "supervised" and labels.min() == labels.max():
        raise ValueError(
            f"method {method!r} needs labels of at least 2 classes to tell apart, got {labels.min()} only; "
            + _WITHOUT_LABELS
        )
    if class_names is not None and labels.max() >= len(class_names):
        raise ValueError(f"class_names must name class {labels.max()}, got {len(class_names)} names")
