"""Score the boxes of a volume in a sweep: how unsure a model is of each, and its features of each.

Memory does not grow with the volume, but for a number, or a vector, of each box. What is done is kept in a
folder, from which an interrupted sweep goes on.
"""

import json
import shutil
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor, nn

from mtneuro_seg._shared.files import written_beside
from mtneuro_seg._shared.memory import memory_errors_named
from mtneuro_seg._shared.pixels import as_pixels
from mtneuro_seg._shared.volume_file import LazyArray
from mtneuro_seg.acquisition import UNCERTAINTIES
from mtneuro_seg.model import Model, normalised
from mtneuro_seg.settings import UncertaintyName
from mtneuro_seg.trial import class_scores
from mtneuro_seg.volume.settings import SweepSettings
from mtneuro_seg.volume.sweep import swept_scores

_UNIT = 64
"""Slices, at least, that are scored at once and kept."""

_DIGITS = 6
"""Digits behind the point of a score: the others differ between machines, and would break ties."""

_MANIFEST = "manifest.json"
_Corners = Int64[np.ndarray, "boxes 3"]
_Progress = Callable[[int, int], None]


class Ledger:
    """Arrays that a long computation has finished, kept in a folder until the whole is done.

    Parameters
    ----------
    folder
        The folder; what it holds of another computation is removed.
    about
        Everything that the arrays depend on, as a JSON value.

    Raises
    ------
    FileExistsError
        If something else stands there.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        self.folder = folder
        manifest = folder / _MANIFEST
        if folder.exists() and not manifest.is_file() and any(folder.iterdir()):
            raise FileExistsError(f"{folder} must be free for what is done so far, got something else")
        text = json.dumps(about, sort_keys=True)
        if manifest.is_file() and manifest.read_text("utf-8") != text:
            shutil.rmtree(folder)
        if not manifest.is_file():
            with written_beside(manifest) as beside:
                beside.write_text(text, "utf-8")

    def array(self, name: str, compute: Callable[[], np.ndarray]) -> np.ndarray:
        """Return the array of a name, computed and kept unless it is there."""
        path = self.folder / f"{name}.npy"
        if not path.is_file():
            found = compute()
            with written_beside(path, durable=False) as beside:
                np.save(beside, found, allow_pickle=False)
        return np.load(path, allow_pickle=False)

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder)


def units_of(corners: _Corners, depth: int) -> Iterator[slice]:
    """Yield parts of boxes that are sorted by z, each of boxes that begin within 64 slices or a depth.

    Examples
    --------
    >>> corners = np.array([[0, 0, 0], [0, 0, 4], [60, 0, 0], [64, 0, 0]])
    >>> list(units_of(corners, 4))
    [slice(0, 3, None), slice(3, 4, None)]
    """
    first = 0
    for at in range(1, len(corners) + 1):
        if at == len(corners) or corners[at, 0] - corners[first, 0] >= max(_UNIT, depth):
            yield slice(first, at)
            first = at


def box_uncertainties(
    model: Model,
    volume: LazyArray,
    corners: _Corners,
    size: Sequence[int],
    *,
    kind: UncertaintyName,
    sweep: SweepSettings,
    device: torch.device,
    ledger: Ledger,
    progress: _Progress | None = None,
) -> Float[np.ndarray, " boxes"]:
    """Return how unsure a model is of each box: the mean over its voxels, from the blended scores of a sweep.

    Parameters
    ----------
    model
        A trained model, its network on ``device`` and in evaluation mode.
    volume
        ``(z, y, x)``.
    corners, size
        The boxes: first voxels, sorted by z, and the voxels along z, y and x of every one.
    kind
        How unsure the model is of a voxel.
    sweep
        How the window slides.
    device
        Where the network is.
    ledger
        Where what is done is kept.
    progress
        Called with (boxes done, boxes in all).
    """
    found: list[np.ndarray] = []
    for unit in units_of(corners, size[0]):
        part = corners[unit]
        rows = range(int(part[0, 0]), int(part[-1, 0]) + size[0])

        def sums(part: _Corners = part, rows: range = rows) -> Float[np.ndarray, " boxes"]:
            total = np.zeros(len(part))
            scores = swept_scores(model, volume, sweep, rows=rows, device=device, divide=True)
            for z, of_slice in scores:
                unsure = UNCERTAINTIES[kind](of_slice.softmax(dim=0)).cpu().numpy()
                inside = (part[:, 0] <= z) & (z < part[:, 0] + size[0])
                total[inside] += _face_sums(unsure, part[inside, 1:], size[1:])
            return total / np.prod(size)

        found.append(ledger.array(f"{kind}-{unit.start}", sums))
        if progress is not None:
            progress(unit.stop, len(corners))
    return np.concatenate(found).round(_DIGITS)


def _face_sums(
    plane: Float32[np.ndarray, "y x"], corners: Int64[np.ndarray, "boxes 2"], size: Sequence[int]
) -> Float[np.ndarray, " boxes"]:
    """Return the sum of a plane over each box's face, by a table of summed areas."""
    table = np.zeros((plane.shape[0] + 1, plane.shape[1] + 1))
    table[1:, 1:] = plane.cumsum(axis=0, dtype=np.float64).cumsum(axis=1)
    y, x = corners.T
    height, width = size
    return table[y + height, x + width] - table[y, x + width] - table[y + height, x] + table[y, x]


