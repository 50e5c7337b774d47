"""Failed runs: why, and whether trying again could help, in a file beside the run's folder."""

import errno
import json
import logging
import socket
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from mtneuro_suite._shared.files import written_beside
from mtneuro_suite._shared.words import one_line
from mtneuro_suite.runs.run import Run
from mtneuro_suite.runs.store import Store

logger = logging.getLogger(__name__)

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
_SURROUNDINGS = ("can't allocate memory", "No space left on device", "File too large", "PytorchStreamWriter")
"""What libraries say, in errors of their own, when memory or a disk is full."""

TRACEBACK_LINES = 30
"""Lines of a traceback that are kept: the last ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureNote:
    """Why a run has no result."""

    run: str
    title: str
    reason: str
    """One line: the error and its message."""

    of_surroundings: bool
    """Whether memory, disk, network or a lost worker was at fault: the next start tries again by itself."""

    traceback: str
    when: str
    host: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A run that failed, or that could not start because one it needs failed."""

    run: Run
    reason: str
    needs_another: bool = False
    """Whether the run was not tried, because another one that it needs failed or the disk is full."""


def note_of(run: Run, error: BaseException, *, reason: str | None = None) -> FailureNote:
    """Return the note of a run that ended with an error.

    Parameters
    ----------
    run
        The run that failed.
    error
        What it raised.
    reason
        One line in place of the error's own.
    """
    lines = "".join(traceback.format_exception(error)).splitlines()
    return FailureNote(
        run=run.id,
        title=run.title,
        reason=reason or reason_of(error),
        of_surroundings=of_surroundings(error) or reason is not None,
        traceback="\n".join(lines[-TRACEBACK_LINES:]),
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        host=socket.gethostname(),
    )


def reason_of(error: BaseException) -> str:
    r"""Return an error as one line.

    Examples
    --------
    >>> reason_of(ValueError("two\nlines"))
    'ValueError: two lines'
    >>> reason_of(MemoryError())
    'out of memory; use fewer --workers or a machine with more'
    """
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        detail = f" ({one_line(error)})" if str(error) else ""
        return f"out of memory{detail}; use fewer --workers or a machine with more"
    return f"{type(error).__name__}: {one_line(error)}"


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)


def of_surroundings(error: BaseException) -> bool:
    """Return whether memory, disk or network was at fault, so that the same run may succeed another time.

    Examples
    --------
    >>> of_surroundings(MemoryError()), of_surroundings(ValueError("lr must be positive"))
    (True, False)
    """
    return any(
        isinstance(cause, OSError | MemoryError)
        or type(cause).__name__ == "OutOfMemoryError"  # torch's, of a GPU
        or any(text in str(cause) for text in _SURROUNDINGS)
        for cause in _causes(error)
    )


def no_room(error: BaseException) -> bool:
    """Return whether a disk is full or cannot be written, so that every further run would fail too."""
    return any(isinstance(cause, OSError) and cause.errno in _NO_ROOM for cause in _causes(error))


def _path(store: Store, run: Run) -> Path:
    return store.folder(run).with_name(f"{run.id}.failed.json")


def write_note(store: Store, run: Run, note: FailureNote) -> None:
    """Write a note beside the run's folder; on a full disk there is none, and the next start tries again."""
    try:
        with written_beside(_path(store, run)) as beside:
            beside.write_text(json.dumps(asdict(note), indent=1), encoding="utf-8")
    except OSError:
        logger.warning("no note of the failure of %s could be written", run.id, exc_info=True)


def read_note(store: Store, run: Run) -> FailureNote | None:
    """Return the note of a run that failed, or None where there is none that can be read."""
    try:
        return FailureNote(**json.loads(_path(store, run).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def forget(store: Store, run: Run) -> None:
    """Remove the note of a run that is to be tried again, or has succeeded."""
    _path(store, run).unlink(missing_ok=True)
