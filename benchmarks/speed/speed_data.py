"""Measure how fast mtneuro-data reads, and check its floors.

    python benchmarks/speed/speed_data.py --quick

Warm loading beside `np.load` of the same bytes, an epoch through the datasets beside one over a bare array,
cold downloads over the loopback address beside intern's own array, into a cache with and without waiting for
the disk, their memory, and one chunk of half a terabyte beside one of a small volume; precomputed volumes
beside bare tensorstore, near and at 50 ms, and one chunk of a petabyte beside one of a small volume. Every
figure is a ratio of two ways that were first seen to give the same result, in turns. Exits with 1 if a floor
is missed.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from unittest import mock

import blosc
import numpy as np
from command import Unavailable, main
from measuring import Figure, compared, keep_freed_memory, peak_bytes
from mtneuro_data import (
    Cache,
    Cube,
    SliceDataset,
    SplitPart,
    TaskArrays,
    TaskSpec,
    load,
    mapped_labels,
    open_volume,
)
from mtneuro_data.phantom import Phantom

IMAGE, LABELS = "bossdb://lab/scan/image", "bossdb://lab/scan/labels"
ROWS, COLUMNS, FACE = 700, 1400, 256
# Off the cache's grid, as the paper's cubes are.
CORNERS = {"CTX": (37, 51), "STR": (400, 333), "VP": (100, 700), "ZI": (300, 1100)}
LABELLED = 384
"""Rows and columns about a corner's chunks that carry labels."""


