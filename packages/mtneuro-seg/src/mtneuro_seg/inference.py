"""Label images with a trained model."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float32, Real, UInt8
from torch import Tensor

from mtneuro_seg._shared.devices import check_available, missing_operations_named
from mtneuro_seg._shared.kinds import check_type
from mtneuro_seg._shared.memory import memory_errors_named
from mtneuro_seg._shared.pixels import as_pixels, check_image_type
from mtneuro_seg.model import Model, check_images, normalised
from mtneuro_seg.settings import TrainSettings
from mtneuro_seg.trial import class_scores


def predict(
    model: Model,
    images: Real[np.ndarray, "images *size"],
    *,
    batch_size: int = 8,
    device: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> UInt8[np.ndarray, "images *size"]:
    """Return the most probable class of every pixel.

    Parameters
    ----------
    model
        A trained model.
    images
        Intensities, ``(n, y, x)`` for a 2D network and ``(n, z, y, x)`` for a 3D one. A volume
        ``(z, y, x)`` is a stack of images to a 2D network.
    batch_size
        Images in a batch; lower it if memory runs out. In fp32 it may change the last bits of the class
        scores, and so a label where two classes tie.
    device
        ``"cpu"``, ``"cuda"`` or ``"mps"``; by default where the network is.
    progress
        Called with (images done, images in all).

    Returns
    -------
    labels
        In the shape of ``images``. Sizes that the network does not take are mirrored out at the far end of
        each axis, to the next size that it takes, and the labels are cropped back.

    Raises
    ------
    TypeError, ValueError
        If the images are of another type than the model was trained on, have other axes, or are empty; if
        ``batch_size`` is not positive; or if a network of the user's own does not take them, or does not
        return class scores.
    """
    check_type(model, Model, "model", mend=", as load_model(folder) returns it")
    settings = model.settings
    check_images(images, settings)
    check_image_type(images, settings)
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    place = place_network(model, device)
    labels = np.empty(images.shape, np.uint8)
    crop = tuple(slice(0, length) for length in images.shape[1:])
    for start in range(0, len(images), batch_size):
        part = slice(start, start + batch_size)
        # A copy: torch takes neither mirrored arrays nor those that cannot be written, such as mapped files.
        pixels = _padded(as_pixels(images[part], settings), settings)
        batch = torch.from_numpy(np.array(pixels, order="C")).to(place)
        with (
            torch.inference_mode(),
            missing_operations_named(),
            memory_errors_named("prediction", remedy="lower batch_size"),
        ):
            given = normalised(batch, settings)[:, None]
            predicted = most_probable(class_scores(model.network, given, settings))
        labels[part] = predicted.cpu().numpy()[:, *crop]
        if progress is not None:
            progress(min(start + batch_size, len(images)), len(images))
    return labels


def place_network(model: Model, device: str | None) -> torch.device:
    """Move a model's network to a device, in evaluation mode and channels last, and return the device."""
    try:
        held = next(model.network.parameters(), torch.empty(0)).device
        place = torch.device(device) if device else held
    except RuntimeError:
        raise ValueError(f"device must be 'cpu', 'cuda' or 'mps', got {device!r}") from None
    check_available(place.type)
    layout = torch.channels_last if model.settings.network.axes == 2 else torch.channels_last_3d
    network = model.network.to(place).eval()
    network.to(memory_format=layout)  # pyright: ignore[reportCallIssue] (torch's stub)
    return place


def _padded(images: Real[np.ndarray, "images *size"], settings: TrainSettings) -> Real[np.ndarray, "..."]:
    """Return the images, mirrored out to a size that the network takes."""
    size = images.shape[1:]
    target = settings.size_rule.padded(size)
    if target == size:
        return images
    widths = [(0, 0), *((0, after - before) for before, after in zip(size, target, strict=True))]
    return np.pad(images, widths, mode="symmetric")


def most_probable(logits: Float32[Tensor, "batch classes *size"]) -> UInt8[Tensor, "batch *size"]:
    """Return the class of the highest score of every pixel, the lower label where two tie.

    Plane by plane with a running maximum: many times faster than ``argmax`` over the class axis.
    """
    best = logits[:, 0].clone()
    labels = torch.zeros(best.shape, dtype=torch.uint8, device=best.device)
    for label in range(1, logits.shape[1]):
        plane = logits[:, label]
        # Labels only grow from plane to plane, so the larger one is the later one.
        torch.maximum(labels, (plane > best).view(torch.uint8) * label, out=labels)
        torch.maximum(best, plane, out=best)
    return labels
