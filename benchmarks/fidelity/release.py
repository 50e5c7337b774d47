"""Train the models that come with the packages, each from its seed, and score them for their cards."""

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from cubes import CLASSES, CORNERS, REAL_SLICE, REGIONS, real_crops
from floors import FLOORS, Accuracy, across_sets
from mtneuro_data.phantom import PHANTOM_VERSION, Phantom
from PIL import Image
from record import written_beside
from transfer import ANIMALS, Training, labelled_pairs, levelled, phantom_slices, trained_on_phantom

from mtneuro_suite._shared.terminal import bar, command_line, run

if TYPE_CHECKING:
    from mtneuro_seg import Model
    from mtneuro_ssl import Model as Encoder
    from mtneuro_ssl import TrainSettings

app = command_line("uv run benchmarks/fidelity/release.py", version=False)

PACKAGES = Path(__file__).parents[2] / "packages"
REGISTRY = "models.json"
PIXEL_UM = 1.17
REDUCTION = 4  # of the images that the encoder sees
UNSEEN = 1000  # a phantom's seed that no training draws

Name = Literal["phantom-unet", "phantom-byol"]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a model is made, and what is said of it."""

    package: str
    about: str
    make: Callable[[Path, Progress], None]
    """Trains it, and writes its folder."""

    card: Callable[[Path, Path], str]
    """Scores what lies in its folder on the real files, and returns the text of its card."""

    @property
    def released(self) -> Path:
        """The folder of the package's models."""
        return PACKAGES / f"mtneuro-{self.package}/src/mtneuro_{self.package}/released"


@app.command
def train(name: Name, *, check: bool = False) -> Iterator[str]:
    """Train a model from its seed, and write it into its package's folder, and its digest into `models.json`.

    - `uv run benchmarks/fidelity/release.py train phantom-unet`
    - `uv run benchmarks/fidelity/release.py train phantom-byol --check`

    Parameters
    ----------
    name
        The model.
    check
        Write nothing, and say whether the model comes out as it is in the package, bit for bit. It does on
        the machine and with the PyTorch that made it.
    """
    import torch
    from mtneuro_seg import folder_digest

    # Sums over more threads have other last bits.
    torch.set_num_threads(1)
    recipe = RECIPES[name]
    registry = recipe.released / REGISTRY
    table = json.loads(registry.read_text(encoding="utf-8")) if registry.is_file() else {}
    before = table.get(name, {"version": 0, "digest": ""})
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / name
        with bar("training") as progress:
            recipe.make(folder, progress)
        digest = folder_digest(folder)
        same = digest == before["digest"]
        if check:
            if not same:
                raise ValueError(f"{name} must come out with the digest {before['digest']}, got {digest}")
            yield f"{name} comes out as it is, bit for bit: {digest}"
            return
        table[name] = {
            "version": before["version"] + (not same),
            "digest": digest,
            "about": recipe.about,
            "made_by": f"uv run benchmarks/fidelity/release.py train {name}",
        }
        recipe.released.mkdir(exist_ok=True)
        with written_beside(recipe.released / name) as beside:
            shutil.copytree(folder, beside)
        with written_beside(registry) as beside:
            beside.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")
    yield f"{name}, version {table[name]['version']}, written to {recipe.released / name}: {digest}"
    yield f"its card is written by: uv run benchmarks/fidelity/release.py card {name} --data ../shared/data"


@app.command
def card(name: Name, *, data: Path = Path("../shared/data")) -> Iterator[str]:
    """Score a model on real tissue, and write its card.

    - `uv run benchmarks/fidelity/release.py card phantom-unet --data ../shared/data`

    Parameters
    ----------
    name
        The model.
    data
        Folder of the real files.
    """
    if not (data / "prasad2020").is_dir():
        raise ValueError(f"--data must hold the real files, found no prasad2020 folder in {data}")
    recipe = RECIPES[name]
    path = recipe.released / name / "README.md"
    text = recipe.card(recipe.released / name, data)
    with written_beside(path) as beside:
        beside.write_text(text, encoding="utf-8")
    yield from (line for line in text.splitlines() if line.startswith("|"))
    yield f"card written to {path}"


# --- the network


