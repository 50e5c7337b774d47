"""The memory at hand, and the refusal of what claims more than that before it is decoded."""

import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_ALWAYS = 64 << 20
"""Bytes that are never refused: asking the system would cost more than reading so little."""

_PROC, _CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")

_NAMES = {
    "": ("memory.max", "memory.current", "inactive_file"),
    "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}
"""Files of a control group of version 2 and 1: its limit, its use, and what of the use can be given back."""


class MemoryBoundError(ValueError):
    """A file, or an answer, that claims more memory than there is."""


def memory_at_hand() -> int | None:
    """Return how many bytes this process may still take, or ``None`` where the system does not say.

    That is what Linux can give without swapping, and what is left below the limits of the control groups
    that the process is in: those of a container, or of a cluster's job.

    Examples
    --------
    >>> at_hand = memory_at_hand()
    >>> at_hand is None or at_hand > 0
    True
    """
    found = [*_given(_PROC / "meminfo", "MemAvailable:", unit=1024), *_left_in_groups()]
    return min(found, default=None)


def check_memory(
    what: str, n_bytes: int, /, *, remedy: str = "read a part of it, or use a machine with more memory"
) -> None:
    """Raise where something needs more memory than there is at hand.

    Parameters
    ----------
    what
        What is to be decoded, in words.
    n_bytes
        Bytes that it says it needs.
    remedy
        What to do about it.

    Raises
    ------
    MemoryBoundError
        A ``ValueError`` that names both sizes.

    Examples
    --------
    >>> check_memory("a small array", 1000)
    """
    if n_bytes <= _ALWAYS:
        return
    at_hand = memory_at_hand()
    if at_hand is not None and n_bytes > at_hand:
        raise MemoryBoundError(
            f"{what} must fit into memory, got {_told(n_bytes)} of {_told(at_hand)} at hand; {remedy}"
        )


def check_file(path: Path, /) -> None:
    """Raise where a file that is read whole, or what it unpacks to as a zip archive, is more than memory.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    MemoryBoundError
        A ``ValueError`` that names both sizes.
    """
    n_bytes = path.stat().st_size
    if zipfile.is_zipfile(path):
        with suppress(zipfile.BadZipFile), zipfile.ZipFile(path) as packed:
            n_bytes = max(n_bytes, sum(member.file_size for member in packed.infolist()))
    check_memory(str(path), n_bytes, remedy="use a smaller file, or a machine with more memory")


def _told(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:,.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:,.0f} MB"


def _left_in_groups() -> Iterator[int]:
    """Yield what is left below each limit of the groups that the process is in, inner to outer."""
    try:
        lines = (_PROC / "self" / "cgroup").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, place = (*line.split(":", 2), "", "")[:3]
        if controllers not in _NAMES:
            continue
        limit, use, reclaimed = _NAMES[controllers]
        root = _CGROUPS / controllers
        group = root.joinpath(*(part for part in place.split("/") if part not in ("", "..")))
        for folder in (group, *group.parents):
            if not folder.is_relative_to(root):
                break
            # A limit that is not a number is none.
            for most in _given(folder / limit):
                used = next(_given(folder / use), 0) - next(_given(folder / "memory.stat", reclaimed), 0)
                yield max(0, most - max(0, used))


def _given(path: Path, key: str = "", *, unit: int = 1) -> Iterator[int]:
    """Yield the number that stands in a file, behind a word if one is given; nothing where it does not."""
    try:
        lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        words = line.split()
        if (not key or words[:1] == [key]) and len(words) > bool(key) and words[bool(key)].isdecimal():
            yield int(words[bool(key)]) * unit
            return
