"""Train a 2D U-Net on the phantom alone, and label real tissue with it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import is_zipfile

import numpy as np
from cubes import CLASSES, CORNERS, REGIONS, Crops
from mtneuro_data.phantom import Appearance, Phantom
from PIL import Image
from scipy import ndimage

if TYPE_CHECKING:
    from mtneuro_seg import Model

_TILE = 128
ANIMALS = 32
_JITTER = 64
_MEAN, _SD = 0.502, 0.118  # of tiles whose median is brought to 128
_SETTLING = 200  # batches over which the network's final statistics are taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """How the network is trained."""

    steps: int = 2500
    batch: int = 8
    rate: float = 4e-3
    filters: int = 16
    images: int = 1200
    axon_weight: float = 2.0
    """How much more an axon's voxel counts than another: on real tissue they are fainter to the network."""
    seed: int = 0


def levelled(tile: np.ndarray, contrast: float = 1.0, offset: float = 0.0) -> np.ndarray:
    """Return a tile as uint8 with its median at 128, in proportion from 0, the grey level of an empty lumen.

    The labelled tiles were stretched one by one, each from an empty lumen at 0, so that only ratios to the
    background's level can be learned.
    """
    level = tile.astype(np.float32)
    level /= max(float(np.median(level)), 1.0)
    return np.clip(np.rint(128 + offset + 128 * contrast * (level - 1)), 0, 255).astype(np.uint8)