def make_unet(folder: Path, progress: Progress) -> None:
    """Train the U-Net of the transfer's first seed, and write it in half precision."""
    from mtneuro_seg import InputSettings

    training = Training()
    made = replace(
        trained_on_phantom(training, progress),
        provenance={"phantom_version": PHANTOM_VERSION, "training": asdict(training)},
        input=InputSettings(pixel_size_um=PIXEL_UM),
    )
    replace(made, network=made.network.half()).save(folder)


def unet_card(folder: Path, data: Path) -> str:
    """Return the card of the U-Net, scored as `mtneuro-seg evaluate` does."""
    from mtneuro_seg import load_model

    model = load_model(folder)
    table = ["| F1 on | vessel | cell | axon |", "|---|---|---|---|"]
    for what, given in scored_on(data).items():
        cells = ["–" if one is None else f"{one:.2f}" for one in f1_of(model, *given)[1:]]
        table.append("| " + " | ".join((what, *cells)) + " |")
    training = Training()
    return filled_card(
        folder,
        made_of=f"{training.images} slices of {ANIMALS} phantoms",
        trained=f"{training.steps} steps of {training.batch} tiles",
        use="""\
    mtneuro-seg predict phantom-unet volume.zarr -o labels.zarr

    from mtneuro_seg import fitted, from_pretrained, swept_labels
    model = fitted(from_pretrained("phantom-unet"), volume, voxel_size_um=(1.17, 1.17, 1.17))
    labels = swept_labels(model, volume)""",
        scores=table,
        size=f"0.5 to 2 um to {PIXEL_UM} um",
        further="""\
It sees one slice at a time. In cortex it takes patches of ground for axons, 0 to 12 per cent of an image.
Look at what it finds before you count it; `mtneuro-seg suggest` and `mtneuro-seg finetune` teach it your
tissue with a few corrected boxes.""",
    )


def scored_on(data: Path) -> dict[str, tuple[np.ndarray, np.ndarray, float]]:
    """Return images, labels and the size of a pixel of everything that the network is scored on, by name."""
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


# --- the encoder


def encoder_settings() -> "TrainSettings":
    """Return how the encoder is trained: a light one, as in the preset `study`, for 1000 steps."""
    from mtneuro_ssl import TrainSettings

    return TrainSettings(
        method="byol", encoder="timm/resnet10t", steps=1000, batch_size=32, learning_rate=0.8,
        settle_batches=20, hidden=512, projection=64, seed=0, device="cpu",
    )  # fmt: skip


def reduced(image: np.ndarray) -> np.ndarray:
    """Return an image of 256 x 256 pixels as the encoder sees it: its blocks' means, brought to the level."""
    side = len(image) // REDUCTION
    return levelled(image.reshape(side, REDUCTION, side, REDUCTION).mean(axis=(1, 3)))


def trained_encoder(images: list[np.ndarray], folder: Path, progress: Progress) -> "Encoder":
    """Return the encoder that learnt from images without labels."""
    from mtneuro_ssl import InputSettings
    from mtneuro_ssl import train as train_encoder

    seen = np.stack([reduced(image) for image in images])
    made = train_encoder(seen, encoder_settings(), out=folder, progress=progress)
    made.input = InputSettings(pixel_size_um=REDUCTION * PIXEL_UM, range_um=(0.5, 8.0))
    return made


def make_encoder(folder: Path, progress: Progress) -> None:
    """Train the encoder on slices of phantoms, and write it in half precision."""
    images = [image for image, _ in phantom_slices(Training().images, seed=0)]
    with tempfile.TemporaryDirectory() as scratch:
        made: Any = trained_encoder(images, Path(scratch) / "model", progress)
    made.encoder.half()
    made.save(folder)


