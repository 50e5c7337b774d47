"""A sheet of real and phantom tiles in random order, for somebody who does not know which is which."""

from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from cubes import REAL_SLICE, REGIONS, SETS, phantom_crops, real_crops
from PIL import Image

REAL = "real"
_SIDE = 128
_SCALE = 3
_COLUMNS = 6
_GAP = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """Where a tile of the sheet is from."""

    source: str
    """`REAL`, or the phantom's seed."""
    region: str
    cube_set: str
    y: int
    x: int
    turns: int
    """Quarter turns, so that nobody knows a tile by its place."""


def drawn_tiles(seed: int, count: int) -> list[Tile]:
    """Return tiles, half of them real, as many of each region, in random order; the order says nothing."""
    rng = np.random.default_rng([seed, 7])
    tiles = []
    order = {
        key: rng.permutation(SETS) for key in product((False, True), REGIONS)
    }  # no cube twice before its turn
    for number in range(count):
        animal, real = int(rng.integers(4)), number % 2 == 1
        region = REGIONS[number // 2 % len(REGIONS)]
        tiles.append(
            Tile(
                source=REAL if real else str(animal),
                region=region,
                cube_set=str(order[real, region][number // 8 % len(SETS)]),
                y=int(rng.integers(256 - _SIDE)),
                x=int(rng.integers(256 - _SIDE)),
                turns=int(rng.integers(4)),
            )
        )
    return [tiles[number] for number in rng.permutation(count)]


def blind_sheet(tiles: list[Tile], data: Path) -> np.ndarray:
    """Return the picture of the tiles, in rows."""
    size = _SIDE * _SCALE + _GAP
    height, width = (count * size - _GAP for count in (-(-len(tiles) // _COLUMNS), _COLUMNS))
    sheet = np.full((height, width), 255, dtype=np.uint8)
    for number, tile in enumerate(tiles):
        crops = real_crops(data) if tile.source == REAL else phantom_crops(int(tile.source), REAL_SLICE)
        whole = crops[tile.region, tile.cube_set]
        part = np.rot90(whole[tile.y : tile.y + _SIDE, tile.x : tile.x + _SIDE], tile.turns)
        large = Image.fromarray(part).resize((_SIDE * _SCALE, _SIDE * _SCALE), Image.Resampling.BICUBIC)
        y, x = (place * size for place in divmod(number, _COLUMNS))
        sheet[y : y + size - _GAP, x : x + size - _GAP] = np.asarray(large)
    return sheet
