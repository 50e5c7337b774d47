"""Suggest the boxes of a volume that a person should annotate next."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace as changed
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, Real

from mtneuro_seg._shared.digests import array_digest
from mtneuro_seg._shared.kinds import check_type
from mtneuro_seg._shared.volume_file import LazyArray, opened_archive
from mtneuro_seg.acquisition import farthest_apart, highest_apart, overlapping
from mtneuro_seg.annotation.boxes import Box, Suggestion, box_grid
from mtneuro_seg.annotation.folder import Source, check_suggestions_path, write_suggestions
from mtneuro_seg.annotation.scoring import Ledger, box_embeddings, box_uncertainties
from mtneuro_seg.annotation.settings import SuggestSettings
from mtneuro_seg.inference import place_network
from mtneuro_seg.model import Model, weights_digest
from mtneuro_seg.volume.half_precision import check_half_precision
from mtneuro_seg.volume.job import check_volume
from mtneuro_seg.volume.predict import swept_labels
from mtneuro_seg.volume.settings import SweepSettings
from mtneuro_seg.volume.sweep import window_of

_Corners = Int64[np.ndarray, "boxes 3"]
_Progress = Callable[[int, int], None]
Embeddings = tuple[_Corners, Real[np.ndarray, "boxes features"]]
"""First voxels ``(z, y, x)`` of boxes, and a vector of each."""


def suggest(
    model: Model,
    volume: LazyArray,
    *,
    out: str | os.PathLike[str],
    settings: SuggestSettings | None = None,
    sweep: SweepSettings | None = None,
    annotated: Sequence[Box] = (),
    embeddings: Embeddings | None = None,
    voxel_size_um: tuple[float, float, float] | None = None,
    source_name: str = "",
    lower: tuple[int, int, int] = (0, 0, 0),
    replace: bool = False,
    device: str | None = None,
    progress: _Progress | None = None,
) -> tuple[Suggestion, ...]:
    """Choose boxes of a volume for a person to annotate, and write a folder with them.

    The volume is cut into boxes of one size, which do not overlap. Those that share a voxel with an
    annotated box are left out. Of equal boxes, the earlier one in the order z, y, x is taken. Memory does not
    grow with the volume, but for a number, or a vector, of each box. What is scored is kept in
    ``<out>.partial``, from which the same call goes on.

    Parameters
    ----------
    model
        A trained model, 2D or 3D.
    volume
        ``(z, y, x)``, of the type that the model was trained on.
    out
        The folder to write: ``boxes.csv``, and a folder a box with the image and the model's labels.
    settings
        How many boxes, how large, and by what.
    sweep
        How the window slides by which the model's probabilities and labels are made.
    annotated
        Boxes that have labels, in the coordinates of the whole volume.
    embeddings
        Vectors for the strategy ``diversity``, in place of the model's own features: those of any encoder.
        Their boxes, in the coordinates of the whole volume, are then the ones to choose from.
    voxel_size_um
        Voxel size ``(z, y, x)`` in micrometres, which the images state.
    source_name
        What the volume is called.
    lower
        First voxel ``(z, y, x)`` of the volume in the larger one that it was cut from.
    replace
        Whether earlier suggestions in ``out``, that nobody has changed, are replaced.
    device
        ``"cpu"``, ``"cuda"`` or ``"mps"``; by default where the network is.
    progress
        Called with (boxes scored, boxes in all).

    Returns
    -------
    suggestions
        The boxes, the first one first.

    Raises
    ------
    ValueError
        If the volume, the size or the embeddings do not fit, or fewer boxes are left than are asked for.
    FileExistsError
        If something stands in ``out`` that is not to be replaced.
    """
    check_type(model, Model, "model", mend=", as load_model(folder) returns it")
    settings, sweep = settings or SuggestSettings(), sweep or SweepSettings()
    folder = Path(out)
    check_suggestions_path(folder, replace=replace)
    check_volume(volume, model.settings)
    size = _box_size(model, settings, sweep)
    if embeddings is not None and "diversity" not in settings.strategy:
        raise ValueError(f"embeddings are for a strategy with diversity, got {settings.strategy!r}")
    corners, vectors = _candidates(volume, size, embeddings, lower=lower)
    taken = _taken(corners, size, annotated, lower=lower)
    most = len(highest_apart(np.zeros(len(corners))[~taken], corners[~taken], size, count=settings.boxes))
    if most < settings.boxes:
        beside = f" beside the {int(taken.sum())} that overlap annotated ones" if taken.any() else ""
        raise ValueError(
            f"boxes must be at most {most}, as many of {size} as the volume {tuple(volume.shape)} has"
            f"{beside}, got {settings.boxes}; take fewer or smaller boxes"
        )
    place = place_network(model, device)
    check_half_precision(model, volume, sweep=sweep, device=place)
    about = {
        "weights": weights_digest(model),
        "sweep": sweep.model_dump(mode="json"),
        "size": size,
        "shape": list(volume.shape),
        "first_slice": array_digest(np.asarray(volume[0:1])),
        "corners": array_digest(corners),
        "taken": array_digest(taken),
        "threads": torch.get_num_threads(),
        "versions": {name: version(name) for name in ("torch", "mtneuro-seg")},
    }
    ledger = Ledger(folder.with_name(f"{folder.name}.partial"), about)

    def unsure(some: _Corners) -> Float[np.ndarray, " boxes"]:
        return box_uncertainties(
            model,
            volume,
            some,
            size,
            kind=settings.uncertainty,
            sweep=sweep,
            device=place,
            ledger=ledger,
            progress=progress,
        )

    def own_features() -> Real[np.ndarray, "boxes features"]:
        return box_embeddings(
            model,
            volume,
            corners,
            size,
            batch_size=sweep.batch_size,
            device=place,
            ledger=ledger,
            progress=progress,
        )

    chosen, scores = _chosen(
        settings, corners, size, taken, vectors, unsure=unsure, own_features=own_features
    )
    local = [_box(corners[box], size) for box in chosen]
    suggestions = tuple(
        Suggestion(box=_moved(box, lower), score=score, strategy=settings.strategy)
        for box, score in zip(local, scores, strict=True)
    )
    if len(suggestions) < settings.boxes:
        raise ValueError(
            f"boxes must not overlap, got room for {len(suggestions)} of {settings.boxes} by "
            f"{settings.strategy!r}; take fewer or smaller boxes"
        )
    write_suggestions(
        folder,
        suggestions,
        images=[np.asarray(volume[_slices(box)]) for box in local],
        predictions=[_predicted(model, volume, box, sweep, device=device) for box in local],
        model=model,
        source=Source(name=source_name, voxel_size_um=voxel_size_um),
        settings=settings.model_copy(update={"size": size}),
        replace=replace,
    )
    ledger.remove()
    return suggestions


def read_embeddings(path: Path) -> Embeddings:
    """Return the boxes and vectors of an ``.npz`` file: ``lower (n, 3)`` and ``embeddings (n, features)``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it lacks one of the two, or they do not fit together.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file of embeddings at {path}; check the path")
    with opened_archive(path, what="a file of boxes and their embeddings") as held:
        found = held["lower"], held["embeddings"]
    return _checked(*found, name=str(path))


