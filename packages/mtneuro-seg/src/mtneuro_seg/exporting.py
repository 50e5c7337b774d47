"""Write models in the forms of other programs: ONNX."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch

from mtneuro_seg._shared.onnx_file import Sizes, write_onnx
from mtneuro_seg.model import Model
from mtneuro_seg.settings import TrainSettings

ONE_SIZE = {
    "mednext": "the exporter loses count of its sizes between the levels",
    "pspnet": "its pyramid is brought to the size of the features, which the exporter fixes",
    "swinunetr": "the exporter cannot tell how many windows of attention an image of any size has",
}
"""Networks that ONNX holds for one size only, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """An exported model."""

    sizes: Sizes
    """The sizes that it takes."""

    difference: float
    """Largest difference of onnxruntime's class scores from torch's, on random images of three sizes."""


def export_onnx(model: Model, path: str | os.PathLike[str], *, size: Sequence[int] | None = None) -> Exported:
    """Write a model as ONNX, and compare what onnxruntime computes with it.

    The input ``image`` is float32 (batch, 1, [z,] y, x): intensities on the scale of 0 to 255, over 255, less
    the model's mean, over its standard deviation, as `normalised` returns them. The output ``scores`` is
    float32 (batch, classes, [z,] y, x). The file states classes, mean and spread.

    Parameters
    ----------
    model
        A trained model.
    path
        File to write, ``.onnx``.
    size
        The one size (y, x) or (z, y, x) to export for; by default any that the network takes.

    Raises
    ------
    ValueError
        If the packages of the extra ``export`` are missing, the network does not take the size, cannot be
        exported, or answers otherwise as ONNX by more than 1e-4 of its largest score (where that is above 1).

    Examples
    --------
    >>> export_onnx(load_model("models/unet"), "unet.onnx").difference  # doctest: +SKIP
    1.9e-06
    """
    settings = model.settings
    sizes = exported_sizes(settings, size)
    network = model.network.to("cpu").eval()
    network.to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue] (torch's stub)
    difference = write_onnx(
        network,
        Path(path),
        sizes=sizes,
        output="scores",
        output_axes=("z", "y", "x")[-settings.network.axes :],
        about=_about(model),
        what=repr(settings.model),
    )
    return Exported(sizes=sizes, difference=difference)


def exported_sizes(settings: TrainSettings, size: Sequence[int] | None) -> Sizes:
    """Return the sizes to export a network for: one, or all that it takes.

    Raises
    ------
    ValueError
        If the network does not take the size; the message names the nearest that it takes.

    Examples
    --------
    >>> exported_sizes(TrainSettings(model="unet"), None)
    Sizes(smallest=(32, 32), multiple=(8, 8))
    """
    rule, axes = settings.size_rule, settings.network.axes
    if size is None and settings.model in ONE_SIZE:
        wanted = "--size Y X, size=(y, x)" if axes == 2 else "--size Z Y X, size=(z, y, x)"
        raise ValueError(
            f"{settings.model!r} can be exported for one size only, {ONE_SIZE[settings.model]}: name it "
            f"({wanted})"
        )
    if size is None:
        # An axis of one multiple would be taken for one that never changes.
        least = tuple(max(n, 2 * m) for n, m in zip((2,) * (axes - 2) + (32, 32), rule.multiple, strict=True))
        return Sizes(smallest=rule.padded(least), multiple=rule.multiple)
    given = tuple(size)
    if len(given) != axes or min(given) < 1:
        wanted = "y x" if axes == 2 else "z y x"
        raise ValueError(f"size must be {wanted} for {settings.model!r}, got {' '.join(map(str, given))}")
    if not rule.fits(given):
        nearest = " ".join(map(str, rule.padded(given)))
        raise ValueError(
            f"size must be one that {settings.model!r} takes, such as {nearest}, got "
            f"{' '.join(map(str, given))}"
        )
    return Sizes(smallest=given)


def _about(model: Model) -> dict[str, str]:
    settings = model.settings
    return {
        "mtneuro_seg": version("mtneuro-seg"),
        "model": settings.network.title,
        "class_names": json.dumps(list(model.class_names)),
        "input": "intensities from 0 to 255, divided by 255, less mean, divided by sd",
        "mean": repr(settings.mean),
        "sd": repr(settings.sd),
        **({"images": model.input.told} if model.input else {}),
    }