def encoder_card(folder: Path, data: Path) -> str:
    """Return the card of the encoder, scored by region on the real slice beside what it must beat."""
    import torch
    from mtneuro_ssl import load_model, untrained

    torch.set_num_threads(1)
    ours = load_model(folder)
    plain = untrained(encoder_settings())
    plain.input = ours.input
    with tempfile.TemporaryDirectory() as scratch, bar("training on the real slice") as progress:
        real = trained_encoder(real_tiles(data), Path(scratch) / "model", progress)
    rows = {
        "phantom-byol": _embedding(ours),
        "the same, trained without labels on the real slice, the scored tiles among it": _embedding(real),
        "the same network, untrained": _embedding(plain),
        **{name: FLOORS[name] for name in ("mean and sd", "32-bin histogram", "power spectrum")},
    }
    table = ["| features | accuracy of the region |", "|---|---|"]
    for name, features in rows.items():
        found = Accuracy.over(across_sets(real_crops(data), features, 1))
        table.append(f"| {name} | {found} |")
    settings = encoder_settings()
    return filled_card(
        folder,
        made_of=f"{Training().images} slices of {ANIMALS} phantoms",
        trained=f"{settings.steps} steps of {settings.batch_size} images at a quarter of the resolution",
        use="""\
    mtneuro-ssl embed phantom-byol images.npz -o embeddings.npz

    from mtneuro_ssl import fitted, from_pretrained
    model = fitted(from_pretrained("phantom-byol"), voxel_size_um=(1.17, 1.17, 1.17))
    embeddings = model.embed(images)""",
        scores=[
            f"The 16 cubes of the real slice z = {REAL_SLICE}, four tiles a cube: a logistic readout of each",
            "cube set scored on the three others, chance 0.25, 95 % intervals over cubes.",
            "",
            *table,
        ],
        size=f"0.5 to 8 um to {REDUCTION * PIXEL_UM:g} um",
        further="""\
Only regions of one slice were read off it. On the held-out tiles of the record `real-study`, a BYOL of the
slice's other tiles is right in 0.63 and this one in 0.56: a difference of -0.07 [-0.24, 0.10], not resolved.
This one is shipped because anybody can remake it.""",
    )


def real_tiles(data: Path) -> list[np.ndarray]:
    """Return as many tiles of the real slice as of phantoms, at random places where there is tissue."""
    Image.MAX_IMAGE_PIXELS = None  # the slice has 8 million pixels, known and wanted
    plane = np.asarray(Image.open(data / "prasad2020" / "image_z159.png"))
    rng = np.random.default_rng(0)
    tiles: list[np.ndarray] = []
    while len(tiles) < Training().images:
        y, x = (int(rng.integers(length - 256)) for length in plane.shape)
        tile = plane[y : y + 256, x : x + 256]
        if (tile == 0).mean() < 0.05:
            tiles.append(tile)
    return tiles


def _embedding(model: "Encoder") -> Callable[[np.ndarray], np.ndarray]:
    from mtneuro_ssl import fitted

    ours = fitted(model, voxel_size_um=(PIXEL_UM, PIXEL_UM))
    return lambda tiles: ours.embed(tiles).astype(np.float64)


# --- cards


def filled_card(
    folder: Path, *, made_of: str, trained: str, use: str, scores: list[str], size: str, further: str
) -> str:
    """Return a model's card: what every card says, and then its data, use, scores and limits."""
    about = (
        (folder / "README.md")
        .read_text(encoding="utf-8")
        .partition("## Data\n")[0]
        .partition("```python\n")[0]
    )
    return f"""\
{about.rstrip()}

## Data

{made_of}, version {PHANTOM_VERSION}, at and about the benchmark's cubes, each with an appearance of its own:
{trained}. No real tissue.

## Use

{use}

## Scores

{chr(10).join(scores)}

## Limits

It is for X-ray microtomography of mouse brain like the benchmark's volume; of other stains, contrasts and
species, and of electron microscopy, nothing is known. Images are resampled from pixels of {size},
and their median is brought to 128 in proportion from 0: so 0 must be as dark as an empty vessel.
{further}
"""


RECIPES: dict[Name, Recipe] = {
    "phantom-unet": Recipe(
        package="seg",
        about="2D U-Net, trained on the phantom alone: background, vessel, cell, axon at 0.5 to 2 um",
        make=make_unet,
        card=unet_card,
    ),
    "phantom-byol": Recipe(
        package="ssl",
        about="BYOL of a ResNet-10, trained on the phantom alone: 256 features of images at 0.5 to 8 um",
        make=make_encoder,
        card=encoder_card,
    ),
}

if __name__ == "__main__":
    sys.exit(run(app, sys.argv[1:], say=partial(print, flush=True)))