def _checked(corners: np.ndarray, vectors: np.ndarray, *, name: str) -> Embeddings:
    if corners.dtype.kind not in "ui" or corners.ndim != 2 or corners.shape[1] != 3:
        raise ValueError(
            f"lower of {name} must be the first voxel (z, y, x) of each box, whole numbers (n, 3), got "
            f"{corners.dtype} {corners.shape}"
        )
    if vectors.dtype.kind not in "uif" or vectors.ndim != 2 or len(vectors) != len(corners):
        raise ValueError(
            f"embeddings of {name} must be numbers ({len(corners)}, features), one row a box, got "
            f"{vectors.dtype} {vectors.shape}"
        )
    if not np.isfinite(vectors).all():
        raise ValueError(f"embeddings of {name} must be finite, got nan or inf")
    return corners.astype(np.int64), vectors


def _box_size(model: Model, settings: SuggestSettings, sweep: SweepSettings) -> tuple[int, int, int]:
    """Return the size of a box, which the model's network can be trained on."""
    asked = settings.size
    if asked is None:
        z, y, x = window_of(model, sweep.model_copy(update={"window": None}))
    else:
        z, y, x = (1,) * (3 - len(asked)) + asked
    window_of(model, sweep)
    axes, rule = model.settings.network.axes, model.settings.size_rule
    inside = (z, y, x)[-axes:]
    if not rule.fits(inside):
        near = sorted({rule.trimmed(inside), rule.padded(inside)})
        raise ValueError(
            f"size must be one that {model.settings.model!r} can be trained on, got {(z, y, x)}; "
            f"the nearest: {' or '.join(map(str, near))}"
        )
    return z, y, x


