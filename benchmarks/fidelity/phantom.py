"""How faithful the phantom is: the same figures of real slices and of the phantom, side by side.

    python benchmarks/fidelity/phantom.py statistics difficulty sheet --data ../shared/data --out fidelity
    python benchmarks/fidelity/phantom.py transfer --seeds 3

`statistics` compares grey levels, texture and structures of the benchmark's 16 cubes; `difficulty` asks how
hard it is to tell the regions apart from cube set A to B, C and D; `sheet` draws real and phantom crops in
one picture; `transfer` trains a small 2D U-Net on the phantom alone and scores it on real labelled tissue.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from cubes import CLASSES, CORNERS, PROPORTIONS, REAL_SLICE, REGIONS, SETS, Crops, phantom_crops, real_crops
from mtneuro_data.phantom import Phantom
from PIL import Image
from record import write_record
from scipy import ndimage
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from transfer import (
    Training,
    found_shares,
    labelled_pairs,
    other_scanner,
    read_from_all_sides,
    trained_on_phantom,
)

if TYPE_CHECKING:
    from mtneuro_seg import Model

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


def _mean(rows: list[dict[str, float]]) -> dict[str, float]:
    keys = dict.fromkeys(key for row in rows for key in row)
    return {key: float(np.mean([row[key] for row in rows if key in row])) for key in keys}


def statistics(data: Path, seed: int) -> dict[str, Any]:
    """Print and return the comparison of grey levels, texture and structures."""
    real, ours = real_crops(data), phantom_crops(seed, REAL_SLICE)
    human = np.load(data / "prasad2020" / "human_labels.npz")
    label = Phantom("pixel_labels", seed=seed)
    result: dict[str, Any] = {}
    for region in REGIONS:
        pair = [_mean([texture(crops[region, name]) for name in SETS]) for crops in (real, ours)]
        print(f"\n{region:<28}{'real':>9}{'phantom':>9}")
        for key in pair[0]:
            print(f"  {key:<26}{pair[0][key]:9.2f}{pair[1][key]:9.2f}")
        result[region] = {"real": pair[0], "phantom": pair[1]}
        dense = [
            label.read((z, y, x), (z + 1, y + 256, x + 256))[0]
            for y, x in CORNERS[region]
            for z in range(111, 470, 19)
        ]
        share = 100 * np.bincount(np.concatenate(dense).ravel(), minlength=4) / (65536 * len(dense))
        print("  per cent, paper's dense annotation and phantom")
        for name, theirs, mine in zip(CLASSES, PROPORTIONS[region], share, strict=True):
            print(f"  {name:<26}{theirs:9.2f}{mine:9.2f}")
        result[region]["proportions"] = dict(zip(CLASSES, share.tolist(), strict=True))
        counted = _mean([structures(one) for one in dense[::5]])
        annotated = _mean([structures(one) for one in human[region]]) if region in human else {}
        print("  structures: human labels of set A (tighter outlines), phantom's labels")
        for key, value in counted.items():
            print(f"  {key:<26}{annotated.get(key, float('nan')):9.2f}{value:9.2f}")
        result[region]["structures"] = {"human": annotated, "phantom": counted}
    return result


# --- difficulty


def _tiles(crop: np.ndarray, size: int = 64) -> np.ndarray:
    n = crop.shape[0] // size
    return crop.reshape(n, size, n, size).swapaxes(1, 2).reshape(-1, size, size).astype(np.float64)


def _pixels(tiles: np.ndarray) -> np.ndarray:
    return tiles.reshape(len(tiles), 32, 2, 32, 2).mean(axis=(2, 4)).reshape(len(tiles), -1)


def _textures(tiles: np.ndarray) -> np.ndarray:
    """Return simple texture features of each tile: percentiles, and spread after smoothing at four scales."""
    parts = [np.percentile(tiles, (5, 25, 50, 75, 95), axis=(1, 2)).T]
    for sigma in (1, 2, 4, 8):
        smooth = ndimage.gaussian_filter(tiles, (0, sigma, sigma))
        parts.append(np.stack([(tiles - smooth).std(axis=(1, 2)), smooth.std(axis=(1, 2))], axis=1))
    parts += [np.abs(np.diff(tiles, axis=axis)).mean(axis=(1, 2))[:, None] for axis in (1, 2)]
    return np.hstack(parts)


def region_accuracy(crops: Crops, features: Callable[[np.ndarray], np.ndarray], *, components: int | None):
    """Return the accuracy on sets B, C and D of a classifier fit on A, with its interval over cubes."""
    model = make_pipeline(
        StandardScaler(),
        *([PCA(components, random_state=0)] if components else []),
        LogisticRegression(max_iter=2000, C=0.1),
    )
    train = [features(_tiles(crops[region, "A"])) for region in REGIONS]
    model.fit(np.concatenate(train), np.repeat(np.arange(4), [len(part) for part in train]))
    scores = np.array(
        [
            (model.predict(features(_tiles(crops[region, name]))) == number).mean()
            for number, region in enumerate(REGIONS)
            for name in SETS[1:]
        ]
    )
    draws = np.random.default_rng(0).integers(len(scores), size=(5000, len(scores)))
    low, high = np.percentile(scores[draws].mean(axis=1), (2.5, 97.5))
    return float(scores.mean()), float(low), float(high)


def difficulty(data: Path, seed: int) -> dict[str, Any]:
    """Print and return how well regions are told apart from set A to B, C and D, real and phantom."""
    result: dict[str, Any] = {}
    print(f"\n{'region accuracy, A to B, C, D':<34}{'real':>24}{'phantom':>24}")
    sources = {"real": real_crops(data), "phantom": phantom_crops(seed, REAL_SLICE)}
    for name, features, components in (("PCA of pixels", _pixels, 24), ("texture features", _textures, None)):
        result[name] = {
            source: region_accuracy(crops, features, components=components)
            for source, crops in sources.items()
        }
        cells = [f"{a:.2f} [{b:.2f}, {c:.2f}]" for a, b, c in result[name].values()]
        (_, low, high), (_, low2, high2) = result[name].values()
        verdict = "overlap" if low <= high2 and low2 <= high else "APART"
        print(f"{name:<34}{cells[0]:>24}{cells[1]:>24}  {verdict}")
    return result


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
    Image.fromarray(sheet).save(path)
    print(f"real (left) and phantom (right): {path}")


# --- transfer


def _f1(model: "Model", images: np.ndarray, labels: np.ndarray) -> list[float]:
    from mtneuro_seg import confusion_matrix, scores

    height, width = labels.shape[1:]
    edge = [(0, -size % 16) for size in (height, width)]
    found = read_from_all_sides(model, np.pad(images, ((0, 0), *edge), mode="reflect"))[:, :height, :width]
    return [float(one) for one in scores(confusion_matrix(labels, found, classes=4)).f1]


def transfer(data: Path, out: Path, *, training: Training, pairs: list[Path]) -> dict[str, Any]:
    """Train the plain 2D U-Net on the phantom alone, save it, and return its F1 on real labelled tissue."""
    last = [0.0]

    def progress(done: int, total: int) -> None:
        if time.perf_counter() - last[0] > 30:
            print(f"  {done} of {total} steps", flush=True)
            last[0] = time.perf_counter()

    model = trained_on_phantom(training, progress)
    model.save(out / f"unet-{training.seed}")
    found: dict[str, list[float]] = {}
    names, images, labels = labelled_pairs(data / "prasad2020" / "image_label_pairs_128.npz")
    found["four human-labelled tiles"] = _f1(model, images, labels)
    kept = [number for number, name in enumerate(names) if name != "ZI"]
    found["... without ZI (its axons are not labelled)"] = _f1(model, images[kept], labels[kept])
    for number, name in enumerate(names):
        found[f"  {name}"] = _f1(model, images[number : number + 1], labels[number : number + 1])
    found["another scanner's cortex (vessels incomplete)"] = _f1(model, *other_scanner(data))
    for path in pairs:
        found[path.name] = _f1(model, *labelled_pairs(path)[1:])
    print(
        f"\n{f'F1, trained on the phantom alone, seed {training.seed}':<48}"
        + "".join(f"{name:>11}" for name in CLASSES)
    )
    for name, scored in found.items():
        print(f"{name:<48}" + "".join(f"{one:11.2f}" for one in scored))
    print("per cent of each class on the 16 cubes of the real slice: found, and the paper's dense annotation")
    shares = found_shares(model, real_crops(data))
    for region, share in shares.items():
        beside = zip(share, PROPORTIONS[region], strict=True)
        print(f"  {region:<46}" + "".join(f"{f'{mine:.1f} / {theirs:.1f}':>14}" for mine, theirs in beside))
    _overlay_sheet(images, labels, read_from_all_sides(model, images), out / f"transfer-{training.seed}.png")
    return {"f1": found, "shares": {region: share.tolist() for region, share in shares.items()}}


def transfers(data: Path, seeds: int, out: Path, *, training: Training, pairs: list[Path]) -> dict[str, Any]:
    """Train from several seeds; print and return each one's scores and their means."""
    runs = [transfer(data, out, training=replace(training, seed=seed), pairs=pairs) for seed in range(seeds)]
    means: dict[str, list[float]] = {}
    if seeds > 1:
        print(
            f"\n{f'mean of {seeds} seeds +- their standard deviation':<48}"
            + "".join(f"{n:>14}" for n in CLASSES)
        )
    for name in runs[0]["f1"]:
        scored = np.array([run["f1"][name] for run in runs])
        means[name] = scored.mean(axis=0).tolist()
        if seeds > 1:
            spread = zip(means[name], scored.std(axis=0, ddof=1), strict=True)
            print(f"{name:<48}" + "".join(f"{f'{a:.2f} +- {b:.2f}':>14}" for a, b in spread))
    settings = {key: value for key, value in asdict(training).items() if key != "seed"}
    return {"training": settings, "seeds": runs, "mean_f1": means}