def task(slices: int) -> TaskSpec:
    """Return a segmentation task of four cubes of 256 x 256 pixels off the cache's grid."""
    cubes = {
        f"A-{region}": Cube(region=region, y=(y, y + FACE), x=(x, x + FACE))
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


@contextmanager
def volumes(depth: int, *, labelled: bool = False) -> Generator[Path]:
    """Give a folder with an image of noise, which does not compress, and the phantom's labels, which do."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "image.npy", rng.integers(0, 256, (depth, ROWS, COLUMNS), dtype=np.uint8))
        if labelled:
            # Wider than a byte, as the database's are: so the cache packs them.
            labels = np.zeros((depth, ROWS, COLUMNS), np.uint16)
            place = (110, 900, 4600)
            end = (place[0] + depth, place[1] + LABELLED, place[2] + LABELLED)
            block = Phantom("pixel_labels").read(place, end)
            for y, x in CORNERS.values():
                there = labels[:, y // 128 * 128 :, x // 128 * 128 :][:, :LABELLED, :LABELLED]
                there[...] = block[:, : there.shape[1], : there.shape[2]]
            np.save(folder / "labels.npy", labels)
        yield folder


@contextmanager
def server(folder: Path, *, latency_s: float = 0.0, bytes_per_s: float | None = None) -> Generator[None]:
    """Serve the volumes from a process of its own; the environment points to it."""
    code = (
        "import sys, pathlib\n"
        "from mtneuro_data import open_volume\n"
        "from mtneuro_data.serving import Catalogue, VolumeServer\n"
        "files = pathlib.Path(sys.argv[1]).glob('*.npy')\n"
        "volumes = {f'lab/scan/{file.stem}': open_volume(file) for file in files}\n"
        "catalogue = Catalogue(volumes, annotations=[name for name in volumes if name.endswith('/labels')])\n"
        f"server = VolumeServer(catalogue, latency_s={latency_s}, bytes_per_s={bytes_per_s})\n"
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
        try:
            yield
        finally:
            # Not an interrupt, which what is started in a shell's background ignores.
            process.terminate()


def warm(*, quick: bool) -> Iterator[Figure]:
    """Yield warm loading of images and of labels beside `np.load` of the same bytes."""
    slices, rounds = (64, 9) if quick else (300, 15)
    spec = task(slices)
    images_only = spec.replaced(kind="region", annotation=None, class_names=(), label_map={})
    with volumes(slices + 20, labelled=True) as folder, server(folder):
        cache = Cache(folder / "cache")
        arrays = load(spec, "train", cache=cache)
        assert arrays.masks is not None
        for name, array in (("images", arrays.images), ("masks", arrays.masks)):
            np.save(folder / f"warm-{name}", array)
            (folder / f"warm-{name}.npy").rename(folder / name)
        for name, (y, x) in CORNERS.items():
            truth = np.load(folder / "image.npy", mmap_mode="r")[10 : 10 + slices, y : y + FACE, x : x + FACE]
            assert np.array_equal(arrays.images[arrays.region == spec.regions.index(name)], truth)
        labels = open_volume(LABELS, cache=cache)
        boxes = [(box.lower, box.upper) for _, box in spec.boxes("train")]

        def masks() -> list[np.ndarray]:
            # What `load` does for its masks: read them into the result, and translate them there.
            result = np.empty((len(boxes), slices, FACE, FACE), np.uint8)
            read = labels.read_boxes(boxes, out=list(result))
            return [mapped_labels(some, spec.label_map, out=some) for some in read]

        assert np.array_equal(np.concatenate(masks()), np.load(folder / "masks"))
        # `np.load` copies quick's 64 slices at nearly twice the rate of 160, as they stay in the processor's
        # cache; ours are decompressed first, and 6 ms go for opening whatever the size.
        yield compared(
            "warm load of images, ours / np.load",
            lambda: load(images_only, "train", cache=cache),
            lambda: np.load(folder / "images"),
            rounds=rounds,
            clock=time.perf_counter,
            at_most=2 if quick else 1.6,
        )
        yield compared(
            "warm load of labels, ours / np.load",
            masks,
            lambda: np.load(folder / "masks"),
            rounds=rounds,
            clock=time.perf_counter,
            at_most=10 if quick else 6,
        )


def epoch(*, quick: bool) -> Iterator[Figure]:
    """Yield the rate of an epoch of slices through the dataset beside one over a bare array."""
    try:
        import torch
        from torch.utils.data import DataLoader, TensorDataset
    except ModuleNotFoundError:
        raise Unavailable("PyTorch is not installed, and it is its DataLoader that is measured") from None
    n = 256 if quick else 1200
    images = np.random.default_rng(0).integers(0, 256, (n, FACE, FACE), dtype=np.uint8)
    data: Any = (SliceDataset(_arrays(images)), TensorDataset(torch.from_numpy(images)))
    ours, bare = (DataLoader(each, batch_size=64, shuffle=False) for each in data)
    for batch, (same,) in zip(ours, bare, strict=True):
        assert torch.equal(batch, same)
    yield compared(
        "rate of an epoch, dataset / bare array",
        lambda: list(bare),
        lambda: list(ours),
        rounds=9,
        at_least=0.8,
    )


def types(*, quick: bool) -> Iterator[Figure]:
    """Yield the rate of an epoch of wider types beside a bare array, and beside as many bytes."""
    try:
        import torch
        from torch.utils.data import BatchSampler, DataLoader, SequentialSampler, TensorDataset
    except ModuleNotFoundError:
        raise Unavailable("PyTorch is not installed, and it is its DataLoader that is measured") from None
    n = 256 if quick else 1200
    keep_freed_memory()

    def at_once(dataset: Any) -> Any:
        batches = BatchSampler(SequentialSampler(dataset), 64, drop_last=False)
        return DataLoader(dataset, batch_size=None, sampler=batches)

    for name in ("uint16", "float32"):
        dtype = np.dtype(name)
        pixels = np.random.default_rng(0).integers(0, 256, (n, FACE, dtype.itemsize * FACE), dtype=np.uint8)
        wide = pixels.view(np.uint16) if name == "uint16" else pixels.reshape(n, -1)[:, ::4].astype(dtype)
        wide = np.ascontiguousarray(wide.reshape(n, FACE, FACE))
        data: Any = SliceDataset(_arrays(wide))
        bytes_: Any = SliceDataset(_arrays(pixels))
        bare = DataLoader(TensorDataset(torch.from_numpy(wide)), batch_size=16)
        one_by_one = DataLoader(data, batch_size=16)
        for what, ours, other in (
            (f"rate of an epoch of {name}, dataset / bare array", one_by_one, bare),
            # In batches at once: PyTorch joins images one by one, uint16 more slowly than bytes.
            (f"rate of an epoch a byte, {name} / uint8", at_once(data), at_once(bytes_)),
        ):
            batch = next(iter(ours))
            assert torch.equal(batch, torch.from_numpy(wide[: len(batch)]))
            yield compared(
                what,
                # A batch at a time, as training does: whoever keeps them all measures the making of pages.
                lambda loader=other: deque(loader, maxlen=0),
                lambda loader=ours: deque(loader, maxlen=0),
                rounds=9,
                at_least=1 / 1.1,
            )


def _arrays(images: np.ndarray) -> TaskArrays:
    return TaskArrays(
        images=images,
        region=np.zeros(len(images), np.int64),
        masks=None,
        sample_id=np.array([f"A-CTX/z{z}" for z in range(len(images))]),
        region_names=("CTX",),
        class_names=(),
        voxel_size_um=None,
        fingerprint="0" * 16,
    )


def interns_array() -> Any:
    """Return intern's own array of the served image."""
    from intern import array
    from intern.convenience.array import _BossDBVolumeProvider as Provider  # pyright: ignore[reportPrivateUsage]
    from intern.remote.boss import BossRemote

    host = {"protocol": "http", "host": os.environ["INTERN_HOST"], "token": "public"}
    return array(IMAGE, volume_provider=Provider(BossRemote(host)))


def as_intern_does(work: Callable[[], Any]) -> Callable[[], Any]:
    """Return work done with the packer's own threads and the interpreter held, as intern leaves it."""

    def done() -> Any:
        blosc.set_releasegil(False)
        blosc.set_nthreads(blosc.detect_number_of_cores())
        try:
            return work()
        finally:
            blosc.set_releasegil(True)
            blosc.set_nthreads(1)

    return done


def cold(*, quick: bool) -> Iterator[Figure]:
    """Yield cold downloads beside intern's own array, as ratios of their MB/s."""
    cube = np.s_[10 : 250 if quick else 310, 37:293, 51:307]
    region = np.s_[10:250, 37:549, 51:563]
    with volumes(320) as folder:
        truth = np.load(folder / "image.npy", mmap_mode="r")
        for name, box, settings, floor in (
            ("rate of a cold cube", cube, {}, 0.8),
            ("rate of a cold region above intern's limit", region, {}, 2.0),
            ("rate of a cold cube at 50 ms and 20 MB/s", cube, {"latency_s": 0.05, "bytes_per_s": 20e6}, 4.0),
        ):
            with server(folder, **settings):
                ours, theirs = open_volume(IMAGE), interns_array()
                assert np.array_equal(ours[box], truth[box])
                assert np.array_equal(theirs[box], truth[box])
                yield compared(
                    f"{name}, ours / intern's array",
                    as_intern_does(lambda v=theirs, b=box: v[b]),
                    lambda v=ours, b=box: v[b],
                    rounds=5 if quick else 9,
                    clock=time.perf_counter,
                    at_least=floor,
                )


def durable(*, quick: bool) -> Iterator[Figure]:
    """Yield what it costs that downloaded chunks are on the disk before they count."""
    box = np.s_[10:106, 37:549, 51:563]

    def filled() -> None:
        with tempfile.TemporaryDirectory() as folder:
            open_volume(IMAGE, cache=Cache(folder))[box]

    def without_waiting() -> None:
        with mock.patch("os.fsync"):
            filled()

    with volumes(120) as folder:
        for name, settings in (
            ("near server", {}),
            ("server at 50 ms and 20 MB/s", {"latency_s": 0.05, "bytes_per_s": 20e6}),
        ):
            with server(folder, **settings):
                filled()
                yield compared(
                    f"time to fill a cache from a {name}, with fsync / without",
                    filled,
                    without_waiting,
                    rounds=3 if quick else 9,
                    clock=time.perf_counter,
                )


def memory(*, quick: bool) -> Iterator[Figure]:
    """Yield the peak memory of a download beside the size of its result."""
    depth = 128 if quick else 252
    with volumes(depth) as folder, server(folder):
        peak = peak_bytes(download, depth)
    yield Figure(
        name="peak memory of a download / its result", value=peak / (depth * ROWS * 1000), at_most=1.3
    )


def download(depth: int) -> Iterator[None]:
    """Download a large box; a small one makes ready what is kept from the first call on."""
    volume = open_volume(IMAGE)
    volume[0:1, 0:64, 0:64]
    yield
    volume[0:depth, 0:ROWS, 0:1000]


def flat(*, quick: bool) -> Iterator[Figure]:
    """Yield opening, fetching and reading one chunk of 0.5 TB beside one of a small volume."""

    def one_chunk(shape: str) -> None:
        depth, rows, columns = (int(part) for part in shape.split(","))
        z, y, x = depth // 64 * 32, rows // 256 * 128, columns // 256 * 128
        with tempfile.TemporaryDirectory() as folder:
            volume = open_volume(f"phantom://roi_labels?shape={shape}", cache=Cache(folder))
            volume.read((z, y, x), (z + 32, y + 128, x + 128))

    one_chunk("64,512,512")
    one_chunk("1024,16384,32768")
    yield compared(
        "time of one chunk, of 0.5 TB / of 17 MB",
        lambda: one_chunk("1024,16384,32768"),
        lambda: one_chunk("64,512,512"),
        rounds=5 if quick else 15,
        at_most=1.3,
    )


WRITE = """
import sys, numpy as np, tensorstore as ts
folder, kind = sys.argv[1], sys.argv[2]
voxels = np.load(sys.argv[3], mmap_mode="r") if kind == "whole" else np.ones((64, 64, 64), np.uint8)
size = voxels.shape if kind == "whole" else tuple(int(part) for part in kind.split(","))
spec = {
    "driver": "neuroglancer_precomputed",
    "kvstore": {"driver": "file", "path": folder + "/"},
    "multiscale_metadata": {"type": "image", "data_type": "uint8", "num_channels": 1},
    "scale_metadata": {
        "size": size[::-1], "resolution": [4, 4, 40], "encoding": "raw", "chunk_size": [64, 64, 64]
    },
}
store = ts.open(spec, create=True).result()
z, y, x = (extent // 128 * 64 for extent in size) if kind != "whole" else (0, 0, 0)
depth, rows, columns = voxels.shape
store[x : x + columns, y : y + rows, z : z + depth, 0] = np.ascontiguousarray(voxels).transpose(2, 1, 0)
"""
"""Writes an array as a precomputed volume, or one chunk in the middle of a volume of a given size."""

FILES = """
import http.server, pathlib, sys, time
root, latency_s = pathlib.Path(sys.argv[1]), float(sys.argv[2])
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    def log_message(self, *_): pass
    def do_GET(self):
        time.sleep(latency_s)
        file = root / self.path.split("/", 2)[2]
        body = file.read_bytes() if file.is_file() else b""
        self.send_response(200 if file.is_file() else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
class Server(http.server.ThreadingHTTPServer):
    daemon_threads, request_queue_size = True, 128
server = Server(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""
"""Serves a folder under any first name, so that every round asks for what nobody has kept."""


def wrote(folder: Path, name: str, *arguments: str | Path) -> None:
    """Write a precomputed volume, in a process of its own."""
    subprocess.run([sys.executable, "-c", WRITE, folder / name, *arguments], check=True)


@contextmanager
def files(folder: Path, *, latency_s: float = 0.0) -> Generator[Iterator[str]]:
    """Serve a folder of files, and give its address again and again under new names."""
    command = [sys.executable, "-c", FILES, str(folder), str(latency_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        try:
            yield (f"http://127.0.0.1:{port}/{n}" for n in count())
        finally:
            process.terminate()


def precomputed(*, quick: bool) -> Iterator[Figure]:
    """Yield what reading precomputed volumes costs beside bare tensorstore, near and far, cold and warm."""
    try:
        import tensorstore as ts
    except ModuleNotFoundError:
        raise Unavailable("tensorstore is not installed, and it is beside it that is measured") from None

    def bare(address: str) -> Any:
        kvstore = {"driver": "http", "base_url": f"{address}/em/"}
        return ts.open({"driver": "neuroglancer_precomputed", "kvstore": kvstore}, read=True).result()

    rounds = 5 if quick else 15
    box = np.s_[0:192, 0:576, 0:1152]
    with volumes(200) as folder:
        truth = np.load(folder / "image.npy", mmap_mode="r")
        wrote(folder, "em", "whole", folder / "image.npy")
        for name, latency_s in (("over loopback", 0.0), ("at 50 ms", 0.05)):
            with files(folder, latency_s=latency_s) as addresses:
                # Opened before, and each read once: what is kept in memory is not measured.
                ours = [open_volume(f"precomputed://{next(addresses)}/em") for _ in range(rounds + 1)]
                theirs = [bare(next(addresses)) for _ in range(rounds + 1)]
                assert np.array_equal(ours.pop()[box], truth[box])
                assert np.array_equal(theirs.pop()[:1152, :576, :192, 0].read().result().T, truth[box])
                yield compared(
                    f"rate of a cold precomputed box {name}, ours / tensorstore",
                    # In the order of the file, which is the faster one.
                    lambda left=theirs: left.pop()[:1152, :576, :192, 0].read(order="F").result(),
                    lambda left=ours: left.pop()[box],
                    rounds=rounds,
                    clock=time.perf_counter,
                    at_least=0.9,
                )
        inside = np.s_[10:150, 37:293, 51:307]
        with files(folder) as addresses, server(folder):
            uri = f"precomputed://{next(addresses)}/em"
            kept, known = (open_volume(name, cache=Cache(folder / "cache")) for name in (uri, IMAGE))
            assert np.array_equal(kept[inside], known[inside])
            yield compared(
                "warm read of a precomputed box, its cache / a database's",
                lambda: kept[inside],
                lambda: known[inside],
                rounds=3 * rounds,
                at_most=1.1,
            )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sizes = {"small": (256, 256, 256), "large": (1 << 16, 1 << 17, 1 << 17)}
        for each, size in sizes.items():
            wrote(folder, each, ",".join(map(str, size)))
        with files(folder) as addresses:

            def one_chunk(each: str) -> np.ndarray:
                z, y, x = (extent // 128 * 64 for extent in sizes[each])
                volume = open_volume(f"precomputed://{next(addresses)}/{each}")
                return volume.read((z, y, x), (z + 64, y + 64, x + 64))

            assert one_chunk("large").all()
            assert one_chunk("small").all()
            yield compared(
                "time to open and read one chunk, of 1 PB / of 17 MB",
                lambda: [one_chunk("large") for _ in range(10)],
                lambda: [one_chunk("small") for _ in range(10)],
                rounds=rounds,
                clock=time.perf_counter,
                at_most=1.3,
            )


if __name__ == "__main__":
    sys.exit(main("data", [warm, epoch, types, cold, durable, memory, flat, precomputed], about=__doc__))
