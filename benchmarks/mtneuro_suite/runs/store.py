"""Results on disk: a folder a run, renamed into place when it is whole."""

import csv
import io
import json
import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from mtneuro_suite._shared.digests import file_digest
from mtneuro_suite._shared.files import disk_errors_named, is_temporary, remove, rename_into_place
from mtneuro_suite._shared.words import one_line
from mtneuro_suite.runs.meter import SPENT, Spent
from mtneuro_suite.runs.provenance import provenance
from mtneuro_suite.runs.row import Row
from mtneuro_suite.runs.run import Run

RESULT_VERSION = 1
"""Version of the result file's layout."""

LOG = "run.log"
"""File in a run's folder: when and where it was started, resumed, or restarted."""


_NOTES = (LOG, SPENT)
"""What an attempt leaves that the next one does not go on from."""

RESULT = "result.json"
"""File in a run's folder that holds its numbers, written last."""


class _File(BaseModel):
    """What is on record of one file of a run."""

    bytes: int
    sha256: str


class _Result(BaseModel):
    """What a result file holds."""

    run: str
    rows: list[Row]
    extra: dict[str, Any]
    settings: dict[str, Any]
    needs: dict[str, list[str]]
    provenance: dict[str, Any]
    files: dict[str, _File] = {}


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
        """Return whether the run has finished, here or on another machine, and its files are whole."""
        return self.stamp(run) is not None

    def stamp(self, run: Run) -> int | None:
        """Return when the run's result was written, in nanoseconds; None where there is no whole result."""
        try:
            stamp = (self.folder(run) / RESULT).stat().st_mtime_ns
        except (FileNotFoundError, NotADirectoryError):
            return None
        return None if self.damage(run) else stamp

    def damage(self, run: Run, *, thoroughly: bool = False) -> str | None:
        """Return what is wrong with a finished run's files, or None where they are whole or there are none.

        Parameters
        ----------
        run
            The run; one that was never finished is not damaged.
        thoroughly
            Compare contents too, and not only sizes. A result that an older version of the suite wrote has
            neither on record: its arrays are taken as they are.
        """
        return self.inspected(run.id, thoroughly=thoroughly)[1]

    def inspected(self, name: str, *, thoroughly: bool = False) -> tuple[dict[str, Any] | None, str | None]:
        """Return what a run's result file holds, if it can be read, and what is wrong with its files.

        Parameters
        ----------
        name
            The run's.
        thoroughly
            As `damage` has it.
        """
        folder = self.root / "runs" / name
        path = folder / RESULT
        try:
            result = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None, None
        except ValueError:
            return None, f"{path} must be a result file, and cannot be read as one"
        content = cast("dict[str, Any]", result) if isinstance(result, dict) else {}
        version = content.get("result_version")
        if not isinstance(version, int):
            return content, f"{path} must be a result file, and lacks its result_version"
        if version != RESULT_VERSION:
            return content, None  # not damaged, but another program's: `result` refuses it
        try:
            files = _Result.model_validate(content).files
        except ValidationError as error:
            return content, f"{path} must be a result file; {one_line(error)}"
        for name, written in files.items():
            found = folder / name
            try:
                size = found.stat().st_size
            except (FileNotFoundError, NotADirectoryError):
                return content, f"{found} is gone"
            if size != written.bytes:
                return content, f"{found} must have {written.bytes:,} bytes, got {size:,}"
            if thoroughly and file_digest(found) != written.sha256:
                return content, f"{found} no longer holds what was written"
        return content, None

    def set_aside(self, run: Run) -> None:
        """Take a damaged run's result for undone; its files stay until it has been made again."""
        (self.folder(run) / RESULT).replace(self.folder(run) / f"{RESULT}.damaged")

    def start(self, run: Run) -> Path:
        """Return the folder to work in: a new one, or the one that an interrupted attempt left."""
        partial = self.partial(run)
        partial.mkdir(parents=True, exist_ok=True)
        # Nobody else is at work here: what has a temporary name was left by a killed process.
        for path in list(partial.rglob(".*-*")):
            if is_temporary(path.name):
                remove(path)
        resumed = self.begun(run)
        self.log(run, f"{'resumed' if resumed else 'started'} on {socket.gethostname()}")
        return partial

    def begun(self, run: Run) -> bool:
        """Return whether an interrupted attempt left something to resume from."""
        partial = self.partial(run)
        return partial.is_dir() and any(path.name not in _NOTES for path in partial.iterdir())

    def clear(self, run: Run) -> None:
        """Remove what an interrupted attempt left, but for its log and what it spent."""
        for path in self.partial(run).iterdir():
            if path.name not in _NOTES:
                remove(path)

    def log(self, run: Run, line: str) -> None:
        """Add a line to the unfinished run's log, which stays with its result."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with (self.partial(run) / LOG).open("a", encoding="utf-8") as file:
            file.write(f"{now} process {os.getpid()}: {line}\n")

    def finish(
        self,
        run: Run,
        rows: Iterable[Row],
        *,
        extra: dict[str, Any],
        seconds: float,
        spent: Spent | None = None,
    ) -> None:
        """Write the result file and rename the run's folder into place; an older result is then removed.

        What is renamed is on the disk by then, and the result file says how long every other file is.
        """
        partial, folder = self.partial(run), self.folder(run)
        for name in (RESULT, SPENT):
            (partial / name).unlink(missing_ok=True)
        result = {
            "result_version": RESULT_VERSION,
            "run": run.id,
            "title": run.title,
            "rows": [asdict(row) for row in rows],
            "extra": extra,
            "settings": run.step.model_dump(mode="json"),
            "needs": {role: [need.id for need in needs] for role, needs in run.needs.items()},
            "provenance": provenance(seconds, spent=spent),
            "files": _files(partial),
        }
        with disk_errors_named(folder):
            (partial / RESULT).write_text(json.dumps(result, indent=1), encoding="utf-8")
            # A stop between the renames of the older result and this one loses nothing: this one is whole.
            rename_into_place(partial, folder)

    def result(self, run: Run) -> dict[str, Any]:
        """Return a finished run's result file.

        Raises
        ------
        ValueError
            If the run's files are damaged, or of another version.
        FileNotFoundError
            If the run has no result.
        """
        path = self.folder(run) / RESULT
        result, damage = self.inspected(run.id)
        if damage:
            raise ValueError(f"{damage}; run the same command again to repeat its run")
        if result is None:
            raise FileNotFoundError(f"there is no {path}; run the same command again to make it")
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
                f"{self.folder(run) / RESULT} must hold the settings of its run, got others: somebody "
                f"changed it; delete {self.folder(run)} and run again"
            )

    def rows(self, runs: Iterable[Run]) -> list[Row]:
        """Return the rows of every finished run."""
        return [row for run in runs if self.done(run) for row in _rows(self.result(run))]


def _rows(result: Mapping[str, Any]) -> list[Row]:
    return [Row(**row) for row in result["rows"]]


def _files(folder: Path) -> dict[str, dict[str, Any]]:
    """Return length and SHA-256 of every file below a folder but the log, by its path there."""
    return {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": file_digest(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / LOG
    }


def csv_text(rows: Iterable[Row]) -> str:
    """Return rows as CSV, a line each under a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(Row.__dataclass_fields__), lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return text.getvalue()
