"""A small volume, a database that serves it on the loopback address, and a task over it."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import blosc
import numpy as np
import pytest
from mtneuro_data import Cube, SplitPart, TaskSpec
from mtneuro_data.sources.boss import BossServer

CUTOUT = re.compile(
    r"/v1/cutout/lab/scan/(\w+)/(\d+)/(-?\d+):(-?\d+)/(-?\d+):(-?\d+)/(-?\d+):(-?\d+)/\?access-mode=no-cache"
)


@dataclass
class FakeBoss:
    """What the server holds, what it was asked, and what it shall do wrong next."""

    server: BossServer
    volumes: dict[str, np.ndarray]
    faults: list[Callable[["Handler"], None]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)
    voxel_unit: str = "micrometers"
    token: str = "public"

    @property
    def cutouts(self) -> list[str]:
        return [path for path in self.requests if "/cutout/" in path]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    boss: FakeBoss

    def do_GET(self) -> None:
        boss = self.boss
        with boss.lock:
            boss.requests.append(self.path)
            boss.tokens.add(self.headers["Authorization"])
            fault = boss.faults.pop(0) if boss.faults and "/cutout/" in self.path else None
        if self.headers["Authorization"] != f"Token {boss.token}":
            self.refuse(401, 0, "Invalid token.")
        elif fault is not None:
            fault(self)
        elif "/cutout/" in self.path:
            self.cutout()
        else:
            self.describe()

    def cutout(self) -> None:
        match = CUTOUT.fullmatch(self.path)
        if match is None or match[1] not in self.boss.volumes:
            return self.refuse(404, 4000, "no such channel")
        level, x0, x1, y0, y1, z0, z1 = map(int, match.groups()[1:])
        volume = self.boss.volumes[match[1]][:, :: 2**level, :: 2**level]
        z, y, x = volume.shape
        if not (0 <= x0 < x1 <= x and 0 <= y0 < y1 <= y and 0 <= z0 < z1 <= z):
            return self.refuse(400, 1001, "out of bounds")
        voxels = np.ascontiguousarray(volume[z0:z1, y0:y1, x0:x1])
        return self.answer(200, blosc.compress(voxels.tobytes(), typesize=voxels.itemsize))

    def describe(self) -> None:
        boss = self.boss
        name = self.path.rpartition("/")[2]
        z, y, x = next(iter(boss.volumes.values())).shape
        named = {"name": name, "public": True, "description": "", "creator": "lab"}
        if self.path == "/v1/collection/lab/experiment/scan":
            levels = {"num_hierarchy_levels": 2, "hierarchy_method": "anisotropic", "coord_frame": "frame"}
            times = {"num_time_samples": 1, "time_step": None, "time_step_unit": "nanoseconds"}
            about = {**named, "channels": list(boss.volumes), "collection": "lab", **levels, **times}
        elif self.path == "/v1/coord/frame":
            stops = {"x_start": 0, "x_stop": x, "y_start": 0, "y_stop": y, "z_start": 0, "z_stop": z}
            sizes = {"x_voxel_size": 1.0, "y_voxel_size": 2.0, "z_voxel_size": 3.0}
            about = {**named, **stops, **sizes, "voxel_unit": boss.voxel_unit}
        elif self.path.startswith("/v1/collection/lab/experiment/scan/channel/") and name in boss.volumes:
            datatype = boss.volumes[name].dtype.name
            about = {
                **named,
                "experiment": "scan",
                "default_time_sample": 0,
                "type": "image" if datatype == "uint8" else "annotation",
                "base_resolution": 0,
                "datatype": datatype,
                "sources": [],
                "downsample_status": "DOWNSAMPLED",
                "related": [],
                "storage_type": "spdb",
                "bucket": "",
                "cv_path": "",
            }
        else:
            return self.refuse(404, 4000, f"{name} does not exist")
        return self.answer(200, json.dumps(about).encode())

    def refuse(self, status: int, code: int, message: str) -> None:
        self.answer(status, json.dumps({"status": status, "code": code, "message": message}).encode())

    def answer(self, status: int, body: bytes, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def volume(rng: np.random.Generator) -> np.ndarray:
    """An image whose every box is unlike any other."""
    return rng.integers(0, 256, (40, 150, 200), dtype=np.uint8)


@pytest.fixture
def labels(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 4, (40, 150, 200), dtype=np.uint64)


@pytest.fixture
def boss(volume: np.ndarray, labels: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBoss]:
    """A database with the channels lab/scan/image and lab/scan/labels; the environment points to it."""
    handler = type("Bound", (Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    host = f"127.0.0.1:{server.server_address[1]}"
    fake = FakeBoss(BossServer(host=host, protocol="http"), {"image": volume, "labels": labels})
    handler.boss = fake
    monkeypatch.setenv("INTERN_HOST", host)
    monkeypatch.setenv("INTERN_PROTOCOL", "http")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield fake
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def task(tmp_path: Path, volume: np.ndarray, labels: np.ndarray) -> TaskSpec:
    """A segmentation task of two cubes over two .npy files."""
    np.save(tmp_path / "image.npy", volume)
    np.save(tmp_path / "labels.npy", labels)
    both = ("A-CTX", "A-STR")
    return TaskSpec(
        name="small",
        kind="segmentation",
        image=str(tmp_path / "image.npy"),
        annotation=str(tmp_path / "labels.npy"),
        regions=("CTX", "STR"),
        cubes={
            "A-CTX": Cube(region="CTX", y=(4, 36), x=(8, 56)),
            "A-STR": Cube(region="STR", y=(100, 132), x=(120, 168)),
        },
        splits={
            "train": (SplitPart(cubes=both, z=(0, 10)),),
            "val": (SplitPart(cubes=both, z=(10, 14)),),
            "test": (SplitPart(cubes=both, z=(24, 33)),),
        },
        class_names=("background", "vessel", "cell"),
        label_map={0: 0, 1: 1, 2: 2, 3: 0},
    )
