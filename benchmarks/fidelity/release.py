"""Train the models that come with the packages, each from its seed, and score them for their cards."""

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from cubes import CLASSES, CORNERS, REGIONS
from mtneuro_data.phantom import PHANTOM_VERSION, Phantom
from record import written_beside
from transfer import ANIMALS, Training, labelled_pairs, trained_on_phantom

from mtneuro_suite._shared.terminal import bar, command_line, run

if TYPE_CHECKING:
    from mtneuro_seg import Model

app = command_line("uv run benchmarks/fidelity/release.py", version=False)

RELEASED = Path(__file__).parents[2] / "packages/mtneuro-seg/src/mtneuro_seg/released"
REGISTRY = "models.json"
PIXEL_UM = 1.17
UNSEEN = 1000  # a phantom's seed that no training draws

Name = Literal["phantom-unet"]
ABOUT: dict[Name, str] = {
    "phantom-unet": "2D U-Net, trained on the phantom alone: background, vessel, cell, axon at 0.5 to 2 um",
}


@app.command
def train(name: Name, *, check: bool = False) -> Iterator[str]:
    """Train a model from its seed, and write it into its package's folder, and its digest into `models.json`.

    - `uv run benchmarks/fidelity/release.py train phantom-unet`
    - `uv run benchmarks/fidelity/release.py train phantom-unet --check`

    Parameters
    ----------
    name
        The model.
    check
        Write nothing, and say whether the model comes out as it is in the package, bit for bit. It does on
        the machine and with the PyTorch that made it.
    """
    from mtneuro_seg import folder_digest

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / name
        with bar("training") as progress:
            made = trained(progress)
        replace(made, network=made.network.half()).save(folder)
        digest = folder_digest(folder)
        table = json.loads((RELEASED / REGISTRY).read_text(encoding="utf-8")) if RELEASED.is_dir() else {}
        before = table.get(name, {"version": 0, "digest": ""})
        same = digest == before["digest"]
        if check:
            if not same:
                raise ValueError(f"{name} must come out with the digest {before['digest']}, got {digest}")
            yield f"{name} comes out as it is, bit for bit: {digest}"
            return
        table[name] = {
            "version": before["version"] + (not same),
            "digest": digest,
            "about": ABOUT[name],
            "made_by": f"uv run benchmarks/fidelity/release.py train {name}",
        }
        RELEASED.mkdir(exist_ok=True)
        with written_beside(RELEASED / name) as beside:
            shutil.copytree(folder, beside)
        with written_beside(RELEASED / REGISTRY) as beside:
            beside.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")
    yield f"{name}, version {table[name]['version']}, written to {RELEASED / name}: {digest}"
    yield f"its card is written by: uv run benchmarks/fidelity/release.py card {name} --data ../shared/data"


def trained(progress: Callable[[int, int], None]) -> "Model":
    """Return the U-Net of the transfer's first seed, and what images it takes."""
    import torch
    from mtneuro_seg import InputSettings

    # Sums over more threads have other last bits.
    torch.set_num_threads(1)
    training = Training()
    return replace(
        trained_on_phantom(training, progress),
        provenance={"phantom_version": PHANTOM_VERSION, "training": asdict(training)},
        input=InputSettings(pixel_size_um=PIXEL_UM),
    )


@app.command
def card(name: Name, *, data: Path = Path("../shared/data")) -> Iterator[str]:
    """Score a model as `mtneuro-seg evaluate` does, and write its card.

    - `uv run benchmarks/fidelity/release.py card phantom-unet --data ../shared/data`

    Parameters
    ----------
    name
        The model.
    data
        Folder of the real files.
    """
    from mtneuro_seg import load_model

    if not (data / "prasad2020").is_dir():
        raise ValueError(f"--data must hold the real files, found no prasad2020 folder in {data}")
    folder = RELEASED / name
    model = load_model(folder)
    rows = {
        what: f1_of(model, images, labels, pixel_um)
        for what, (images, labels, pixel_um) in scored_on(data).items()
    }
    table = ["| F1 on | vessel | cell | axon |", "|---|---|---|---|"]
    for what, found in rows.items():
        cells = ["–" if one is None else f"{one:.2f}" for one in found[1:]]
        table.append("| " + " | ".join((what, *cells)) + " |")
    text = filled_card((folder / "README.md").read_text(encoding="utf-8"), name, table)
    with written_beside(folder / "README.md") as beside:
        beside.write_text(text, encoding="utf-8")
    yield from table
    yield f"card written to {folder / 'README.md'}"


