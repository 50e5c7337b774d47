"""Leases: they say which process works on a run, so that suites that share a folder never do one twice.

A lease is a file beside the run's folder, ``RUN.lease-N``. Its holder is the process that created the
highest ``N``. Only one process can create it, because the file is opened with ``O_EXCL``, which is reliable
over NFS too, where locks are not. While the holder works, a thread renews the file's modification time.
Another process takes the run over by creating ``N + 1``: at once if the holder was a process of its own
machine and is dead, otherwise when it has watched the lease for `STALE_AFTER` seconds without a renewal. So
no other machine's clock is trusted, and of two processes that find a lease stale only one gets the next.
"""

import json
import logging
import os
import secrets
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from mtneuro_suite._shared.files import process_exists, this_machine

logger = logging.getLogger(__name__)

STALE_AFTER = 60.0
"""Seconds without renewal after which a lease of another machine is taken over."""

RENEWED_EVERY = 5.0
"""Seconds between two renewals."""


class LeaseLost(Exception):  # noqa: N818
    """Another process has taken over this one's run, believing it dead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The process that a lease belongs to."""

    machine: str
    """Host, boot and process namespace: a process number means nothing outside them."""

    pid: int
    start: float
    """When the process started, by a clock that nobody sets: a process number may be given again."""

    token: str
    """Drawn for this lease alone."""

    def dead(self) -> bool:
        """Return whether the process is known to have ended."""
        if self.machine != this_machine():
            return False
        try:
            process = psutil.Process(self.pid)
            return process.status() == psutil.STATUS_ZOMBIE or _started(self.pid) != self.start
        except psutil.NoSuchProcess:
            # A system may hide another user's process from psutil.
            return sys.platform == "win32" or not process_exists(self.pid)
        except psutil.Error:
            return False


def _started(pid: int) -> float:
    """Return when a process started, in ticks since the system's start where there is ``/proc``."""
    try:
        # The name in parentheses may hold anything; the start is the 22nd field of all.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return psutil.Process(pid).create_time()
    return int(fields[19])


def _newest(base: Path) -> int:
    """Return the highest number of a lease on a run, 0 where there is none."""
    prefix = f"{base.name}.lease-"
    numbers = [path.name.removeprefix(prefix) for path in base.parent.glob(f"{prefix}*")]
    return max((int(number) for number in numbers if number.isdecimal()), default=0)


def _file(base: Path, number: int) -> Path:
    return base.with_name(f"{base.name}.lease-{number}")


def _holder(path: Path) -> Holder | None:
    """Return the holder of a lease, or None where the file is gone or not yet written."""
    try:
        return Holder(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


class Lease:
    """A lease that this process holds until it closes it.

    Parameters
    ----------
    base
        The run's folder, beside which the lease lies.
    number
        Which of the run's leases it is.
    holder
        This process.
    """

    def __init__(self, base: Path, number: int, holder: Holder) -> None:
        self._base, self._number, self._holder = base, number, holder
        self._left = threading.Event()
        self._lost = False
        self._renewing = threading.Thread(target=self._renew, name=f"lease of {base.name}", daemon=True)
        self._renewing.start()

    def close(self) -> None:
        """Give the lease back."""
        self._left.set()
        self._renewing.join()
        if self._held():
            # Lowest first: while any is left, the highest is this one.
            for number in range(1, self._number + 1):
                _file(self._base, number).unlink(missing_ok=True)

    def check(self) -> None:
        """Raise :class:`LeaseLost` if another process has the run now."""
        if self._lost or not self._held():
            raise LeaseLost(f"{self._base.name} was taken over by another process")

    def confirmed(self) -> bool:
        """Return whether the lease was still this process's at its last renewal."""
        return not self._lost

    def _held(self) -> bool:
        return (
            _newest(self._base) == self._number and _holder(_file(self._base, self._number)) == self._holder
        )

    def _renew(self) -> None:
        while not self._left.wait(RENEWED_EVERY):
            try:
                if not self._held():
                    self._lost = True
                    return
                os.utime(_file(self._base, self._number))
            except OSError:
                # The share is away for a moment; if it lasts, another process takes the run over.
                logger.warning("could not renew the lease of %s", self._base.name, exc_info=True)


def lease(base: Path, *, stale_lease: int = 0) -> Lease | None:
    """Return a lease on a run, or None while another process holds one.

    Parameters
    ----------
    base
        The run's folder, beside which the lease is laid; the folder above must exist.
    stale_lease
        Number of a lease that was seen to be stale, as `Watch` returns it.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    newest = _newest(base)
    if newest and newest != stale_lease:
        holder = _holder(_file(base, newest))
        if holder is None or not holder.dead():
            return None
    path = _file(base, newest + 1)
    holder = Holder(
        machine=this_machine(),
        pid=os.getpid(),
        start=_started(os.getpid()),
        token=secrets.token_hex(8),
    )
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    except FileExistsError:
        return None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(json.dumps(asdict(holder)))
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return Lease(base, newest + 1, holder)


class Watch:
    """Notices when a lease is free, by the changes that it sees itself.

    Parameters
    ----------
    stale_after
        Seconds without renewal after which a holder is given up.
    """

    def __init__(self, *, stale_after: float = STALE_AFTER) -> None:
        self._stale_after = stale_after
        self._seen: dict[Path, tuple[object, float]] = {}

    def stale_lease(self, base: Path) -> int | None:
        """Return the number of the lease that may be taken over, 0 where none is held, None while one is."""
        newest = _newest(base)
        if not newest:
            return 0
        path = _file(base, newest)
        try:
            # Opened, and not only looked up: over NFS this is what fetches the file's true time.
            with path.open("rb") as file:
                state = (newest, file.read(), os.fstat(file.fileno()).st_mtime_ns)
        except OSError:
            return None
        now = time.monotonic()
        before, since = self._seen.get(base, (None, now))
        if before != state:
            self._seen[base] = (state, now)
            since = now
        holder = _holder(path)
        stale = now - since > self._stale_after
        return newest if stale or (holder is not None and holder.dead()) else None
