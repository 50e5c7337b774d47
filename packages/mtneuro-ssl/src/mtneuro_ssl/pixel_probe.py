"""Probes of pixels: what a head finds of the class of every pixel in the feature maps of a frozen encoder."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Integer, UInt8
from torch import nn

from mtneuro_ssl._shared.kinds import check_type
from mtneuro_ssl._shared.masked import check_unmasked
from mtneuro_ssl._shared.model_folder import (
    CARD,
    CONFIG,
    HISTORY,
    WEIGHTS,
    read_config,
    read_weights,
    weights_errors_named,
    write_model,
)
from mtneuro_ssl.model import Model, NetworkModel
from mtneuro_ssl.pixel_heads import (
    Decoder,
    fitted_decoder,
    fitted_linear_head,
    held_maps,
    linear_head,
    upsampled,
)
from mtneuro_ssl.probe_settings import PixelProbeSettings
from mtneuro_ssl.types import Progress, Samples, Volume

log = logging.getLogger(__name__)

KIND = "pixel probe"
FORMAT_VERSION = 1
"""Version of the probe's folder."""

NO_CLASS = 255
"""What stands for an unlabelled pixel once the classes of the masks are counted."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PixelProbe:
    """A frozen model, and a head that was fitted to its feature maps and the classes of pixels."""

    model: NetworkModel
    """The model, which is left as it is."""

    settings: PixelProbeSettings
    head: nn.Module
    class_names: tuple[str, ...]
    """Name of each class, in the order of the masks' values."""

    seen: tuple[int, ...]
    """Classes that the masks hold: no other is ever predicted."""

    image_size: tuple[int, int]
    """Height and width of the images that it was fitted to."""

    converged: bool = True
    """Whether a regression reached its optimum within the iterations allowed."""

    losses: tuple[float, ...] = ()
    """What was minimised, after each iteration or step of the fit."""

    def predict(
        self, images: Samples | Volume, *, batch_size: int = 16, progress: Progress | None = None
    ) -> UInt8[np.ndarray, "n y x"]:
        """Return the most probable class of every pixel.

        Parameters
        ----------
        images
            As for `Model.embed`, of any size that the encoder takes.
        batch_size
            Images at a time.
        progress
            Called with the number of images done and of all.

        Raises
        ------
        ValueError
            As `Model.embed` does.
        """
        labels = np.empty(images.shape, np.uint8)
        values = torch.tensor(self.seen, dtype=torch.uint8, device=self.model.device)
        done = 0
        for scores in self._scores(images, batch_size, progress):
            labels[done : done + len(scores)] = values[scores.argmax(dim=1)].cpu().numpy()
            done += len(scores)
        return labels

    def probabilities(
        self, images: Samples | Volume, *, batch_size: int = 16, progress: Progress | None = None
    ) -> Float32[np.ndarray, "n classes y x"]:
        """Return the probability of each class in every pixel; 0 for one that the masks did not hold.

        Its parameters and errors are those of `predict`.
        """
        count, *size = images.shape
        found = np.zeros((count, len(self.class_names), *size), np.float32)
        done = 0
        for scores in self._scores(images, batch_size, progress):
            found[done : done + len(scores), list(self.seen)] = scores.softmax(dim=1).cpu().numpy()
            done += len(scores)
        return found

    def _scores(self, images: Samples | Volume, batch_size: int, progress: Progress | None):
        size = (images.shape[-2], images.shape[-1])
        for maps in self.model.feature_maps(images, batch_size=batch_size, progress=progress):
            with torch.inference_mode():
                scores = upsampled(self.head(maps), size)
            yield scores

    def save(self, folder: Path | str) -> None:
        """Write the probe's folder, whole or not at all, in place of a probe that is there.

        It holds ``model.safetensors``, the head alone, ``config.json`` and ``history.csv``; the model has a
        folder of its own.

        Raises
        ------
        FileExistsError
            If the folder holds anything but a probe.
        """
        folder = Path(folder)
        check_place(folder)
        config = {
            "format_version": FORMAT_VERSION,
            "kind": KIND,
            "settings": self.settings.model_dump(),
            "class_names": self.class_names,
            "seen": self.seen,
            "image_size": self.image_size,
            "features": _features_of(self.head),
            "converged": self.converged,
            "weights_of_model": self.model.fingerprint(),
            "mtneuro_ssl": version("mtneuro-ssl"),
        }
        history = "step,loss\n" + "".join(
            f"{step},{loss!r}\n" for step, loss in enumerate(self.losses, start=1)
        )
        texts = {CARD: self._card(), HISTORY: history}
        write_model(folder, weights=self.head.state_dict(), config=config, texts=texts)

    def _card(self) -> str:
        settings = self.model.settings
        lines = [
            "---",
            "library_name: mtneuro-ssl",
            "---",
            f"# {self.settings.head} probe of pixels: {', '.join(self.class_names)}",
            "",
            f"Made by mtneuro-ssl {version('mtneuro-ssl')}, on frozen features: method `{settings.method}`,",
            f"encoder `{settings.encoder}`. The model has a folder of its own.",
            "",
            "```python",
            "from mtneuro_ssl import load_model, load_pixel_probe",
            "",
            'labels = load_pixel_probe("this folder", load_model("the model\'s folder")).predict(images)',
            "```",
        ]
        return "\n".join(lines) + "\n"


