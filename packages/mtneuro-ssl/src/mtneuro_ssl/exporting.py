"""Write encoders in the form of other programs: ONNX."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch

from mtneuro_ssl._shared.onnx_file import Sizes, write_onnx
from mtneuro_ssl.encoders import named
from mtneuro_ssl.model import Model, NetworkModel
from mtneuro_ssl.registry import ENCODERS
from mtneuro_ssl.settings import TrainSettings

_FOREIGN = 32
"""What sizes are multiples of for an encoder that is not this package's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """An exported encoder."""

    sizes: Sizes
    """The sizes that it takes."""

    difference: float
    """Largest difference of onnxruntime's features from torch's, on random images of three sizes."""


def export_onnx(model: Model, path: str | os.PathLike[str], *, size: Sequence[int] | None = None) -> Exported:
    """Write a model's encoder as ONNX, and compare what onnxruntime computes with it.

    The input ``image`` is float32 (batch, 1, [z,] y, x): intensities on the scale of 0 to 255, over 255, less
    the model's mean, over its standard deviation. The output ``features`` is float32 (batch, features). The
    file states mean and spread.

    Parameters
    ----------
    model
        A model of images or subvolumes with an encoder.
    path
        File to write, ``.onnx``.
    size
        The one size (y, x) or (z, y, x) to export for; by default any, or for a ``vit`` any of whole patches,
        or the ``image_size`` of the settings.

    Raises
    ------
    ValueError
        If the packages of the extra ``export`` are missing, the model has no encoder of images, the encoder
        cannot be exported, or answers otherwise as ONNX by more than 1e-4 of its largest feature (where that
        is above 1).

    Examples
    --------
    >>> export_onnx(load_model("byol"), "byol.onnx").difference  # doctest: +SKIP
    9.5e-07
    """
    settings = model.settings
    if not isinstance(model, NetworkModel):
        raise ValueError(f"an export needs an encoder, and {settings.method!r} has none")
    if model.vector_width is not None:
        raise ValueError(f"an export needs an encoder of images, and {named(settings)} takes none")
    sizes = exported_sizes(settings, size)
    encoder = model.encoder.to("cpu").eval()
    encoder.to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue] (torch's stub)
    about = {
        "mtneuro_ssl": version("mtneuro-ssl"),
        "method": settings.method,
        "encoder": settings.encoder if ":" not in settings.encoder else "own",
        "classes": json.dumps(list(model.classes or ())),
        "input": "intensities from 0 to 255, divided by 255, less mean, divided by sd",
        "mean": repr(settings.mean),
        "sd": repr(settings.sd),
        **({"images": model.input.told} if model.input else {}),
    }
    try:
        difference = write_onnx(
            encoder, Path(path), sizes=sizes, output="features", about=about, what=named(settings)
        )
    finally:
        encoder.to(model.device)
    return Exported(sizes=sizes, difference=difference)


def exported_sizes(settings: TrainSettings, size: Sequence[int] | None) -> Sizes:
    """Return the sizes to export an encoder for: one, or all that it takes.

    Raises
    ------
    ValueError
        If the size has another number of axes.

    Examples
    --------
    >>> exported_sizes(TrainSettings(encoder="vit"), None)
    Sizes(smallest=(64, 64), multiple=(8, 8))
    >>> exported_sizes(TrainSettings(), (48, 48))
    Sizes(smallest=(48, 48), multiple=None)
    """
    axes, depth = 2 if settings.depth is None else 3, settings.depth
    if size is not None:
        if len(size) != axes or min(size) < 1:
            wanted = "y x" if axes == 2 else "z y x"
            raise ValueError(f"size must be {wanted} for this encoder, got {' '.join(map(str, size))}")
        return Sizes(smallest=tuple(size))
    if settings.image_size is not None:
        return Sizes(smallest=(*(() if depth is None else (depth,)), *settings.image_size))
    if settings.encoder == "vit":
        multiple = settings.vit.patch_size(axes)
    else:
        multiple = (1 if settings.encoder in ENCODERS else _FOREIGN,) * axes
    least = 64 if axes == 2 else 32
    return Sizes(smallest=(*((8,) if axes == 3 else ()), least, least), multiple=multiple)