def phantom_slices(count: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return slices of 256 x 256 voxels and their labels, about the 16 cubes of several phantoms.

    Each slice has an appearance of its own, so that no single strength of texture or contrast is learned.
    """
    rng = np.random.default_rng(seed)
    slices: list[tuple[np.ndarray, np.ndarray]] = []
    while len(slices) < count:
        y, x = np.array(CORNERS[REGIONS[len(slices) % 4]][rng.integers(4)]) + rng.integers(
            -_JITTER, _JITTER, 2
        )
        z = int(rng.integers(110, 470))
        look = Appearance(
            texture=rng.uniform(0.93, 1.07), contrast=rng.uniform(0.85, 1.1), halo=rng.uniform(0.6, 1.6)
        )
        animal = Phantom("image", seed=int(rng.integers(ANIMALS)), appearance=look)
        box = animal.read_all((z, int(y), int(x)), (z + 1, int(y) + 256, int(x) + 256))
        if box["roi_labels"].all():
            slices.append((box["image"][0], box["pixel_labels"][0]))
    return slices


def _varied(image: np.ndarray, label: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return a tile cut from a slice at a random place, scale, position, sharpness and contrast."""
    side = int(rng.integers(112, 145))
    y, x = rng.integers(256 - side, size=2)
    tile, mask = image[y : y + side, x : x + side], label[y : y + side, x : x + side]
    if side != _TILE:
        index = ((np.arange(_TILE) + 0.5) * side / _TILE).astype(int)
        tile = np.asarray(Image.fromarray(tile).resize((_TILE, _TILE), Image.Resampling.BILINEAR))
        mask = mask[np.ix_(index, index)]
    tile = tile.astype(np.float32)
    if rng.random() < 0.05:
        tile[:, rng.integers(_TILE)] = (
            0  # a dead column, rarer in the phantom than a small training set needs
        )
    if rng.random() < 0.3:
        tile = ndimage.gaussian_filter(tile, rng.uniform(0.3, 0.7))
    if rng.random() < 0.3:
        tile += rng.normal(0, rng.uniform(1, 5), tile.shape)
    if rng.random() < 0.3:
        tile = 255 * (np.clip(tile, 0, 255) / 255) ** rng.uniform(0.93, 1.08)
    turns, flipped = int(rng.integers(4)), rng.random() < 0.5
    tile, mask = np.rot90(tile, turns), np.rot90(mask, turns)
    if flipped:
        tile, mask = tile[:, ::-1], mask[:, ::-1]
    return levelled(tile, rng.uniform(0.92, 1.1), rng.uniform(-13, 13)), mask


def _batches(
    slices: list[tuple[np.ndarray, np.ndarray]], training: Training
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield a batch of tiles and their masks for every step."""
    rng = np.random.default_rng([training.seed, 1])
    for _ in range(training.steps):
        picked = rng.integers(len(slices), size=training.batch)
        chosen = [_varied(image, label, rng) for image, label in (slices[number] for number in picked)]
        yield np.stack([tile for tile, _ in chosen]), np.stack([mask for _, mask in chosen])


def trained_on_phantom(training: Training, progress: Callable[[int, int], None]) -> "Model":
    """Return the plain 2D U-Net, trained on the phantom alone with a rate that rises and falls to nothing."""
    import torch
    from mtneuro_seg import Model, TrainSettings, build_network, normalised

    settings = TrainSettings(
        model="unet", classes=4, filters=training.filters, encoder_weights=None, steps=training.steps,
        batch_size=training.batch, learning_rate=training.rate, seed=training.seed,
        mean=_MEAN, sd=_SD,
    )  # fmt: skip
    network = build_network(settings).to(memory_format=torch.channels_last)
    network.train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=training.rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, training.rate, total_steps=training.steps, pct_start=0.1
    )
    weight = torch.tensor([1.0, 1.0, 1.0, training.axon_weight])
    slices = phantom_slices(training.images, training.seed)
    for step, (tiles, masks) in enumerate(_batches(slices, training)):
        images = normalised(torch.from_numpy(tiles)[:, None], settings)
        found = network(images.contiguous(memory_format=torch.channels_last))
        wanted = torch.from_numpy(masks).long()
        loss = torch.nn.functional.cross_entropy(found, wanted, weight=weight)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        progress(step + 1, training.steps)
    # The last few batches alone would decide what is bright, and so how much of a tile is taken for axons.
    settling = _batches(slices, replace(training, steps=_SETTLING))
    images = (normalised(torch.from_numpy(tiles)[:, None], settings) for tiles, _ in settling)
    torch.optim.swa_utils.update_bn(images, network)
    network.eval()
    return Model(network=network, settings=settings, class_names=CLASSES)


def labelled_pairs(path: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return the names, images and labels of a file of pairs, ``NAME_image`` and ``NAME_label``.

    Raises
    ------
    ValueError
        If there is no such file, or it is no ``.npz`` of such pairs, all of one size, with labels of 0 to 3.
    """
    if not path.is_file():
        raise ValueError(f"found no file {path}")
    if not is_zipfile(path):
        raise ValueError(f"{path} must be an .npz file of NAME_image and NAME_label")
    pairs = dict(np.load(path))
    names = sorted(key.removesuffix("_image") for key in pairs if key.endswith("_image"))
    if not names or any(f"{name}_label" not in pairs for name in names):
        raise ValueError(f"{path} must hold NAME_image and NAME_label, holds {', '.join(sorted(pairs))}")
    shapes = {pairs[f"{name}_{part}"].shape for name in names for part in ("image", "label")}
    if len(shapes) > 1 or any(len(shape) != 2 for shape in shapes):
        raise ValueError(f"{path} must hold planes of one size, holds {sorted(shapes)}")
    labels = np.stack([pairs[f"{name}_label"] for name in names])
    if labels.min() < 0 or labels.max() >= len(CLASSES):
        raise ValueError(f"{path} must hold labels 0 to 3, holds {labels.min()} to {labels.max()}")
    return names, np.stack([levelled(pairs[f"{name}_image"]) for name in names]), labels.astype(np.uint8)


def other_scanner(data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return slices of another cortex, brought from 0.65 to 1.17 um, and their labels (no axons)."""
    cutout = np.load(data / "dyer2017" / "v2.npz")
    index = ((np.arange(111) + 0.5) * 1.17 / 0.65).astype(int)
    images, masks = [], []
    for z in range(4, 100, 12):
        plane = Image.fromarray(np.rint(cutout["image"][z : z + 2].mean(axis=0)).astype(np.uint8))
        small = np.asarray(plane.resize((111, 111), Image.Resampling.BOX))
        images.append(levelled(small))
        masks.append(cutout["label"][z][np.ix_(index, index)].astype(np.uint8))
    return np.stack(images), np.stack(masks)


def read_from_all_sides(model: "Model", images: np.ndarray) -> np.ndarray:
    """Return the labels of square tiles by the mean probability over their eight turns and reflections."""
    import torch
    from mtneuro_seg import normalised

    total = np.zeros((len(images), len(CLASSES), *images.shape[1:]), dtype=np.float32)
    for turns in range(4):
        for flipped in (False, True):
            view = np.rot90(images[:, :, ::-1] if flipped else images, turns, axes=(1, 2))
            with torch.inference_mode():
                scaled = normalised(torch.from_numpy(view.copy())[:, None], model.settings)
                found = model.network(scaled).softmax(dim=1).numpy()
            found = np.rot90(found, -turns, axes=(2, 3))
            total += found[..., ::-1] if flipped else found
    return total.argmax(axis=1).astype(np.uint8)


def found_labels(model: "Model", crops: Crops) -> Crops:
    """Return what the network finds in each cube, read tile by tile as the labelled ones are."""
    places = [(y, x) for y in (0, _TILE) for x in (0, _TILE)]
    found: Crops = {}
    for name, crop in crops.items():
        tiles = np.stack([levelled(crop[y : y + _TILE, x : x + _TILE]) for y, x in places])
        found[name] = np.zeros_like(crop)
        for (y, x), labels in zip(places, read_from_all_sides(model, tiles), strict=True):
            found[name][y : y + _TILE, x : x + _TILE] = labels
    return found
