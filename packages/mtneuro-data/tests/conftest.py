"""A small volume, a database that serves it on the loopback address, and a task over it."""

import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from mtneuro_data import Cube, SplitPart, TaskSpec, open_volume
from mtneuro_data.cli import main
from mtneuro_data.serving import Catalogue, Faults, VolumeServer
from mtneuro_data.serving.faults import Fault
from mtneuro_data.serving.service import Service
from mtneuro_data.sources.boss import BossServer


@dataclass(frozen=True)
class Scripted(Faults):
    """Faults in a given order, then none."""

    script: list[Fault] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self, path: str, /) -> Fault | None:
        with self.lock:
            return self.script.pop(0) if self.script else None


@dataclass
class Boss:
    """A running database: its volumes, the requests that it got, and the faults to come."""

    running: VolumeServer
    volumes: dict[str, np.ndarray]
    requests: list[str]

    @property
    def service(self) -> Service:
        return self.running.service

    @property
    def server(self) -> BossServer:
        return self.running.address

    @property
    def cutouts(self) -> list[str]:
        return [path for path in self.requests if "/cutout/" in path]

    def fail(self, *faults: Fault, stall_s: float = 1.0) -> None:
        self.service.faults = Scripted(rate=0, stall_s=stall_s, script=list(faults))


class Shell:
    """Runs the command line and gives its status and what it printed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch = monkeypatch
        self.capsys = capsys

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        self.monkeypatch.setattr(sys, "argv", ["mtneuro-data", *map(str, arguments)])
        status = 0
        try:
            main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        printed = self.capsys.readouterr()
        return status, printed.out, printed.err


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
def boss(
    volume: np.ndarray, labels: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Boss]:
    """A database with the channels lab/scan/image and lab/scan/labels; the environment points to it."""
    folder = tmp_path / "served"
    folder.mkdir()
    np.save(folder / "image.npy", volume)
    np.save(folder / "labels.npy", labels)
    channels = {f"lab/scan/{name}": open_volume(folder / f"{name}.npy") for name in ("image", "labels")}
    annotations, size = ["lab/scan/labels"], (1.0, 1.0, 1.0)
    catalogue = Catalogue(channels, levels=2, annotations=annotations, voxel_size_um=size)
    with VolumeServer(catalogue) as running:
        running.service.requests = []
        monkeypatch.setenv("INTERN_HOST", running.address.host)
        monkeypatch.setenv("INTERN_PROTOCOL", "http")
        # The served arrays themselves, so that a test may change them.
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r+") for name in ("image", "labels")}
        yield Boss(running, arrays, running.service.requests)


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


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Shell:
    monkeypatch.setenv("MTNEURO_CACHE", str(tmp_path / "cache"))
    return Shell(monkeypatch, capsys)


@pytest.fixture
def task_file(task: TaskSpec, tmp_path: Path) -> Path:
    path = tmp_path / "small.json"
    path.write_text(task.model_dump_json())
    return path
