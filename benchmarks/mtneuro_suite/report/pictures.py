"""Render the report's images: segmentations like the paper's Figure 3, surfaces and thumbnails."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8

from mtneuro_suite.plan.plan import Plan
from mtneuro_suite.report.figures import Picture, first_seed, svg_uri
from mtneuro_suite.report.names import class_setting, model_name, with_legend
from mtneuro_suite.runs.run import Run
from mtneuro_suite.runs.store import Store

MOST_NETWORKS = 16
MOST_SURFACES = 4
ROWS_A_NETWORK = 2
_ELEVATION = 50.0
"""From where a stack, which is flat, is looked at, in degrees above its slices."""

THUMBNAIL = 64
"""Side of a thumbnail, in pixels."""


def picture_uri(pixels: UInt8[np.ndarray, "y x *rgb"], *, quality: int = 82) -> str:
    """Return an image as a data URI in WebP: noise like tissue's is several times smaller than in PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="WEBP", quality=quality)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def thumbnail_sheet(images: Sequence[UInt8[np.ndarray, "y x"]]) -> tuple[str, int]:
    """Return one picture with every image in small, row by row, and how many stand in a row."""
    from PIL import Image

    across = max(1, int(np.ceil(len(images) ** 0.5)))
    down = -(-len(images) // across)
    sheet = np.zeros((down * THUMBNAIL, across * THUMBNAIL), np.uint8)
    for place, image in enumerate(images):
        small = Image.fromarray(image).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
        y, x = (THUMBNAIL * side for side in divmod(place, across))
        sheet[y : y + THUMBNAIL, x : x + THUMBNAIL] = np.asarray(small)
    return picture_uri(sheet, quality=70), across


@dataclass(frozen=True, slots=True)
class SegmentationRow:
    """One sample: its image, its truth and the network's predictions, a picture for each heading."""

    sample_id: str
    pictures: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class SegmentationSheet:
    """One network's samples."""

    network: str
    headings: tuple[str, ...]
    rows: tuple[SegmentationRow, ...]


def _examples(run: Run, store: Store) -> dict[str, dict[str, Any]]:
    """Return what a segmenter kept of its test samples, by their names."""
    names = store.result(run)["extra"]["class_names"]
    with np.load(store.folder(run) / "examples.npz", allow_pickle=False) as file:
        content = {key: file[key] for key in ("images", "truth", "prediction")}
        sample_id = file["sample_id"].tolist()
    return {
        name: {"names": names, **{key: values[place] for key, values in content.items()}}
        for place, name in enumerate(sample_id)
    }


def laid_over(example: dict[str, Any], key: str | None, names: Sequence[str]) -> str:
    """Return the sample with the labels under a key laid over it in all classes' colours, or as it is."""
    from mtneuro_seg import overlay

    image = example["images"]
    labels = np.zeros_like(image) if key is None else example[key]
    place = np.array([0, *(names.index(name) for name in example["names"][1:])])
    labels = place[labels]
    if image.ndim == 3:
        image, labels = image[len(image) // 2], labels[len(labels) // 2]
    shown = overlay(image, labels, class_names=names)
    return picture_uri((shown * 255).round().astype(np.uint8))


def _preferred(sample_ids: Sequence[str]) -> list[str]:
    """Return the samples to show: striatum and VP as in the paper's figure, where they are among them."""
    favourites = [name for region in ("-STR", "-VP") for name in sample_ids if region in name.split("/")[0]]
    return list(dict.fromkeys([*favourites, *sample_ids]))[:ROWS_A_NETWORK]


def segmentation_sheets(plan: Plan, store: Store) -> list[SegmentationSheet]:
    """Return image, truth and prediction of test samples: first seed, a sheet a network, as Figure 3."""
    classes = {half.name: half.classes for half in plan.inputs.segmentation}
    networks: dict[str, dict[str, dict[str, dict[str, Any]]]] = {}
    for run in first_seed(plan.microstructure, plan):
        kept = run.step.model in networks or len(networks) < MOST_NETWORKS
        if kept and store.done(run) and (store.folder(run) / "examples.npz").is_file():
            setting = classes[run.step.task]
            networks.setdefault(run.step.model, {})[setting] = _examples(run, store)
    sheets: list[SegmentationSheet] = []
    every_class = _class_names(plan)
    for model, settings in networks.items():
        # Samples that every class setting has come first; the truth is that with the most classes.
        every = [name for examples in settings.values() for name in examples]
        ordered = sorted(dict.fromkeys(every), key=lambda name: -every.count(name))
        rows: list[SegmentationRow] = []
        for name in _preferred(ordered):
            found = {setting: examples[name] for setting, examples in settings.items() if name in examples}
            fullest = max(found.values(), key=lambda example: len(example["names"]))
            predictions = [
                laid_over(found[s], "prediction", every_class) if s in found else None for s in settings
            ]
            shown = (laid_over(fullest, key, every_class) for key in (None, "truth"))
            pictures = (*shown, *predictions)
            rows.append(SegmentationRow(name, pictures))
        headings = ("image", "truth", *map(class_setting, settings))
        sheets.append(SegmentationSheet(model_name(model), headings, tuple(rows)))
    return sheets


def class_key(plan: Plan) -> list[tuple[str, str]]:
    """Return name and colour of the classes that the sheets show."""
    from mtneuro_seg import class_colours

    names = _class_names(plan)
    return list(zip(names[1:], class_colours(names), strict=True))


def _class_names(plan: Plan) -> list[str]:
    """Return the classes of all networks, the background first, so that each has one colour throughout."""
    found = dict.fromkeys(name for half in plan.inputs.segmentation for name in half.class_names[1:])
    return ["background", *found]


def surfaces(plan: Plan, store: Store) -> list[Picture]:
    """Return true and predicted structures of one region in 3D, of the first networks (Figure 3 B)."""
    halves = {half.name: half.test[0] for half in plan.inputs.segmentation}
    shown: list[Picture] = []
    for run in first_seed(plan.microstructure, plan):
        path = store.folder(run) / "volume.npz"
        if len(shown) < MOST_SURFACES and store.done(run) and path.is_file():
            from mtneuro_seg import surface_figure

            with np.load(path, allow_pickle=False) as file:
                truth, labels, region = file["truth"], file["prediction"], str(file["region"])
                size_um = file.get("voxel_size_um")
            names = store.result(run)["extra"]["class_names"]
            test = halves[run.step.task]
            # Slices that are left out between samples lie in the stack all the same.
            z, y, x = (1.0, 1.0, 1.0) if size_um is None else size_um.tolist()
            voxel = (z * max(1.0, test.z_step / test.depth), y, x)
            figure = surface_figure(
                labels, truth=truth, class_names=names, voxel_size_um=voxel, elevation=_ELEVATION
            )
            sides = " × ".join(f"{n * side:.0f}" for n, side in zip(labels.shape, voxel, strict=True))
            extent = f", {sides} µm" if size_um is not None else ""
            caption = f"{model_name(run.step.model)}, {len(names)} classes, {region}{extent}"
            shown.append(Picture(svg_uri(figure), with_legend(caption, plan)))
    return shown