def fit_pixel_probe(
    model: Model,
    images: Samples | Volume,
    masks: Integer[np.ndarray, "n y x"],
    settings: PixelProbeSettings | None = None,
    *,
    class_names: Sequence[str] | None = None,
    batch_size: int = 16,
    progress: Progress | None = None,
) -> PixelProbe:
    """Return a head that reads the class of every pixel off a model's feature maps; the model stays as it is.

    Parameters
    ----------
    model
        A model of images with a network.
    images
        As for `Model.embed`, ``(n, y, x)``.
    masks
        Class of each pixel, from 0, and ``settings.ignore_label`` where it is not known.
    settings
        What head, and how it is fitted; the default is a logistic regression.
    class_names
        Names of the classes; by default their numbers, up to the highest in the masks.
    batch_size
        Images at a time that are turned into feature maps, all of which are then held in memory.
    progress
        Called with the amount of work done and the whole amount: images, then the fit's.

    Raises
    ------
    TypeError
        If the model or the settings are something else.
    ValueError
        If the model has no feature maps, images and masks do not fit, the masks hold a value that is no
        class, or fewer than two classes, or the maps are more than the memory at hand.

    Notes
    -----
    A linear probe of each pixel, and a light decoder beside it, is how frozen features are compared in
    segmentation: M. Oquab et al., "DINOv2: Learning robust visual features without supervision", TMLR 2024.
    """
    check_type(model, Model, "model", mend=", as load_model(folder) returns it")
    settings = settings or PixelProbeSettings()
    check_type(settings, PixelProbeSettings, "settings")
    network = _with_maps(model)
    _check_masks(images, masks)
    names = _class_names(masks, class_names, settings)
    seen = tuple(int(value) for value in np.unique(masks) if value != settings.ignore_label)
    if len(seen) < 2:
        held = f"{names[seen[0]]!r} only" if seen else "none"
        raise ValueError(f"masks must hold pixels of at least 2 classes, got {held}")
    place = np.full(256, NO_CLASS, np.uint8)
    place[list(seen)] = np.arange(len(seen))
    batches = network.feature_maps(images, batch_size=batch_size, progress=progress)
    maps = held_maps(batches, count=images.shape[0])
    fit = fitted_linear_head if settings.head == "linear" else fitted_decoder
    fitted = fit(maps, place[masks], classes=len(seen), settings=settings, progress=progress)
    if not fitted.converged:
        log.warning(
            "the linear probe did not converge in max_iter=%d iterations; raise max_iter, or lower C",
            settings.max_iter,
        )
    return PixelProbe(
        model=network,
        settings=settings,
        head=fitted.head,
        class_names=names,
        seen=seen,
        image_size=(images.shape[1], images.shape[2]),
        converged=fitted.converged,
        losses=fitted.losses,
    )


