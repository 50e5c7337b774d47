"""Results of runs that were never carried out, for whatever reads results."""

import csv
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mtneuro_data import TaskArrays, builtin_task
from mtneuro_probe import save_embeddings

from mtneuro_suite import cli
from mtneuro_suite.plan.plan import Plan, plan_of
from mtneuro_suite.preset.model import Preset, read_preset
from mtneuro_suite.report.about import FILE_NAME, About, RegionColumn
from mtneuro_suite.report.html import write_report
from mtneuro_suite.report.names import FEATURES
from mtneuro_suite.report.tables import all_tables
from mtneuro_suite.runs.meter import Spent
from mtneuro_suite.runs.row import Row
from mtneuro_suite.runs.run import Run
from mtneuro_suite.runs.store import Store, csv_text
from mtneuro_suite.steps import (
    Arrays,
    Dense,
    Encoder,
    FeatureProbes,
    Features,
    Floor,
    Probes,
    Regions,
    Segmenter,
    Selection,
    Semantics,
    Umap,
)
from mtneuro_suite.steps.regions import TEST

REGIONS = ("CTX", "STR", "VP", "ZI")
SIDE = 64


class MadeUp:
    """Writes what each kind of run would, with numbers from a seed."""

    def __init__(self, root: Path, plan: Plan, *, slices: int) -> None:
        self.store = Store(root)
        self._plan = plan
        self._slices = slices
        self._rng = np.random.default_rng(0)

    def write(self) -> Store:
        """Write the results of every run of the plan, and return where."""
        for run in self._plan.runs:
            partial = self.store.partial(run)
            partial.mkdir(parents=True)
            rows, extra = getattr(self, f"_{run.step.kind}")(run, partial)
            seconds = float(self._rng.uniform(1, 99))
            # Arrays, as if they had been made on a machine that does not tell its energy.
            energy = None if run.step.kind == "arrays" else seconds * 2e-5
            spent = Spent(seconds=seconds, cpu_seconds=0.9 * seconds, cpu_kwh=energy)
            self.store.finish(run, rows, extra=extra, seconds=seconds, spent=spent)
        return self.store

    def _row(
        self,
        run: Run[Regions | Segmenter | Dense | Probes | Semantics | FeatureProbes],
        task: str,
        metric: str,
        class_name: str = "",
    ) -> Row:
        return Row(
            task=task,
            training_set="train",
            test_set=f"{task}:test",
            model=run.step.model,
            seed=run.step.seed,
            metric=metric,
            class_name=class_name,
            value=(value := float(self._rng.uniform(0.3, 1))),
            n=40,
            low=value - 0.05,
            high=value + 0.04,
        )

    def _arrays(self, run: Run[Arrays], out: Path) -> tuple[list[Row], dict[str, Any]]:
        task = run.step.task
        cubes = task.splits["all"][0].cubes
        names = [f"{cube}/z{z}" for cube in cubes for z in range(self._slices)]
        region = np.arange(len(names)) // self._slices % len(REGIONS)
        shape = (len(names), *([task.depth] if task.depth > 1 else []), SIDE, SIDE)
        level = (100 + 25 * region).reshape(-1, *(1 for _ in shape[1:]))
        noise = self._rng.normal(level, 20, shape)
        TaskArrays(
            images=noise.clip(0, 255).astype(np.uint8),
            region=region,
            masks=None,
            sample_id=np.array(names),
            region_names=REGIONS,
            class_names=(),
            voxel_size_um=(1.17, 1.17, 1.17),
            fingerprint="0" * 16,
        ).save(out / "arrays.npz")
        return [], {
            "images": len(names),
            "shape": list(shape),
            "per_region": dict.fromkeys(REGIONS, self._slices),
        }

    def _history(self, out: Path, **columns: Sequence[float]) -> None:
        (out / "model").mkdir()
        with (out / "model" / "history.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows(zip(*columns.values(), strict=True))

    def _encoder(self, run: Run[Encoder], out: Path) -> tuple[list[Row], dict[str, Any]]:
        steps = np.arange(1, 41)
        self._history(out, step=steps.tolist(), loss=(2 / steps + self._rng.uniform(0, 0.1, 40)).tolist())
        return [], {"images": 40}

    def _floor(self, run: Run[Floor], out: Path) -> tuple[list[Row], dict[str, Any]]:
        return [], {"limits": [0.0, 256.0]}

    def _regions(self, run: Run[Regions], out: Path) -> tuple[list[Row], dict[str, Any]]:
        tasks = [role.removeprefix(TEST) for role in run.needs if role.startswith(TEST)]
        views = ("whole", "corners") if run.step.supervised else ("corners",)
        extra: dict[str, Any] = {
            f"confusion {task} {view}": (
                self._rng.integers(0, 9, (4, 4)) + 30 * np.eye(4, dtype=np.int64)
            ).tolist()
            for task in tasks
            for view in views
        }
        rows = [self._row(run, task, f"accuracy_{view}") for task in tasks for view in views]
        return rows, {**extra, "region_names": list(REGIONS)}

    def _segmenter(self, run: Run[Segmenter | Dense], out: Path) -> tuple[list[Row], dict[str, Any]]:
        task = run.step.task
        half = next(half for half in self._plan.inputs.segmentation if half.name == task)
        names = ["background", "vessel", "cell", "axon"][: int(half.classes[0])]
        size = (8, 256, 256) if half.dimensions == 3 else (256, 256)
        self._history(out, epoch=[1, 2], step=[9, 18], loss=[0.9, 0.4], val_loss=[1.0, 0.6])
        blocks = self._rng.integers(0, len(names), (3, *size[:-2], 16, 16), np.uint8)
        truth = np.kron(blocks, np.ones((16, 16), np.uint8))
        np.savez_compressed(
            out / "examples.npz",
            images=self._rng.integers(0, 256, (3, *size), np.uint8),
            truth=truth,
            prediction=np.roll(truth, 8, axis=-1),
            sample_id=np.array([f"A-{region}/z440" for region in REGIONS[:3]]),
        )
        rows = [
            self._row(run, task, metric, name) for metric in ("f1", "iou") for name in (*names, "average")
        ]
        return rows, {"class_names": names, "images": 40}

    _retrained = _dense = _segmenter

    def _probes(self, run: Run[Probes], out: Path) -> tuple[list[Row], dict[str, Any]]:
        tasks = [role.removeprefix(TEST) for role in run.needs if role.startswith(TEST)]
        return [self._row(run, task, f"accuracy_corners_{p}") for task in tasks for p in run.step.probes], {}

    def _selection(self, run: Run[Selection], out: Path) -> tuple[list[Row], dict[str, Any]]:
        return [], {"chosen": run.step.model}

    def _features(self, run: Run[Features], out: Path) -> tuple[list[Row], dict[str, Any]]:
        names = [f"A-{region}/z{z}" for region in REGIONS for z in range(self._slices)]
        with (out / "features.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["sample_id", *FEATURES])
            for name in names:
                # The first feature was not measured in one sample.
                first = "" if name == names[0] else self._rng.uniform(0, 0.1)
                writer.writerow([name, first, *self._rng.uniform(0, 90, len(FEATURES) - 1)])
        return [], {"samples": len(names)}

    def _semantics(self, run: Run[Semantics], out: Path) -> tuple[list[Row], dict[str, Any]]:
        names = np.array([f"A-{region}/z{z}" for region in REGIONS for z in range(self._slices)])
        embeddings = self._rng.normal(size=(len(names), 3)).astype(np.float32)
        save_embeddings(out / "embeddings.npz", embeddings, sample_id=names)
        np.save(out / "region.npy", np.arange(len(names)) // self._slices)
        metrics = ("r2_same_sample", "r2_cross_validated", "r2_cross_validated_within")
        rows = [self._row(run, run.step.task, metric, name) for metric in metrics for name in FEATURES]
        return rows, {"dimensions": 3, "region_names": list(REGIONS)}

    def _feature_probes(self, run: Run[FeatureProbes], out: Path) -> tuple[list[Row], dict[str, Any]]:
        return [self._row(run, run.step.task, "r2_cross_validated_knn", name) for name in FEATURES], {}

    def _umap(self, run: Run[Umap], out: Path) -> tuple[list[Row], dict[str, Any]]:
        region = np.repeat(np.arange(4), self._slices)
        points = self._rng.normal(size=(len(region), 2)) + 4 * np.column_stack([region % 2, region // 2])
        np.save(out / "points.npy", points.astype(np.float32))
        return [], {}


@pytest.fixture(scope="session")
def made_up() -> Callable[..., Store]:
    """Write results of every run of a plan: ``made_up(plan, folder, slices=12)`` returns their store."""

    def write(plan: Plan, root: Path, *, slices: int = 12) -> Store:
        return MadeUp(root, plan, slices=slices).write()

    return write


@pytest.fixture(scope="session")
def finished(
    made_up: Callable[..., Store], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Plan, Store, Path]:
    """A plan with a run of every kind, the store of its made-up results, and their report."""
    smoke = read_preset("smoke").model_dump()
    smoke["task1"].update(tasks=("roi-c1", "roi-c2", "roi-c3"))
    smoke["task2"].update(models=("unet", "unet3d"), classes=("3class", "4class"), downsample=1)
    smoke["task3"].update(encoders=("roi-c1", "roi-c3"))
    plan = plan_of(Preset.model_validate(smoke))
    folder = tmp_path_factory.mktemp("finished")
    store = made_up(plan, folder)
    tables = all_tables(plan, store.rows(plan.runs))
    return plan, store, write_report(plan, store, tables, folder / "report.html")


@pytest.fixture
def task_file(tmp_path: Path) -> Callable[..., str]:
    """Return a function that writes one of the paper's tasks, changed, as a file of a user's own."""

    def written(builtin: str, **changes: Any) -> str:
        task = builtin_task(builtin).with_source("phantom").replaced(**changes)
        path = tmp_path / f"{task.name}.json"
        path.write_text(task.model_dump_json(), "utf-8")
        return str(path)

    return written


@pytest.fixture
def row() -> Callable[..., Row]:
    """Make a row of results: ``row(model, seed, value)``."""

    def made(
        model: str,
        seed: int,
        value: float | None,
        *,
        task: str = "roi-c1",
        part: str = "test",
        metric: str = "accuracy_corners",
        class_name: str = "",
        n: int = 800,
        note: str = "",
    ) -> Row:
        return Row(
            task=task,
            training_set=f"{task}:train",
            test_set=f"{task}:{part}",
            model=model,
            seed=seed,
            metric=metric,
            class_name=class_name,
            value=value,
            n=n,
            note=note,
        )

    return made


@pytest.fixture
def written() -> Callable[..., Path]:
    """Write rows as a folder of results: ``written(folder, rows)`` returns the folder."""

    def write(
        folder: Path,
        rows: Sequence[Row],
        *,
        caveat: str = "The phantom is not the brain.",
        downsample: int = 2,
        preset: dict[str, Any] | None = None,
    ) -> Path:
        about = About(
            suite_version="0.1.0",
            name=folder.name,
            caveat=caveat,
            regions={
                name: RegionColumn(paper_column=column, downsample=downsample)
                for name, column in (("roi-c1", "roi-c1"), ("roi-c3[B]", "roi-c3"))
            },
            segmentation={"seg-2d-4class": "4class", "seg-3d-4class": "4class"},
            preset=preset or {},
            runs=(),
        )
        folder.mkdir(parents=True)
        (folder / "results.csv").write_text(csv_text(rows), encoding="utf-8")
        (folder / FILE_NAME).write_text(about.model_dump_json(), encoding="utf-8")
        return folder

    return write


@pytest.fixture
def run_smoke(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[pd.DataFrame, str, str]]:
    """Run the preset ``smoke`` into a folder; return its rows, tables, and report without pictures."""

    def run(output: Path, *words: str) -> tuple[pd.DataFrame, str, str]:
        argv = [
            "mtneuro",
            "run",
            "--preset",
            "smoke",
            "--tables",
            *words,
            "--workers",
            "0",
            "--output",
            str(output),
        ]
        monkeypatch.setattr(sys, "argv", argv)
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        shown = capsys.readouterr()
        assert stopped.value.code == 0, shown.err
        (folder,) = (path.parent for path in output.glob("*/results.csv"))
        report = (folder / "report.html").read_text("utf-8")
        return pd.read_csv(folder / "results.csv"), shown.out, re.sub(r"base64,[^\"]*", "", report)

    return run
