"""Compare the phantom with real slices: the same measurements of both, side by side."""

import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, astuple, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import numpy as np
import pandas as pd
from blind import blind_sheet, drawn_tiles
from cubes import CLASSES, CORNERS, PROPORTIONS, REAL_SLICE, REGIONS, SETS, phantom_crops, real_crops
from cyclopts import Parameter, validators
from floors import DOWNSAMPLE, FLOORS, PROTOCOLS, Accuracy, across_sets, protocol
from measures import (
    class_shares,
    mean_of,
    objects_f1,
    structures,
    texture,
)
from mtneuro_data.phantom import Phantom
from mtneuro_probe import FEATURES
from PIL import Image
from record import earlier_record, mean_and_spread, write_record
from transfer import (
    Training,
    found_labels,
    labelled_pairs,
    other_scanner,
    read_from_all_sides,
    trained_on_phantom,
)
from variety import (
    histograms,
    human_tables,
    phantom_tables,
    region_alone,
    region_alone_interval,
    variation,
)

from mtneuro_suite._shared.files import written_beside
from mtneuro_suite._shared.terminal import command_line, run

if TYPE_CHECKING:
    from mtneuro_seg import Model

app = command_line("uv run benchmarks/fidelity/phantom.py", version=False)

Part = Literal["statistics", "difficulty", "variety", "sheet", "turing", "transfer"]
Count = Annotated[int, Parameter(validator=validators.Number(gte=1))]
USUAL = Training()


def statistics(data: Path, seed: int) -> dict[str, Any]:
    """Print and return the comparison of grey levels, texture and structures."""
    real, ours = real_crops(data), phantom_crops(seed, REAL_SLICE)
    human = np.load(data / "prasad2020" / "human_labels.npz")
    label = Phantom("pixel_labels", seed=seed)
    result: dict[str, Any] = {}
    for region in REGIONS:
        pair = [mean_of([texture(crops[region, name]) for name in SETS]) for crops in (real, ours)]
        print(f"\n{region:<28}{'real':>9}{'phantom':>9}")
        for key in pair[0]:
            print(f"  {key:<26}{pair[0][key]:9.2f}{pair[1][key]:9.2f}")
        result[region] = {"real": pair[0], "phantom": pair[1]}
        dense = [
            label.read((z, y, x), (z + 1, y + 256, x + 256))[0]
            for y, x in CORNERS[region]
            for z in range(111, 470, 19)
        ]
        share = class_shares(np.stack(dense))
        print("  per cent, paper's dense annotation and phantom")
        for name, theirs, mine in zip(CLASSES, PROPORTIONS[region], share, strict=True):
            print(f"  {name:<26}{theirs:9.2f}{mine:9.2f}")
        result[region]["proportions"] = dict(zip(CLASSES, share, strict=True))
        counted = mean_of([structures(one) for one in dense[::5]])
        annotated = mean_of([structures(one) for one in human[region]]) if region in human else {}
        print("  structures: human labels of set A (tighter outlines), phantom's labels")
        for key, value in counted.items():
            print(f"  {key:<26}{annotated.get(key, float('nan')):9.2f}{value:9.2f}")
        result[region]["structures"] = {"human": annotated, "phantom": counted}
    return result


# --- difficulty