def load_pixel_probe(folder: Path | str, model: Model) -> PixelProbe:
    """Return the probe in a folder, of the model that it was fitted to; nothing in it is executed.

    Parameters
    ----------
    folder
        A folder that `PixelProbe.save` wrote.
    model
        The model, as `load_model` returns it.

    Raises
    ------
    FileNotFoundError
        If the folder or one of its files is missing.
    ValueError
        If it is no probe of a known format, or is of another model.
    """
    folder = Path(folder)
    check_type(model, Model, "model", mend=", as load_model(folder) returns it")
    config = read_config(folder, kinds=(KIND,), format_version=FORMAT_VERSION)
    network = _with_maps(model)
    if config["weights_of_model"] != network.fingerprint():
        raise ValueError(f"{folder} must be a probe of this model, got that of one with other weights")
    settings = PixelProbeSettings.model_validate(config["settings"])
    classes = len(config["seen"])
    head: nn.Module = (
        linear_head(config["features"], classes)
        if settings.head == "linear"
        else Decoder(config["features"], classes, filters=settings.filters)
    )
    weights = read_weights(folder)
    with weights_errors_named(folder / WEIGHTS):
        head.load_state_dict(weights)
    height, width = config["image_size"]
    return PixelProbe(
        model=network,
        settings=settings,
        head=head.to(network.device).eval(),
        class_names=tuple(config["class_names"]),
        seen=tuple(config["seen"]),
        image_size=(height, width),
        converged=config["converged"],
    )


def check_place(folder: Path) -> None:
    """Raise where a folder holds a model, whose weights a probe's would replace.

    Raises
    ------
    FileExistsError
        Naming the folder.
    """
    try:
        kind = json.loads((folder / CONFIG).read_text("utf-8"))["kind"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    if kind != KIND:
        raise FileExistsError(
            f"a probe must be written to a new folder or one that holds a probe, got {folder}, which holds a "
            "model: choose another name"
        )


def _with_maps(model: Model) -> NetworkModel:
    """Return the model, or raise where it has no network of images."""
    if not isinstance(model, NetworkModel) or model.vector_width is not None:
        what = "vectors" if model.vector_width is not None else f"method {model.settings.method!r}"
        raise ValueError(f"a probe of pixels needs a model of images with a network, got one of {what}")
    if model.settings.depth is not None:
        raise ValueError(
            "a probe of pixels needs a model of images, got one of subvolumes of "
            f"{model.settings.depth} slices"
        )
    return model


def _check_masks(images: Any, masks: Any) -> None:
    check_unmasked(masks, "masks", fill="ignore_label")
    shape, kind = getattr(masks, "shape", ()), getattr(masks, "dtype", np.dtype(object))
    if shape != tuple(images.shape) or kind.kind not in "iub":
        raise ValueError(
            f"masks must be integers of the images' shape {tuple(images.shape)}, got {kind} of shape {shape}"
        )
    if masks.size and not 0 <= masks.min() <= masks.max() <= NO_CLASS:
        raise ValueError(f"masks must hold classes from 0 to 254, got {masks.min()} to {masks.max()}")


def _class_names(
    masks: Integer[np.ndarray, "n y x"], given: Sequence[str] | None, settings: PixelProbeSettings
) -> tuple[str, ...]:
    known = masks[masks != settings.ignore_label]
    highest = int(known.max()) if len(known) else -1
    if highest == NO_CLASS:
        raise ValueError("masks must hold classes from 0 to 254, got 255, which ignore_label does not name")
    if given is None:
        return tuple(str(value) for value in range(highest + 1))
    if highest >= len(given):
        raise ValueError(
            f"class_names must name class {highest}, got {len(given)} names; set ignore_label={highest} if "
            "it means unlabelled"
        )
    return tuple(given)


def _features_of(head: nn.Module) -> int:
    return next(head.parameters()).shape[1]