def box_embeddings(
    model: Model,
    volume: LazyArray,
    corners: _Corners,
    size: Sequence[int],
    *,
    batch_size: int,
    device: torch.device,
    ledger: Ledger,
    progress: _Progress | None = None,
) -> Float32[np.ndarray, "boxes features"]:
    """Return a model's own features of each box, averaged over its voxels.

    They are what goes into the last convolution that takes more channels than there are classes: what the
    classes are told apart by, as the layer before the last is in O. Sener and S. Savarese (2018), Active
    learning for convolutional neural networks: a core-set approach, ICLR.

    Parameters
    ----------
    model
        A trained model, its network on ``device`` and in evaluation mode.
    volume
        ``(z, y, x)``.
    corners, size
        The boxes: first voxels, sorted by z, and the voxels along z, y and x of every one, a size that the
        network takes.
    batch_size
        Images, or subvolumes, in a batch.
    device
        Where the network is.
    ledger
        Where what is done is kept.
    progress
        Called with (boxes done, boxes in all).

    Raises
    ------
    ValueError
        If the network has no such layer.
    """
    pixels = as_pixels(volume, model.settings)
    found: list[np.ndarray] = []
    for unit in units_of(corners, size[0]):
        part = corners[unit]

        def vectors(part: _Corners = part) -> Float32[np.ndarray, "boxes features"]:
            embedded = [
                _embedded(model, boxes, batch_size=batch_size, device=device)
                for boxes in _cut(pixels, part, size, count=batch_size)
            ]
            return np.concatenate(embedded)

        found.append(ledger.array(f"features-{unit.start}", vectors))
        if progress is not None:
            progress(unit.stop, len(corners))
    return np.concatenate(found)


def _cut(pixels: Any, corners: _Corners, size: Sequence[int], *, count: int) -> Iterator[np.ndarray]:
    """Yield boxes of a volume, several at once; of the volume, no more than their slices is held."""
    for z in np.unique(corners[:, 0]):
        slab = np.asarray(pixels[slice(int(z), int(z) + size[0])])
        faces = corners[corners[:, 0] == z, 1:]
        for start in range(0, len(faces), count):
            places = faces[start : start + count]
            yield np.stack([slab[:, y : y + size[1], x : x + size[2]] for y, x in places])


@torch.inference_mode()
def _embedded(
    model: Model, boxes: np.ndarray, *, batch_size: int, device: torch.device
) -> Float32[np.ndarray, "boxes features"]:
    """Return the features of boxes ``(boxes, z, y, x)``."""
    flat = model.settings.network.axes == 2
    given = normalised(torch.from_numpy(np.ascontiguousarray(boxes)).to(device), model.settings)
    images = given.reshape(-1, 1, *given.shape[2:]) if flat else given[:, None]
    means: list[Tensor] = []
    with memory_errors_named("the features of boxes", remedy="lower batch_size or size"):
        for part in images.split(batch_size):
            with _last_features(model) as features:
                class_scores(model.network, part, model.settings)
                means.append(features())
    vectors = torch.cat(means)
    # The slices of a box follow one another.
    return vectors.reshape(len(boxes), -1, vectors.shape[1]).mean(dim=1).float().cpu().numpy()


@contextmanager
def _last_features(model: Model) -> Generator[Callable[[], Float[Tensor, "images channels"]]]:
    """Give what returns the mean features of each image, once the network has run."""
    held: list[Tensor] = []

    def keep(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        if given[0].shape[1] > model.settings.classes:
            held[:] = given[:1]

    layers = [layer for layer in model.network.modules() if isinstance(layer, nn.Conv2d | nn.Conv3d)]
    hooks = [layer.register_forward_pre_hook(keep) for layer in layers]

    def features() -> Float[Tensor, "images channels"]:
        if not held:
            raise ValueError(
                f"the strategy diversity needs a network with a convolution of more channels than its "
                f"{model.settings.classes} classes, got {model.settings.model!r} without; give embeddings"
            )
        return held[0].float().flatten(2).mean(dim=2)

    try:
        yield features
    finally:
        for hook in hooks:
            hook.remove()
