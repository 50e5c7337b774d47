"""Embed the images of an export with NumPy alone: copy this file, and put your own model in its place.

mtneuro run --export-images images
python benchmarks/examples/numpy_embeddings.py images mine.npz
mtneuro run --embeddings mine.npz
"""

import csv
import sys
from pathlib import Path

import numpy as np

LEVELS = 6


def embedded(image: np.ndarray) -> np.ndarray:
    """Return mean, spread and histogram of an image ``(y, x)`` or of a subvolume ``(z, y, x)``."""
    histogram, _ = np.histogram(image, bins=LEVELS, range=(0, 256))
    return np.array([image.mean(), image.std(), *histogram / image.size], dtype=np.float32)


def main(folder: str, output: str) -> None:
    """Write the embeddings of the images in an export's folder."""
    with Path(folder, "index.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    stacks = {name: np.load(Path(folder, name), mmap_mode="r") for name in {line["file"] for line in lines}}
    embeddings = np.stack([embedded(stacks[line["file"]][int(line["row"])]) for line in lines])
    np.savez(output, embeddings=embeddings, sample_id=np.array([line["id"] for line in lines]))


if __name__ == "__main__":
    main(*sys.argv[1:])
