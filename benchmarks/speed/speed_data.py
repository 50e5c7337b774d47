"""How fast mtneuro-data reads, against its floors.

    python benchmarks/speed/speed_data.py --quick

Warm loading beside `np.load` of the same bytes, an epoch through the datasets beside one over a bare array,
cold downloads over the loopback address beside intern's own array, their memory, and one chunk of half a
terabyte beside one of a small volume. Every figure is a ratio of two ways that were first seen to give the
same result, measured in turns. Exits with 1 if a floor is missed.
"""

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from mtneuro_data import Cache, Cube, SliceDataset, SplitPart, TaskSpec, load, open_volume
from mtneuro_data.labels import mapped_labels

RESULTS = Path(__file__).parent / "results"
IMAGE, LABELS = "bossdb://lab/scan/image", "bossdb://lab/scan/labels"
# Off the cache's grid, as the paper's cubes are.
CORNERS = {"CTX": (37, 51), "STR": (400, 333), "VP": (100, 700), "ZI": (300, 1100)}


@dataclass(frozen=True)
class Figure:
    """One ratio and its floor or ceiling."""

    name: str
    ratio: float
    spread: float
    at_least: float | None = None
    at_most: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the ratio is on the right side."""
        above = self.at_least is None or self.ratio >= self.at_least
        return above and (self.at_most is None or self.ratio <= self.at_most)

    @property
    def bound(self) -> str:
        """The floor or ceiling in words."""
        return f">= {self.at_least:g}" if self.at_least is not None else f"<= {self.at_most:g}"


def compared(
    name: str,
    ours: Callable[[], Any],
    theirs: Callable[[], Any],
    *,
    rounds: int,
    faster: bool = False,
    **bound: float,
) -> Figure:
    """Return the ratio of two times, measured in turns: ours over theirs, or of rates if ``faster``."""
    ratios: list[float] = []
    for _ in range(rounds):
        a, b = _seconds(ours), _seconds(theirs)
        ratios.append(b / a if faster else a / b)
    # Half the distance between the quartiles: one slow round must not hide the rest.
    ordered = sorted(ratios)
    spread = (ordered[(3 * len(ordered)) // 4] - ordered[len(ordered) // 4]) / 2
    return told(Figure(name, statistics.median(ratios), spread, **bound))


def told(figure: Figure) -> Figure:
    """Print a figure as soon as it is known."""
    held = "" if figure.holds else "   SHORT"
    print(f"{figure.name:42} {figure.ratio:7.2f} +- {figure.spread:5.2f}   {figure.bound}{held}", flush=True)
    return figure


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def task(slices: int) -> TaskSpec:
    """Return a segmentation task of four cubes of 256 x 256 pixels off the cache's grid."""
    cubes = {
        f"A-{region}": Cube(region=region, y=(y, y + 256), x=(x, x + 256))
        for region, (y, x) in CORNERS.items()
    }
    return TaskSpec(
        name="speed",
        kind="segmentation",
        image=IMAGE,
        annotation=LABELS,
        regions=tuple(CORNERS),
        cubes=cubes,
        splits={"train": (SplitPart(cubes=tuple(cubes), z=(10, 10 + slices)),)},
        class_names=("background", "vessel", "cell", "axon"),
        label_map={0: 0, 1: 1, 2: 2, 3: 3},
    )


