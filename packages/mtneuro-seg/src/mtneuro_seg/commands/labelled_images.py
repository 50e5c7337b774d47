"""Labelled images as the commands are given them: in one file or in two."""

from pathlib import Path
from typing import Any


def labels_of(images: Path, labels: Path | None) -> Any:
    """Return the labels of a file of images, from a file of their own or from the same."""
    from mtneuro_seg.volumes import load_volume

    if labels is None and images.suffix != ".npz":
        raise ValueError(
            f"LABELS must be given when IMAGES is no .npz with masks in it, got {str(images)!r} alone"
        )
    return load_volume(labels or images, key="masks").array


def groups_of(images: Path, count: int) -> Any:
    """Return which region each image is from, where the file says it."""
    from mtneuro_seg.volumes import load_region

    region = load_region(images) if images.suffix == ".npz" else None
    return region if region is not None and len(region) == count else None
