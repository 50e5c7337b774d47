"""Results on disk: a folder a run, renamed into place when it is whole."""

import csv
import importlib.metadata
import io
import json
import os
import platform
import resource
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mtneuro_suite import SUITE_VERSION
from mtneuro_suite.runs.run import Run

RESULT_VERSION = 1
"""Version of the result file's layout."""

LOG = "run.log"
"""File in a run's folder: when and where it was started, taken up again, or started anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One number, and the key under which it is looked up.

    The key is suite version, task, training set, test set, model, seed, metric and class.
    """

    task: str
    training_set: str
    test_set: str
    model: str
    seed: int
    metric: str
    class_name: str
    """A class or a feature; ``""`` where the metric is of all."""

    value: float | None
    """None where the metric is undefined; ``note`` then says why."""

    n: int
    """Samples that the number rests on."""

    note: str = ""
    suite_version: str = SUITE_VERSION


class Store:
    """The folder that holds every run's results.

    Parameters
    ----------
    root
        Output folder; made when the first run starts.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, run: Run) -> Path:
        """Return where a finished run's files are."""
        return self.root / "runs" / run.id

    def partial(self, run: Run) -> Path:
        """Return where an unfinished run's files are."""
        return self.root / "runs" / f"{run.id}.partial"

    def done(self, run: Run) -> bool:
        """Return whether the run has finished, here or on another machine."""
        return (self.folder(run) / "result.json").is_file()

    def stamp(self, run: Run) -> int | None:
        """Return when the run's result was written, in nanoseconds; None where there is no result."""
        try:
            return (self.folder(run) / "result.json").stat().st_mtime_ns
        except (FileNotFoundError, NotADirectoryError):
            return None

    def start(self, run: Run) -> Path:
        """Return the folder to work in: made, or taken over as an interrupted attempt left it."""
        partial = self.partial(run)
        partial.mkdir(parents=True, exist_ok=True)
        resumed = self.begun(run)
        self.log(run, f"{'taken up again' if resumed else 'started'} on {socket.gethostname()}")
        return partial

    def begun(self, run: Run) -> bool:
        """Return whether an interrupted attempt left something to go on from."""
        partial = self.partial(run)
        return partial.is_dir() and any(path.name != LOG for path in partial.iterdir())

    def clear(self, run: Run) -> None:
        """Remove what an interrupted attempt left, but for its log."""
        for path in self.partial(run).iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != LOG:
                path.unlink()

    def log(self, run: Run, line: str) -> None:
        """Add a line to the unfinished run's log, which stays with its result."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with (self.partial(run) / LOG).open("a", encoding="utf-8") as file:
            file.write(f"{now} process {os.getpid()}: {line}\n")

    def finish(self, run: Run, rows: Iterable[Row], *, extra: dict[str, Any], seconds: float) -> None:
        """Write the result file and rename the run's folder into place; an older result is then removed."""
        result = {
            "result_version": RESULT_VERSION,
            "run": run.id,
            "title": run.title,
            "rows": [asdict(row) for row in rows],
            "extra": extra,
            "settings": run.settings,
            "needs": [need.id for need in run.needs],
            "provenance": provenance(seconds),
        }
        partial, folder = self.partial(run), self.folder(run)
        older = folder.with_name(f"{run.id}.older")
        (partial / "result.json").write_text(json.dumps(result, indent=1), encoding="utf-8")
        if folder.exists():
            shutil.rmtree(older, ignore_errors=True)
            folder.rename(older)
        # A stop between the two renames loses nothing: what is in the partial folder is whole.
        partial.rename(folder)
        shutil.rmtree(older, ignore_errors=True)

    def result(self, run: Run) -> dict[str, Any]:
        """Return a finished run's result file.

        Raises
        ------
        ValueError
            If the file is not a result of this version.
        """
        path = self.folder(run) / "result.json"
        try:
            result = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            raise ValueError(f"{path} is not a result file; delete {path.parent} and run again") from None
        if result.get("result_version") != RESULT_VERSION:
            raise ValueError(
                f"{path} must have result_version {RESULT_VERSION}, got {result.get('result_version')!r}; "
                "use another --output"
            )
        return result

    def rows(self, runs: Iterable[Run]) -> list[Row]:
        """Return the rows of every finished run."""
        return [Row(**row) for run in runs if self.done(run) for row in self.result(run)["rows"]]


def csv_text(rows: Iterable[Row]) -> str:
    """Return rows as CSV, a line each under a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(Row.__dataclass_fields__), lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return text.getvalue()


def write_text(path: Path, text: str) -> None:
    """Write a text file beside its place and rename it there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from None


def git_commit() -> str | None:
    """Return the checkout's commit, with ``+changes`` where the tree is not clean."""
    here = Path(__file__).parent
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True
        ).stdout.strip()
        status = subprocess.run(
            ["git", "status", "--porcelain"], cwd=here, capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit + ("+changes" if status else "")


def forget_peak_memory() -> None:
    """Start the count of the process's peak memory anew, where the system can: a worker does many runs."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_memory_kib() -> int:
    """Return the most memory that the process held since it was forgotten, or else since its start."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1])


def provenance(seconds: float) -> dict[str, Any]:
    """Return what a result was made with: versions, commit, device, time and peak memory."""
    versions: dict[str, str] = {}
    for name in (
        "mtneuro-data",
        "mtneuro-ssl",
        "mtneuro-seg",
        "mtneuro-probe",
        "numpy",
        "zarr",
        "torch",
        "lightning",
        "lightly",
        "timm",
        "segmentation-models-pytorch",
        "monai",
        "scikit-learn",
        "umap-learn",
        "connected-components-3d",
    ):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    torch = sys.modules.get("torch")
    gpu_memory = torch.cuda.max_memory_allocated() if torch and torch.cuda.is_available() else 0
    return {
        "suite_version": SUITE_VERSION,
        "commit": git_commit(),
        "python": platform.python_version(),
        "versions": versions,
        "platform": f"{platform.system()} {platform.machine()}",
        "device": torch.cuda.get_device_name() if torch and gpu_memory else "cpu",
        "peak_gpu_memory_mib": gpu_memory // 2**20,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 2),
        "peak_memory_mib": peak_memory_kib() // 1024,
    }