def scored_on(data: Path) -> dict[str, tuple[np.ndarray, np.ndarray, float]]:
    """Return images, labels and the size of a pixel of everything that the model is scored on, by name."""
    _, tiles, labels = labelled_pairs(data / "prasad2020" / "image_label_pairs_128.npz")
    cutout = np.load(data / "dyer2017" / "v2.npz")
    planes = slice(4, 100, 12)
    return {
        "the phantom: its 16 cubes at z = 300, an animal not seen in training": (*_of_phantom(), PIXEL_UM),
        "four development tiles of the benchmark's volume (CTX, STR, VP, ZI), 1.17 um": (
            tiles, labels, PIXEL_UM,
        ),
        "another mouse's cortex (dyer2017), 0.65 um; vessels incompletely annotated, no axons": (
            np.rint(cutout["image"][planes]).astype(np.uint8), cutout["label"][planes].astype(np.uint8), 0.65,
        ),
    }  # fmt: skip


def _of_phantom() -> tuple[np.ndarray, np.ndarray]:
    corners = [corner for region in REGIONS for corner in CORNERS[region]]
    boxes = [Phantom("image", seed=UNSEEN).read_all((300, y, x), (301, y + 256, x + 256)) for y, x in corners]
    return np.stack([box["image"][0] for box in boxes]), np.stack([box["pixel_labels"][0] for box in boxes])


def f1_of(model: "Model", images: np.ndarray, labels: np.ndarray, pixel_um: float) -> list[float | None]:
    """Return the F1 of each class, as `mtneuro-seg evaluate` gives it; None where a class is nowhere."""
    from mtneuro_seg import confusion_matrix, fitted, predict, scores

    ours = fitted(model, images, voxel_size_um=(pixel_um, pixel_um), each_image=True)
    confusion = confusion_matrix(labels, predict(ours, images), classes=len(CLASSES))
    found, counts = scores(confusion), np.bincount(labels.ravel(), minlength=len(CLASSES))
    return [float(one) if count else None for one, count in zip(found.f1, counts, strict=True)]


def filled_card(text: str, name: str, table: list[str]) -> str:
    """Return a model's card with what is its own: data, use, scores and limits."""
    about, _, _ = text.partition("## Data\n")
    training = Training()
    return f"""\
{about}## Data

{training.images} slices of {ANIMALS} phantoms, version {PHANTOM_VERSION}, at and about the benchmark's cubes,
each with an appearance of its own: {training.steps} steps of {training.batch} tiles. No real tissue.

## Use

    mtneuro-seg predict {name} volume.zarr -o labels.zarr

    from mtneuro_seg import fitted, from_pretrained, swept_labels
    model = fitted(from_pretrained("{name}"), volume, voxel_size_um=(1.17, 1.17, 1.17))
    labels = swept_labels(model, volume)

## Scores

{chr(10).join(table)}

## Limits

It is for X-ray microtomography of mouse brain like the benchmark's volume; of other stains, contrasts and
species, and of electron microscopy, nothing is known. Images are resampled from pixels of 0.5 to 2 um to
{PIXEL_UM} um, and their median is brought to 128 in proportion from 0: so 0 must be as dark as an empty
vessel. It sees one slice at a time. Look at what it finds before you count it; `mtneuro-seg suggest` and
`mtneuro-seg finetune` teach it your tissue with a few corrected boxes.
"""


if __name__ == "__main__":
    sys.exit(run(app, sys.argv[1:], say=partial(print, flush=True)))