def difficulty(data: Path, seed: int, animals: int) -> dict[str, Any]:
    """Print and return how well each floor tells the regions apart, real and phantom."""
    result: dict[str, Any] = {}
    for factor in (DOWNSAMPLE, DOWNSAMPLE // 2):
        title = f"z={REAL_SLICE}, 1/{factor} resolution, set to set"
        print(f"\n{title:<40}{'real':>20}{'phantom':>20}")
        rows = result[title] = {}
        for name, features in FLOORS.items():
            real = Accuracy.over(across_sets(real_crops(data), features, factor))
            crops = [phantom_crops(seed + animal, REAL_SLICE) for animal in range(animals)]
            ours = Accuracy.over(np.concatenate([across_sets(one, features, factor) for one in crops]))
            rows[name] = {"real": astuple(real), "phantom": astuple(ours), "met": real.holds(ours)}
            print(f"{name:<40}{real!s:>20}{ours!s:>20}  {'' if real.holds(ours) else 'APART'}")
    title = f"the paper's splits of the phantom, 1/{DOWNSAMPLE} resolution"
    print(f"\n{title:<48}" + "".join(f"{task[-2:].upper():>20}" for task in PROTOCOLS))
    rows = result["splits"] = {}
    for name, features in FLOORS.items():
        found = {task: protocol(task, features, seed) for task in PROTOCOLS}
        rows[name] = {task: astuple(one) for task, one in found.items()}
        print(f"{name:<48}" + "".join(f"{one!s:>20}" for one in found.values()))
    return result


def variety(data: Path, seed: int, animals: int, picture: Path) -> dict[str, Any]:
    """Print and return how structures vary inside a region and between regions, and draw histograms."""
    human, slices = human_tables(data)
    ours = [phantom_tables(seed + animal, slices) for animal in range(animals)]
    spread: dict[str, Any] = {}
    print(
        f"\n{'coefficient of variation, people, phantom':<44}"
        + "".join(f"{region:>14}" for region in REGIONS)
    )
    for name in FEATURES:
        spread[name] = {
            region: [
                variation(human[region])[name],
                float(np.mean([variation(tables[region])[name] for tables in ours])),
            ]
            for region in REGIONS
            if name in human[region]
        }
        cells = [spread[name].get(region) for region in REGIONS]
        print(
            f"{name:<44}"
            + "".join(f"{'–':>14}" if pair is None else f"{pair[0]:7.2f}{pair[1]:7.2f}" for pair in cells)
        )
    alone: dict[str, Any] = {}
    print(f"\n{'R2 from the region alone':<44}{'people':>20}{'phantom':>20}")
    for name in FEATURES:
        theirs = (region_alone(human, name), *region_alone_interval(human, name))
        each = np.array([region_alone(tables, name) for tables in ours])
        mine = (float(each.mean()), float(each.min()), float(each.max()))
        met = bool(abs(theirs[0] - mine[0]) <= 0.1)
        alone[name] = {"people": theirs, "phantom": mine, "met": met}
        cells = ["{:.2f} [{:.2f}, {:.2f}]".format(*one) for one in (theirs, mine)]
        print(f"{name:<44}{cells[0]:>20}{cells[1]:>20}  {'' if met else 'APART'}")
    print("intervals: people's over slices drawn again, the phantom's from its lowest to its highest animal")
    with written_beside(picture) as beside:
        histograms(human, ours).savefig(beside, dpi=100, format="png")
    print(f"histograms of each feature written to {picture}")
    return {"variation": spread, "region alone": alone}


# --- pictures


def contact_sheet(data: Path, seed: int, path: Path) -> None:
    """Write one picture: a row for each region, four real cubes and then the phantom's."""
    real, ours = real_crops(data), phantom_crops(seed, REAL_SLICE)
    sheet = np.full((4 * 260 - 4, 8 * 260 + 12), 255, dtype=np.uint8)
    for row, region in enumerate(REGIONS):
        for column, name in enumerate(SETS):
            for crops, offset in ((real, 0), (ours, 4 * 260 + 16)):
                x = offset + column * 260
                sheet[row * 260 : row * 260 + 256, x : x + 256] = crops[region, name]
    with written_beside(path) as beside:
        Image.fromarray(sheet).save(beside)
    print(f"real (left) and phantom (right) written to {path}")


def mixed_sheet(data: Path, seed: int, path: Path, key: Path) -> None:
    """Write one picture of real and phantom tiles without labels, and to another file which is which."""
    tiles = drawn_tiles(seed, 24)
    with written_beside(path) as beside:
        Image.fromarray(blind_sheet(tiles, data)).save(beside, format="png")
    table = pd.DataFrame(
        [asdict(tile) for tile in tiles], index=pd.RangeIndex(1, len(tiles) + 1, name="tile")
    )
    with written_beside(key) as beside:
        table.to_csv(beside)
    print(f"tiles in rows, without labels, written to {path}, and which is which to {key}")


# --- transfer

Pairs = dict[str, tuple[np.ndarray, np.ndarray]]
"""Images and labels of more tiles, by the name of their file."""


def _read(model: "Model", images: np.ndarray) -> np.ndarray:
    """Return the labels of images of any size."""
    height, width = images.shape[1:]
    edge = [(0, -size % 16) for size in (height, width)]
    return read_from_all_sides(model, np.pad(images, ((0, 0), *edge), mode="reflect"))[:, :height, :width]


def _f1(labels: np.ndarray, found: np.ndarray) -> list[float]:
    from mtneuro_seg import confusion_matrix, scores

    return [float(one) for one in scores(confusion_matrix(labels, found, classes=4)).f1]


def transfer(data: Path, out: Path, *, training: Training, pairs: Pairs) -> dict[str, Any]:
    """Train the plain 2D U-Net on the phantom alone, save it, and return its F1 on real labelled tissue.

    The four labelled tiles were looked at while the phantom was made: they are a development set, and no
    judge of cells, whose outlines they draw tight.
    """
    last = [0.0]

    def progress(done: int, total: int) -> None:
        if time.perf_counter() - last[0] > 30:
            print(f"  {done} of {total} steps", flush=True)
            last[0] = time.perf_counter()

    model = trained_on_phantom(training, progress)
    model.save(out / f"unet-{training.seed}")
    found: dict[str, list[float]] = {}
    names, images, labels = labelled_pairs(data / "prasad2020" / "image_label_pairs_128.npz")
    tiles = _read(model, images)
    found["four development tiles"] = _f1(labels, tiles)
    kept = [number for number, name in enumerate(names) if name != "ZI"]
    found["... without ZI, as the paper scores axons"] = _f1(labels[kept], tiles[kept])
    for name, label, tile in zip(names, labels, tiles, strict=True):
        found[f"  {name}"] = _f1(label, tile)
    others = {"another scanner's cortex (vessels incomplete)": other_scanner(data)}
    for name, (unseen, truth) in (others | pairs).items():
        found[name] = _f1(truth, _read(model, unseen))
    print(
        f"\n{f'F1, trained on the phantom alone, seed {training.seed}':<48}"
        + "".join(f"{name:>11}" for name in CLASSES)
    )
    for name, scored in found.items():
        print(f"{name:<48}" + "".join(f"{one:11.2f}" for one in scored))
    objects = {name: objects_f1(labels, tiles, number) for number, name in ((1, "vessel"), (2, "cell"))}
    print(
        "F1 of whole objects on the development tiles: "
        + ", ".join(f"{key}s {one:.2f}" for key, one in objects.items())
    )
    print("per cent found in the real slice's cubes, set by set, and the paper's dense annotation of set A")
    crops = real_crops(data)
    read = found_labels(model, crops)
    shares: dict[str, dict[str, list[float]]] = {}
    for region in REGIONS:
        shares[region] = {name: class_shares(read[region, name]) for name in SETS}
        for name, mine in [*shares[region].items(), ("A, paper", PROPORTIONS[region])]:
            print(f"  {region} {name:<42}" + "".join(f"{one:11.1f}" for one in mine))
    rows = [
        [_in_colour(image), _in_colour(image, label), _in_colour(image, tile)]
        for image, label, tile in zip(images, labels, tiles, strict=True)
    ]
    _save_sheet(rows, out / f"transfer-{training.seed}.png", 2, "image, human labels, found")
    rows = [
        [_in_colour(crops[region, name]) for name in SETS]
        + [_in_colour(crops[region, name], read[region, name]) for name in SETS]
        for region in REGIONS
    ]
    _save_sheet(rows, out / f"found-{training.seed}.jpg", 1, "the real slice's 16 cubes, found in them")
    return {"f1": found, "objects": objects, "shares": shares}


def transfers(data: Path, seeds: int, out: Path, *, training: Training, pairs: Pairs) -> dict[str, Any]:
    """Train from several seeds; print and return each one's scores and their means."""
    runs = [transfer(data, out, training=replace(training, seed=seed), pairs=pairs) for seed in range(seeds)]
    if seeds > 1:
        print(f"\n{f'mean of {seeds} seeds ± their standard deviation':<48}" + _spaced(CLASSES))
        for name in runs[0]["f1"]:
            print(f"{name:<48}" + _spaced(mean_and_spread(np.array([run["f1"][name] for run in runs]))))
    settings = {key: value for key, value in asdict(training).items() if key != "seed"}
    return {"training": settings, "seeds": runs}


def _spaced(cells: Iterable[str]) -> str:
    """Return the cells of a printed row."""
    return "".join(f"{cell:>16}" for cell in cells)


def _in_colour(image: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
    """Return an image as RGB with its vessels red, its cells green and its axons blue."""
    colours = np.array([[0, 0, 0], [230, 60, 50], [60, 190, 80], [70, 90, 230]], dtype=np.uint8)
    grey = np.repeat(image[..., None], 3, axis=-1)
    return grey if labels is None else np.where(labels[..., None] > 0, grey // 2 + colours[labels] // 2, grey)


def _save_sheet(rows: list[list[np.ndarray]], path: Path, scale: int, what: str) -> None:
    """Write pictures in rows as one, enlarged."""
    sheet = np.vstack([np.hstack(row) for row in rows])
    size = (sheet.shape[1] * scale, sheet.shape[0] * scale)
    with written_beside(path) as beside:
        Image.fromarray(sheet).resize(size, Image.Resampling.BICUBIC).save(beside)
    print(f"{what} written to {path}")


@app.default
def phantom(
    *parts: Part,
    data: Path = Path("../shared/data"),
    output: Annotated[Path, Parameter(name=["--output", "-o", "--out"])] = Path("results/fidelity"),
    seed: int = 0,
    animals: Count = 4,
    steps: Count = USUAL.steps,
    filters: Count = USUAL.filters,
    images: Count = USUAL.images,
    seeds: Count = 1,
    pairs: Annotated[tuple[Path, ...], Parameter(consume_multiple=True)] = (),
    before: Path | None = None,
) -> Iterator[str]:
    """Compare the phantom with real slices, and write the figures as a dated record; all parts by default.

    - `statistics`: grey levels, texture and structures of the benchmark's 16 cubes
    - `difficulty`: how well level, texture and scale alone tell the regions apart, from cube set to cube set
    - `variety`: how much structures vary inside a region, beside people's labels; with histograms
    - `sheet`: a picture of real and phantom crops
    - `turing`: a picture of both in random order without labels, and in another file which is which
    - `transfer`: a small 2D U-Net trained on the phantom alone and scored on real labelled tissue

    For example:

    - `uv run benchmarks/fidelity/phantom.py statistics difficulty variety --data ../shared/data`
    - `uv run benchmarks/fidelity/phantom.py transfer --seeds 3`
    - `uv run benchmarks/fidelity/phantom.py --before benchmarks/records/fidelity/difficulty-2026-11-29.json`

    Parameters
    ----------
    data
        Folder of the real files.
    output
        Folder for the record and the pictures. Those of the project are in `benchmarks/records/fidelity`.
    seed
        The phantom's seed, the first of several where a part looks at several.
    animals
        Phantoms that `difficulty` and `variety` look at, so that one animal's chance does not decide.
    steps
        Training steps of the U-Net.
    filters
        Width of the U-Net.
    images
        Phantom slices that it learns from.
    seeds
        How often to train, from seed 0 on.
    pairs
        More labelled tiles to score, `.npz` files of `NAME_image` and `NAME_label`.
    before
        The record of an earlier version, a `.json` file, whose difficulty and variety stand beside these.
    """
    wanted = parts or get_args(Part)
    more = {path.name: labelled_pairs(path)[1:] for path in pairs}
    past = None if before is None else earlier_record(before)
    if not (data / "prasad2020").is_dir():
        raise ValueError(f"--data must hold the real files, found no prasad2020 folder in {data}")
    start = time.perf_counter()
    result: dict[str, Any] = {}
    if "statistics" in wanted:
        result["statistics"] = statistics(data, seed)
    if "difficulty" in wanted:
        result["difficulty"] = difficulty(data, seed, animals)
    if "variety" in wanted:
        result["variety"] = variety(data, seed, animals, output / "variety.png")
    if "sheet" in wanted:
        contact_sheet(data, seed, output / "sheet.png")
    if "turing" in wanted:
        mixed_sheet(data, seed, output / "turing.png", output / "turing-key.csv")
    if "transfer" in wanted:
        training = Training(steps=steps, filters=filters, images=images)
        result["transfer"] = transfers(data, seeds, output, training=training, pairs=more)
    if result:
        yield f"tables written to {write_record(result, output, before=past)}"
    yield f"{time.perf_counter() - start:.0f} s"


if __name__ == "__main__":
    sys.exit(run(app, sys.argv[1:], say=partial(print, flush=True)))
