"""The folder that a person annotates: each box as an image with the model's labels to start from.

Written once, and never written again: what a person changes in it is theirs.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from mtneuro_seg._shared.bounds import check_file
from mtneuro_seg._shared.digests import array_digest, file_digest
from mtneuro_seg._shared.files import disk_errors_named, written_beside
from mtneuro_seg._shared.volume_file import opened_archive
from mtneuro_seg.annotation.boxes import TABLE, Box, Suggestion, write_boxes
from mtneuro_seg.annotation.settings import SuggestSettings
from mtneuro_seg.colours import class_rgb
from mtneuro_seg.model import Model, weights_digest
from mtneuro_seg.nifti import write_nifti
from mtneuro_seg.volume.store import Layout, create_labels, write_labels

UNKNOWN = 255
"""The label of a voxel that a person leaves open: it counts neither in the loss nor in the scores."""

ABOUT = "suggestions.json"
_PREDICTIONS = "predictions.npz"
_KIND, _VERSION = "mtneuro-seg suggestions", 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The volume that boxes are cut from."""

    name: str
    """What it is called."""

    voxel_size_um: tuple[float, float, float] | None
    """Edges of a voxel ``(z, y, x)``, where they are known."""


def check_suggestions_path(folder: Path, *, replace: bool) -> None:
    """Raise unless suggestions can be written to a folder without losing what is a person's.

    Raises
    ------
    FileExistsError
        If something is there, and it is not to be replaced, is no folder of suggestions, or holds a file that
        was changed or added since it was written.
    """
    if not folder.exists() and not folder.is_symlink():
        return
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if not replace:
        raise FileExistsError(
            f"suggestions must be written to a new place, got {folder}, which is there already; "
            "--force (replace=True) replaces it while nobody has changed it"
        )
    kept = f"{folder} must be new or untouched suggestions, got"
    mend = "which is not replaced; choose another name, or remove it first"
    if not (folder / ABOUT).is_file():
        raise FileExistsError(f"{kept} something else, {mend}")
    written = _about(folder)["files"]
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() or name == ABOUT:
            continue
        if name not in written or file_digest(path) != written[name]:
            raise FileExistsError(f"{kept} {name} changed or added since, {mend}")


def write_suggestions(
    folder: Path,
    suggestions: Sequence[Suggestion],
    *,
    images: Sequence[np.ndarray],
    predictions: Sequence[UInt8[np.ndarray, "z y x"]],
    model: Model,
    source: Source,
    settings: SuggestSettings,
    replace: bool,
) -> None:
    """Write the folder that a person annotates, whole or not at all.

    Parameters
    ----------
    folder
        The folder to write.
    suggestions
        The boxes, the first one first.
    images, predictions
        The voxels of each, and the model's labels of them.
    model
        Whose labels they are.
    source
        The volume that they were cut from.
    settings
        What they were chosen by.
    replace
        Whether earlier suggestions that nobody has changed are replaced.

    Raises
    ------
    FileExistsError
        As `check_suggestions_path`.
    """
    check_suggestions_path(folder, replace=replace)
    with disk_errors_named(folder), written_beside(folder) as beside:
        beside.mkdir()
        write_boxes(beside / TABLE, suggestions)
        for each, image, labels in zip(suggestions, images, predictions, strict=True):
            _write_box(beside / "boxes" / each.box.name, each.box, image, labels, model=model, source=source)
        held: dict[str, Any] = {
            each.box.name: labels for each, labels in zip(suggestions, predictions, strict=True)
        }
        np.savez_compressed(beside / _PREDICTIONS, **held)
        (beside / "labels.txt").write_text(_descriptions(model.class_names), "utf-8")
        (beside / "README.md").write_text(_guide(model.class_names), "utf-8")
        about = {
            "format_version": _VERSION,
            "kind": _KIND,
            "model": {"name": model.settings.model, "weights": weights_digest(model)},
            "class_names": list(model.class_names),
            "source": asdict(source),
            "settings": settings.model_dump(mode="json"),
            "boxes": [
                {
                    **asdict(each.box),
                    "score": None if np.isnan(each.score) else each.score,
                    "image_type": image.dtype.name,
                    "image": array_digest(image),
                }
                for each, image in zip(suggestions, images, strict=True)
            ],
            "files": {
                path.relative_to(beside).as_posix(): file_digest(path)
                for path in sorted(beside.rglob("*"))
                if path.is_file()
            },
            "versions": {"mtneuro-seg": version("mtneuro-seg")},
        }
        (beside / ABOUT).write_text(json.dumps(about, indent=1) + "\n", "utf-8")


def _write_box(
    folder: Path, box: Box, image: np.ndarray, labels: np.ndarray, *, model: Model, source: Source
) -> None:
    folder.mkdir(parents=True)
    place: dict[str, Any] = {"voxel_size_um": source.voxel_size_um, "lower": box.lower}
    write_nifti(folder / "image.nii.gz", image, **place)
    write_nifti(folder / "labels.nii.gz", labels, **place)
    layout = Layout(shard_depth=box.shape[0], class_names=model.class_names, **place)
    _write_image(folder / "image.ome.zarr", image, layout)
    create_labels(folder / "labels.ome.zarr", box.shape, ome=True, layout=layout)
    write_labels(folder / "labels.ome.zarr", labels, start=0)


