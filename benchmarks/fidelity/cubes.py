"""Crop the benchmark's 16 cubes from the real slice and from the phantom."""

from functools import cache
from pathlib import Path

import numpy as np
from mtneuro_data.phantom import Phantom
from PIL import Image

REGIONS = ("CTX", "STR", "VP", "ZI")
SETS = ("A", "B", "C", "D")
CLASSES = ("background", "vessel", "cell", "axon")
# Corners (y, x) of the 256 x 256 cubes, by region in the order of the sets (paper, tables A1 and A2).
CORNERS = {
    "CTX": ((900, 4600), (388, 5312), (644, 5056), (400, 4600)),
    "STR": ((500, 3700), (912, 3828), (400, 3344), (244, 3800)),
    "VP": ((850, 3063), (850, 2551), (950, 2151), (694, 2295)),
    "ZI": ((650, 1543), (906, 1287), (906, 1031), (650, 1799)),
}
# Per cent of the four classes in the dense annotation, which is of set A (paper, 3.3.2 and appendix 4.2.3).
PROPORTIONS = {
    "CTX": (93.0, 2.33, 4.64, 0.0),
    "STR": (72.63, 2.5, 5.66, 19.22),
    "VP": (22.75, 4.73, 5.73, 66.8),
    "ZI": (32.15, 5.4, 9.41, 53.04),
}
REAL_SLICE = 159

Crops = dict[tuple[str, str], np.ndarray]


@cache
def real_crops(data: Path) -> Crops:
    """Return the 16 cubes' crops of the published slice."""
    Image.MAX_IMAGE_PIXELS = None  # the slice has 8 million pixels, known and wanted
    plane = np.asarray(Image.open(data / "prasad2020" / "image_z159.png"))
    return {
        (region, name): plane[y : y + 256, x : x + 256]
        for region in REGIONS
        for name, (y, x) in zip(SETS, CORNERS[region], strict=True)
    }


@cache
def phantom_crops(seed: int, z: int, channel: str = "image") -> Crops:
    """Return the same crops of a phantom; both are computed once, and not to be written to."""
    phantom = Phantom(channel, seed=seed)
    return {
        (region, name): phantom.read((z, y, x), (z + 1, y + 256, x + 256))[0]
        for region in REGIONS
        for name, (y, x) in zip(SETS, CORNERS[region], strict=True)
    }
