"""Write files and folders whole or not at all, and name the path when the disk is full."""

import errno
import os
import re
import shutil
import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from secrets import token_hex

_WORDS = {
    "no space left": errno.ENOSPC,
    "file write failed": errno.ENOSPC,
    "disk quota exceeded": errno.EDQUOT,
    "file too large": errno.EFBIG,
}
"""The numbers of the errors that torch and safetensors report in words alone."""

_TEMPORARY = re.compile(r"\.(?P<machine>[0-9a-f]{8})-(?P<process>\d+)-[0-9a-f]{8}-.+", re.DOTALL)
"""What `name_beside` makes of a name."""

_REMEDIES = {
    errno.ENOSPC: "the disk is full; make room",
    errno.EDQUOT: "your disk quota is used up; make room",
    errno.EFBIG: "no file may grow that large here; raise the limit (ulimit -f) or write to another disk",
}


def name_beside(path: Path, /) -> Path:
    """Return a temporary name in the same folder, unique across processes and hosts, with the same ending.

    Examples
    --------
    >>> name_beside(Path("results/a.npz")).name.endswith("-a.npz")
    True
    """
    return path.with_name(f".{_digits()}-{os.getpid()}-{token_hex(4)}-{path.name}")


def is_temporary(name: str, /) -> bool:
    """Return whether a name is one of `name_beside`."""
    return _TEMPORARY.fullmatch(name) is not None


def link_target(path: str | os.PathLike[str], /) -> Path:
    """Return where a link leads, though nothing may stand there yet; the path as it is if it is no link."""
    return Path(os.path.realpath(path)) if os.path.islink(path) else Path(path)  # noqa: PTH114


def remove_abandoned(folder: Path, /) -> None:
    """Remove what processes of this machine that were killed left under names of `name_beside`."""
    if os.name == "nt":
        return
    for path in folder.iterdir():
        named = _TEMPORARY.fullmatch(path.name)
        if named and named["machine"] == _digits() and not process_exists(int(named["process"])):
            remove(path)


@cache
def this_machine() -> str:
    """Return what names this host, its start and its process namespace, where a process number holds."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip())
    with suppress(OSError):
        parts.append(str(Path("/proc/self/ns/pid").readlink()))  # containers of one name
    return " ".join(parts)


@cache
def _digits() -> str:
    return sha256(this_machine().encode()).hexdigest()[:8]


def process_exists(process: int, /) -> bool:
    """Return whether a process of this machine exists; not for Windows, where the question would end it."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True


def remove(path: Path, /) -> None:
    """Remove a file, or a folder with all that is in it, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    with suppress(OSError):
        path.unlink()


@contextmanager
def written_beside(path: str | os.PathLike[str], /, *, durable: bool = True) -> Generator[Path]:
    """Give a temporary path to write a file or a folder to, and rename it to ``path`` if the block succeeds.

    A folder takes the place of an older one, and a link is kept and written through. If the block fails,
    ``path`` is as it was and nothing else is left.

    Parameters
    ----------
    path
        The file or folder.
    durable
        Whether what is renamed, and its name, are on the disk by then; else a loss of power may take them.

    Raises
    ------
    OSError
        If it cannot be written; the message names ``path``.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with written_beside(Path(folder) / "a.txt") as beside:
    ...         _ = beside.write_text("whole")
    ...     [path.name for path in Path(folder).iterdir()]
    ['a.txt']
    """
    target = link_target(path)
    beside = name_beside(target)
    try:
        with disk_errors_named(path):
            target.parent.mkdir(parents=True, exist_ok=True)
            _tidy(target.parent)
            yield beside
            rename_into_place(beside, target, durable=durable)
    finally:
        remove(beside)


@cache
def _tidy(folder: Path) -> None:
    """Remove what killed processes left in a folder, the first time that this process writes there."""
    remove_abandoned(folder)


@contextmanager
def disk_errors_named(path: str | os.PathLike[str], /) -> Generator[None]:
    """Turn errors of the disk into an ``OSError`` that names the path and, for a full disk, the remedy.

    Raises
    ------
    OSError
        With the number of the error that it replaces; errors of other kinds pass.

    Examples
    --------
    >>> with disk_errors_named("labels.zarr"):
    ...     raise OSError(errno.ENOSPC, "No space left on device")
    Traceback (most recent call last):
    OSError: [Errno 28] cannot write labels.zarr: the disk is full; make room and run the same command again
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            number = error.errno
        else:
            number = next((_WORDS[words] for words in _WORDS if words in str(error).lower()), None)
        if number in _REMEDIES:
            reason = f"{_REMEDIES[number]} and run the same command again"
            raise OSError(number, f"cannot write {path}: {reason}") from error
        if isinstance(error, OSError) and number is not None and not _names(error, path):
            reason = error.strerror or str(error)
            raise type(error)(number, f"cannot write {path}: {reason}") from error
        raise


def _names(error: OSError, path: str | os.PathLike[str]) -> bool:
    """Return whether an error's message names the path already."""
    return error.filename is None and str(path) in str(error)


def rename_into_place(beside: Path, target: Path, /, *, durable: bool = True) -> None:
    """Rename what is whole, and on the disk by then; an older folder moves aside, and back on failure."""
    if durable:
        for path in [beside, *beside.rglob("*")] if beside.is_dir() else [beside]:
            synchronise(path)
    if not (beside.is_dir() and target.is_dir()):
        os.replace(beside, target)  # noqa: PTH105 - the atomic rename, by its own name
    else:
        older = name_beside(target)
        target.rename(older)
        try:
            beside.rename(target)
        except OSError:
            older.rename(target)
            raise
        shutil.rmtree(older, ignore_errors=True)
    if durable:
        synchronise(target.parent)


def synchronise(path: Path, /) -> None:
    """Wait until a file, or the names in a folder, are on the disk; Windows does that for files only."""
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
