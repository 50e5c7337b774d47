"""Measure images: grey levels and texture, and structures."""

from typing import cast

import numpy as np
from cubes import CLASSES
from scipy import ndimage

UM = 1.17


# --- grey levels and texture


def _background(crop: np.ndarray) -> np.ndarray:
    """Return the crop with everything far from its local median replaced by that median, mean removed."""
    flat = crop.astype(np.float64)
    local = ndimage.median_filter(flat, 31, mode="reflect")
    rest = flat - local
    spread = 1.4826 * np.median(np.abs(rest))
    return np.where(np.abs(rest) < 3 * spread, rest, 0.0)


def texture(crop: np.ndarray) -> dict[str, float]:
    """Return a crop's grey-level statistics, background texture, autocorrelation and spectrum."""
    figures = {"mean": float(crop.mean()), "sd": float(crop.std())}
    for percent in (1, 5, 25, 50, 75, 95, 99):
        figures[f"p{percent}"] = float(np.percentile(crop, percent))
    ground = _background(crop)
    figures["texture sd"] = float(ground.std())
    variance = float((ground * ground).mean())
    for lag in (1, 2, 3, 5, 10):
        figures[f"acf x {lag}"] = float((ground[:, lag:] * ground[:, :-lag]).mean()) / variance
        figures[f"acf y {lag}"] = float((ground[lag:] * ground[:-lag]).mean()) / variance
    window = np.outer(np.hanning(256), np.hanning(256))
    power = np.abs(np.fft.fft2(ground * window)) ** 2 / (window * window).sum()
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(256), np.fft.fftfreq(256), indexing="ij"))
    for low, high in (
        (0.01, 0.03),
        (0.03, 0.06),
        (0.06, 0.1),
        (0.1, 0.15),
        (0.15, 0.2),
        (0.2, 0.3),
        (0.3, 0.5),
    ):
        ring = (frequency >= low) & (frequency < high)
        figures[f"log10 power {low}-{high}"] = float(np.log10(power[ring].mean()))
    figures["structure: dark share"] = float((crop < 0.72 * np.median(crop)).mean())
    dark = ndimage.gaussian_filter(crop.astype(float), 1) < 0.72 * np.median(crop)
    figures["structure: dark spots"] = float(_labelled(dark)[1])
    return figures


# --- structures


def _labelled(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the 8-connected components of a mask, numbered from 1, and how many there are."""
    return cast("tuple[np.ndarray, int]", ndimage.label(mask, np.ones((3, 3))))


def class_shares(labels: np.ndarray) -> list[float]:
    """Return how many per cent of the voxels are of each class."""
    return (100 * np.bincount(labels.ravel(), minlength=len(CLASSES)) / labels.size).tolist()


def objects_f1(labels: np.ndarray, found: np.ndarray, number: int) -> float:
    """Return the F1 of whole objects of a class, over planes: how generous an outline is hardly changes it.

    An object counts if half of it lies in one of the other side's, or half of that one in it.
    """
    matched = np.zeros(2)
    total = np.zeros(2)
    for plane, seen in zip(labels == number, found == number, strict=True):
        (first, count), (second, other) = _labelled(plane), _labelled(seen)
        shared = np.zeros((count + 1, other + 1))
        np.add.at(shared, (first.ravel(), second.ravel()), 1)
        areas = shared.sum(axis=1, keepdims=True), shared.sum(axis=0, keepdims=True)
        same = (2 * shared >= np.minimum(*areas))[1:, 1:]
        matched += same.any(axis=1).sum(), same.any(axis=0).sum()
        total += count, other
    recall, precision = matched / np.maximum(total, 1)
    return float(2 * recall * precision / max(recall + precision, 1e-9))


def structures(labels: np.ndarray) -> dict[str, float]:
    """Return counts, sizes and distances of the cells and vessel sections of one labelled 256 x 256 image."""
    figures: dict[str, float] = {}
    for number, name in ((2, "cell"), (1, "vessel")):
        marked, count = _labelled(labels == number)
        index = np.arange(1, count + 1)
        area = ndimage.sum_labels(labels == number, marked, index)
        keep = area >= 4
        figures[f"{name}s an image"] = float(keep.sum())
        if keep.sum() < 3:
            continue
        figures[f"{name} diameter um"] = float(np.median(2 * np.sqrt(area[keep] / np.pi))) * UM
        if name == "cell":
            place = np.array(ndimage.center_of_mass(labels == number, marked, index[keep]))
            gap = np.hypot(*(place[:, None] - place).transpose(2, 0, 1))
            np.fill_diagonal(gap, np.inf)
            figures["cell neighbour um"] = float(np.median(gap.min(axis=1))) * UM
        else:
            inscribed = ndimage.maximum(ndimage.distance_transform_edt(labels == number), marked, index[keep])
            figures["vessel width um"] = float(np.median(2 * np.asarray(inscribed) - 1)) * UM
            long = [_elongation(np.argwhere(marked == one)) for one in index[keep & (area >= 8)]]
            figures["vessel elongation"] = float(np.median(long))
    return figures


def _elongation(pixels: np.ndarray) -> float:
    """Return the ratio of the long to the short axis of the pixels' ellipse of inertia."""
    spread = np.linalg.eigvalsh(np.cov(pixels.T) + np.eye(2) / 12)
    return float(np.sqrt(spread[1] / spread[0]))


def mean_of(rows: list[dict[str, float]]) -> dict[str, float]:
    """Return the mean of each figure over those that have it."""
    keys = dict.fromkeys(key for row in rows for key in row)
    return {key: float(np.mean([row[key] for row in rows if key in row])) for key in keys}
