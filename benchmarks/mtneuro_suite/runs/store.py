"""Results on disk: a folder a run, renamed into place when it is whole."""

import csv
import io
import json
import os
import shutil
import socket
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mtneuro_suite.runs.provenance import provenance
from mtneuro_suite.runs.row import Row
from mtneuro_suite.runs.run import Run

RESULT_VERSION = 1
"""Version of the result file's layout."""

LOG = "run.log"
"""File in a run's folder: when and where it was started, resumed, or restarted."""


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
        """Return the folder to work in: a new one, or the one that an interrupted attempt left."""
        partial = self.partial(run)
        partial.mkdir(parents=True, exist_ok=True)
        resumed = self.begun(run)
        self.log(run, f"{'resumed' if resumed else 'started'} on {socket.gethostname()}")
        return partial

    def begun(self, run: Run) -> bool:
        """Return whether an interrupted attempt left something to resume from."""
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
            "settings": run.step.model_dump(mode="json"),
            "needs": {role: [need.id for need in needs] for role, needs in run.needs.items()},
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

    def check_settings(self, run: Run) -> None:
        """Check that a finished run's result file has the settings that were planned.

        Raises
        ------
        ValueError
            If somebody has changed it.
        """
        planned = json.loads(json.dumps(run.step.model_dump(mode="json")))
        if self.result(run).get("settings") != planned:
            raise ValueError(
                f"{self.folder(run) / 'result.json'} must hold the settings of its run, got others: somebody "
                f"changed it; delete {self.folder(run)} and run again"
            )

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