def write_volumes(folder: Path, depth: int) -> None:
    """Write an image of noise, which does not compress, and labels of blobs, which do."""
    rng = np.random.default_rng(0)
    shape = (depth, 700, 1400)
    np.save(folder / "image.npy", rng.integers(0, 256, shape, dtype=np.uint8))
    blobs = rng.integers(0, 4, [-(-size // 8) for size in shape], dtype=np.uint8)
    whole = blobs.repeat(8, 0).repeat(8, 1).repeat(8, 2)[:depth, :700, :1400]
    np.save(folder / "labels.npy", whole.astype(np.uint64))


@contextmanager
def server(folder: Path, *, latency_s: float = 0.0, bytes_per_s: float | None = None) -> Generator[None]:
    """Serve the volumes from a process of its own; the environment points to it."""
    code = (
        "import sys\n"
        "from mtneuro_data import open_volume\n"
        "from mtneuro_data.serving import Catalogue, VolumeServer\n"
        "volumes = {f'lab/scan/{n}': open_volume(f'{sys.argv[1]}/{n}.npy') for n in ('image', 'labels')}\n"
        f"server = VolumeServer(Catalogue(volumes), latency_s={latency_s}, bytes_per_s={bytes_per_s})\n"
        "print(server.address.host, flush=True)\n"
        "server.serve_forever()\n"
    )
    command = [sys.executable, "-c", code, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        os.environ |= {
            "INTERN_HOST": process.stdout.readline().strip(),
            "INTERN_PROTOCOL": "http",
            "INTERN_TOKEN": "public",
        }
        yield
        process.send_signal(signal.SIGINT)


def warm(folder: Path, *, slices: int, rounds: int) -> list[Figure]:
    """Return warm loading of images and of labels beside `np.load` of the same bytes."""
    spec = task(slices)
    images_only = spec.replaced(kind="region", annotation=None, class_names=(), label_map={})
    with server(folder):
        cache = Cache(folder / "cache")
        arrays = load(spec, "train", cache=cache)
        np.save(folder / "images.npy", arrays.images)
        assert arrays.masks is not None
        np.save(folder / "masks.npy", arrays.masks)
        labels = open_volume(LABELS, cache=cache)
        boxes = [box for _, box in spec.boxes("train")]

        def masks() -> list[np.ndarray]:
            return [mapped_labels(labels.read(box.lower, box.upper), spec.label_map) for box in boxes]

        assert np.array_equal(load(images_only, "train", cache=cache).images, np.load(folder / "images.npy"))
        assert np.array_equal(np.concatenate(masks()), np.load(folder / "masks.npy"))
        return [
            compared(
                "warm load of images / np.load",
                lambda: load(images_only, "train", cache=cache),
                lambda: np.load(folder / "images.npy"),
                rounds=rounds,
                at_most=1.6,
            ),
            compared(
                "warm load of labels / np.load",
                masks,
                lambda: np.load(folder / "masks.npy"),
                rounds=rounds,
                at_most=6,
            ),
            *epoch(arrays, rounds),
        ]


def epoch(arrays: Any, rounds: int) -> list[Figure]:
    """Return the rate of an epoch through the dataset beside one over a bare array, with PyTorch's loader."""
    try:
        import torch
        from torch.utils.data import DataLoader, TensorDataset
    except ModuleNotFoundError:
        return []
    data: Any = (SliceDataset(arrays), TensorDataset(torch.from_numpy(arrays.images)))
    ours, theirs = (DataLoader(each, batch_size=64, shuffle=False) for each in data)
    return [
        compared(
            "epoch through the dataset, rate",
            lambda: list(ours),
            lambda: list(theirs),
            rounds=rounds,
            faster=True,
            at_least=0.8,
        )
    ]


def interns_array() -> Any:
    """Return intern's own array of the served image."""
    from intern import array
    from intern.convenience.array import _BossDBVolumeProvider as Provider  # pyright: ignore[reportPrivateUsage]
    from intern.remote.boss import BossRemote

    host = {"protocol": "http", "host": os.environ["INTERN_HOST"], "token": "public"}
    return array(IMAGE, volume_provider=Provider(BossRemote(host)))


def cold(folder: Path, *, slices: int, rounds: int) -> list[Figure]:
    """Return cold downloads beside intern's own array, as ratios of their MB/s."""
    cube = np.s_[10 : 10 + slices, 37:293, 51:307]
    region = np.s_[10:250, 37:549, 51:563]
    figures: list[Figure] = []
    for name, box, settings, floor in (
        ("cold cube, rate", cube, {}, 0.8),
        ("cold region above intern's limit, rate", region, {}, 2.0),
        ("cold cube at 50 ms and 20 MB/s, rate", cube, {"latency_s": 0.05, "bytes_per_s": 20e6}, 4.0),
    ):
        with server(folder, **settings):
            ours, theirs = open_volume(IMAGE), interns_array()
            truth = np.load(folder / "image.npy", mmap_mode="r")
            if box[0].stop > truth.shape[0]:
                continue
            assert np.array_equal(ours[box], truth[box])
            assert np.array_equal(theirs[box], truth[box])
            figures.append(
                compared(
                    name,
                    lambda v=ours, b=box: v[b],
                    lambda v=theirs, b=box: v[b],
                    rounds=rounds,
                    faster=True,
                    at_least=floor,
                )
            )
    return figures


def memory(folder: Path) -> list[Figure]:
    """Return the peak memory of a download over the start, beside the size of its result."""
    code = (
        # Not getrusage: a child starts with its parent's peak there.
        "def peak():\n"
        "    lines = open('/proc/self/status').read().splitlines()\n"
        "    return 1024 * int(next(line for line in lines if line.startswith('VmHWM')).split()[1])\n"
        "from mtneuro_data import open_volume\n"
        f"volume = open_volume('{IMAGE}')\n"
        "volume[0:1, 0:64, 0:64]\n"
        "start = peak()\n"
        "result = volume[0:volume.shape[0], 0:700, 0:1000]\n"
        "print((peak() - start) / result.nbytes)\n"
    )
    with server(folder):
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [told(Figure("memory of a download / its result", float(run.stdout), 0.0, at_most=1.3))]


def flat(rounds: int) -> list[Figure]:
    """Return opening, fetching and reading one chunk of 0.5 TB beside one of a small volume."""

    def one_chunk(shape: str) -> None:
        depth, rows, columns = (int(part) for part in shape.split(","))
        z, y, x = depth // 32 * 16, rows // 256 * 128, columns // 256 * 128
        with tempfile.TemporaryDirectory() as folder:
            volume = open_volume(f"phantom://roi_labels?shape={shape}", cache=Cache(folder))
            volume.read((z, y, x), (z + 16, y + 128, x + 128))

    one_chunk("64,512,512")
    return [
        compared(
            "one chunk of 0.5 TB / of 17 MB",
            lambda: one_chunk("1024,16384,32768"),
            lambda: one_chunk("64,512,512"),
            rounds=rounds,
            at_most=1.3,
        )
    ]


def main() -> int:
    """Measure, print one table, write it down, and tell whether every floor holds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="smaller and fewer rounds: under a minute")
    quick = parser.parse_args().quick
    slices, rounds = (64, 5) if quick else (300, 9)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_volumes(folder, 252 if quick else 320)
        figures = warm(folder, slices=slices, rounds=rounds)
        figures += cold(folder, slices=slices, rounds=3 if quick else rounds)
        figures += memory(folder)
    figures += flat(rounds)
    now = datetime.now(UTC)
    RESULTS.mkdir(exist_ok=True)
    about = {
        "date": now.isoformat(timespec="seconds"),
        "quick": quick,
        "machine": platform.machine(),
        "processors": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        "figures": [{**asdict(figure), "holds": figure.holds} for figure in figures],
    }
    path = RESULTS / f"data-{now:%Y%m%d-%H%M%S}.json"
    path.write_text(json.dumps(about, indent=1) + "\n", "utf-8")
    return 0 if all(figure.holds for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