def _candidates(
    volume: LazyArray,
    size: tuple[int, int, int],
    embeddings: Embeddings | None,
    *,
    lower: tuple[int, int, int],
) -> tuple[_Corners, Real[np.ndarray, "boxes features"] | None]:
    """Return the boxes to choose from, in the order z, y, x of the volume at hand, and their vectors."""
    grid = box_grid(volume.shape, size)
    if embeddings is None:
        return grid, None
    corners, vectors = _checked(*map(np.asarray, embeddings), name="the boxes")
    corners = corners - np.asarray(lower)
    inside = ((corners >= 0) & (corners + np.asarray(size) <= np.asarray(volume.shape))).all(axis=1)
    if not inside.all():
        at = int(np.flatnonzero(~inside)[0])
        raise ValueError(
            f"boxes of {size} that embeddings are given for must lie within the volume {tuple(volume.shape)} "
            f"at {tuple(lower)}, got one at {tuple(int(each) for each in corners[at] + np.asarray(lower))}"
        )
    order = np.lexsort(corners.T[::-1])
    return corners[order], vectors[order]


def _taken(
    corners: _Corners, size: Sequence[int], annotated: Sequence[Box], *, lower: Sequence[int]
) -> Bool[np.ndarray, " boxes"]:
    """Return which boxes share a voxel with an annotated one."""
    taken = np.zeros(len(corners), bool)
    for box in annotated:
        first, last = (np.subtract(end, lower) for end in (box.lower, box.upper))
        taken |= overlapping(corners, size, lower=first.tolist(), upper=last.tolist())
    return taken


def _chosen(
    settings: SuggestSettings,
    corners: _Corners,
    size: Sequence[int],
    taken: Bool[np.ndarray, " boxes"],
    vectors: Real[np.ndarray, "boxes features"] | None,
    *,
    unsure: Callable[[_Corners], Float[np.ndarray, " boxes"]],
    own_features: Callable[[], Real[np.ndarray, "boxes features"]],
) -> tuple[list[int], list[float]]:
    """Return the boxes that a strategy takes, the first one first, and each one's score."""
    free = np.flatnonzero(~taken)
    count = settings.boxes
    if settings.strategy == "random":
        drawn = np.random.default_rng(settings.seed).random(len(free))
        picked = highest_apart(drawn, corners[free], size, count=count)
        return [int(free[each]) for each in picked], [float("nan")] * len(picked)
    shortlist = ~taken
    if "uncertainty" in settings.strategy:
        scores = unsure(corners[free])
        if settings.strategy == "uncertainty":
            picked = highest_apart(scores, corners[free], size, count=count)
            return [int(free[each]) for each in picked], [float(scores[each]) for each in picked]
        least_sure = np.argsort(-scores, kind="stable")[: count * settings.shortlist]
        shortlist = np.zeros(len(corners), bool)
        shortlist[free[least_sure]] = True
    found = own_features() if vectors is None else vectors
    centres = np.flatnonzero(taken).tolist()
    return farthest_apart(found, corners, size, count=count, centres=centres, free=shortlist)


def _box(corner: Int64[np.ndarray, " 3"], size: Sequence[int]) -> Box:
    z, y, x = (int(at) for at in corner)
    return Box(lower=(z, y, x), upper=(z + size[0], y + size[1], x + size[2]))


def _moved(box: Box, by: Sequence[int]) -> Box:
    (z0, y0, x0), (z1, y1, x1), (dz, dy, dx) = box.lower, box.upper, by
    return changed(box, lower=(z0 + dz, y0 + dy, x0 + dx), upper=(z1 + dz, y1 + dy, x1 + dx))


def _slices(box: Box) -> tuple[slice, ...]:
    return tuple(slice(first, last) for first, last in zip(box.lower, box.upper, strict=True))


def _predicted(
    model: Model, volume: LazyArray, box: Box, sweep: SweepSettings, *, device: str | None
) -> np.ndarray:
    """Return the model's labels of a box, seen with what lies around it."""
    window = window_of(model, sweep)
    margins = [0 if edge == 1 else edge // 2 for edge in window]
    first = [max(at - margin, 0) for at, margin in zip(box.lower, margins, strict=True)]
    last = [
        min(at + margin, length) for at, margin, length in zip(box.upper, margins, volume.shape, strict=True)
    ]
    around = np.asarray(volume[tuple(slice(*ends) for ends in zip(first, last, strict=True))])
    labels = swept_labels(model, around, sweep=sweep, device=device)
    return labels[_slices(_moved(box, [-at for at in first]))]