def _overlay_sheet(images: np.ndarray, truth: np.ndarray, found: np.ndarray, path: Path) -> None:
    """Write image, human labels and prediction of each tile in one picture."""
    colours = np.array([[0, 0, 0], [230, 60, 50], [60, 190, 80], [70, 90, 230]], dtype=np.uint8)
    grey = np.repeat(images[..., None], 3, axis=-1)
    rows = [
        np.hstack([grey[n], grey[n] // 2 + colours[truth[n]] // 2, grey[n] // 2 + colours[found[n]] // 2])
        for n in range(len(images))
    ]
    sheet = np.vstack(rows)
    Image.fromarray(sheet).resize((sheet.shape[1] * 2, sheet.shape[0] * 2), Image.Resampling.NEAREST).save(
        path
    )
    print(f"image, human labels, prediction: {path}")


def _count(text: str) -> int:
    """Return a number of things, at least one."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, got {number}")
    return number


def main() -> None:
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = ("statistics", "difficulty", "sheet", "transfer")
    usual = Training()
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"of {', '.join(parts)}; all if none is given"
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the real files")
    parser.add_argument("--out", type=Path, default=Path("fidelity"), help="folder of the results")
    parser.add_argument("--seed", type=int, default=0, help="the phantom's seed")
    parser.add_argument("--steps", type=_count, default=usual.steps, help="training steps of the U-Net")
    parser.add_argument("--filters", type=_count, default=usual.filters, help="width of the U-Net")
    parser.add_argument("--images", type=_count, default=usual.images, help="phantom slices it learns from")
    parser.add_argument("--seeds", type=_count, default=1, help="how often to train, from seed 0 on")
    parser.add_argument(
        "--pairs", type=Path, nargs="*", default=[],
        help="more labelled tiles to score, .npz files of NAME_image and NAME_label",
    )  # fmt: skip
    args = parser.parse_args()
    for part in args.parts:
        if part not in parts:
            parser.error(f"PART must be one of {', '.join(parts)}, got {part!r}")
    wanted = args.parts or parts
    for path in args.pairs:
        if not path.is_file():
            parser.error(f"--pairs must be files, found no {path}")
    if not (args.data / "prasad2020").is_dir():
        parser.error(f"--data must hold the real files, found no prasad2020 folder in {args.data}")
    args.out.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    result: dict[str, Any] = {}
    if "statistics" in wanted:
        result["statistics"] = statistics(args.data, args.seed)
    if "difficulty" in wanted:
        result["difficulty"] = difficulty(args.data, args.seed)
    if "sheet" in wanted:
        contact_sheet(args.data, args.seed, args.out / "sheet.png")
    if "transfer" in wanted:
        training = Training(steps=args.steps, filters=args.filters, images=args.images)
        result["transfer"] = transfers(args.data, args.seeds, args.out, training=training, pairs=args.pairs)
    if result:
        print(f"tables: {write_record(result, args.out)}")
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