def _write_image(path: Path, image: np.ndarray, layout: Layout) -> None:
    import zarr

    group = zarr.open_group(path, mode="w", zarr_format=3)
    held = image.astype(np.float32) if image.dtype == np.float16 else image
    group.create_array("0", data=held, dimension_names=("z", "y", "x"))
    group.attrs["ome"] = layout.group("image", [layout.edges])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Suggested:
    """A box of a folder of suggestions as it was written."""

    box: Box
    """Where it lies."""

    prediction: UInt8[np.ndarray, "z y x"]
    """The model's labels."""

    image_type: str
    """Type of its voxels."""

    image_digest: str
    """What names its voxels."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Suggestions:
    """What a folder of suggestions says of itself."""

    folder: Path
    """Where it stands."""

    class_names: tuple[str, ...]
    """Names of the labels, background first."""

    voxel_size_um: tuple[float, float, float] | None
    """Edges of a voxel ``(z, y, x)``, where they are known."""

    boxes: tuple[Suggested, ...]
    """Its boxes, the first suggestion first."""


def read_suggestions(folder: Path) -> Suggestions:
    """Return what a folder of suggestions was when it was written.

    Raises
    ------
    FileNotFoundError
        If there is no such folder, or it lacks a file.
    ValueError
        If a file is damaged or of another version.
    """
    about = _about(folder)
    path = folder / _PREDICTIONS
    if not path.is_file():
        raise FileNotFoundError(f"suggestions must hold {_PREDICTIONS}, found none in {folder}")
    try:
        rows = [(_box(row), str(row["image_type"]), str(row["image"])) for row in about["boxes"]]
        edges = about["source"]["voxel_size_um"]
        voxel_size_um = None if edges is None else (float(edges[0]), float(edges[1]), float(edges[2]))
        class_names = tuple(map(str, about["class_names"]))
    except (KeyError, TypeError, IndexError, ValueError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"{folder / ABOUT} must describe suggestions: {reason}") from None
    with opened_archive(path) as held:
        boxes = tuple(
            Suggested(box=box, prediction=held[box.name], image_type=kind, image_digest=name)
            for box, kind, name in rows
        )
    return Suggestions(folder=folder, class_names=class_names, voxel_size_um=voxel_size_um, boxes=boxes)


def _box(row: Mapping[str, Any]) -> Box:
    (z0, y0, x0), (z1, y1, x1) = (map(int, row[end]) for end in ("lower", "upper"))
    return Box(lower=(z0, y0, x0), upper=(z1, y1, x1))


def _about(folder: Path) -> dict[str, Any]:
    path = folder / ABOUT
    if not path.is_file():
        raise FileNotFoundError(
            f"a folder of suggestions must hold {ABOUT}, found none in {folder}; `mtneuro-seg suggest` makes "
            "one"
        )
    check_file(path)
    try:
        about = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} must be JSON: {error}") from None
    found = about if isinstance(about, dict) else {}
    kind, number = found.get("kind"), found.get("format_version")
    if (kind, number) != (_KIND, _VERSION) or not isinstance(found.get("files"), dict):
        raise ValueError(
            f"{path} must be of kind {_KIND!r} and format_version {_VERSION}, "
            f"got kind {kind!r} and format_version {number!r}"
        )
    return found


def _descriptions(class_names: Sequence[str]) -> str:
    """Return names and colours of the labels as ITK-SNAP reads them."""
    colours = [(0, 0, 0), *class_rgb(class_names), (128, 128, 128)]
    names = ["Clear Label", *class_names[1:], "not known"]
    values = [*range(len(class_names)), UNKNOWN]
    lines = ["# ITK-SnAP Label Description File: index, red, green, blue, opacity, visible, in 3D, name"]
    for value, (red, green, blue), name in zip(values, colours, names, strict=True):
        shown = int(value > 0)
        lines.append(f'{value:5}{red:6}{green:5}{blue:5}{shown:9}{shown:3}{shown:3}    "{name}"')
    return "\n".join(lines) + "\n"


def _guide(class_names: Sequence[str]) -> str:
    """Return how a person goes on, as the folder's README."""
    values = "\n".join(f"- {value}: {name}" for value, name in enumerate(class_names))
    return f"""# Boxes to annotate

`boxes.csv` lists the boxes, the one to begin with first. In `boxes/`, each has a folder with its image and
the model's labels to start from. Correct the labels and save them in that folder, under a name that begins
with `labels`. One corrected file a box:

- ITK-SNAP: `itksnap -g image.nii.gz -s labels.nii.gz -l ../../labels.txt`, then save the segmentation as
  `labels.nii.gz`.
- napari: `napari --plugin napari-ome-zarr image.ome.zarr labels.ome.zarr`, then save the layer of labels as
  `labels.tif` (which mtneuro-data reads).

Labels are

{values}
- {UNKNOWN}: not known; such voxels are not learnt from

A box whose labels you did not change is left out, unless you say that it is right as it is (`--accept`). To
leave a box out, leave it as it is, or remove its folder. Then go on with

    mtneuro-seg finetune MODEL THIS-FOLDER -o NEW-MODEL
"""
