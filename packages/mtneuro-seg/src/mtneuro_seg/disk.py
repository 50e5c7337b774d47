"""Files written whole or not at all, and a full disk, said so that a user knows what to do."""

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_TOLD = ("no space left", "disk quota exceeded", "file too large", "file write failed")
"""How torch and safetensors, which lose the error's number, tell it."""


@contextmanager
def written_beside(path: Path) -> Generator[Path]:
    """Give a name beside ``path`` to write to, and rename it into place; a failure leaves nothing there.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with written_beside(Path(folder) / "a.txt") as beside:
    ...         _ = beside.write_text("whole")
    ...     [path.name for path in Path(folder).iterdir()]
    ['a.txt']
    """
    beside = path.with_name(path.name + ".new")
    try:
        yield beside
        beside.replace(path)
    except Exception:
        beside.unlink(missing_ok=True)
        raise


@contextmanager
def disk_named(path: str | os.PathLike[str], *, then: str) -> Generator[None]:
    """Turn the errors of a full disk into one that says how to go on.

    Parameters
    ----------
    path
        What is being written.
    then
        What the same call does once there is room.

    Raises
    ------
    OSError
        In place of the error for the disk, with its number; other errors pass.

    Examples
    --------
    >>> with disk_named("labels.zarr", then="goes on after the finished shards"):
    ...     raise OSError(errno.ENOSPC, "No space left on device")
    Traceback (most recent call last):
    OSError: [Errno 28] there must be room on the disk for 'labels.zarr'; make some, and the same call ...
    """
    try:
        yield
    except Exception as error:
        number = error.errno if isinstance(error, OSError) else None
        # safetensors has an error class of its own; what they share is the system's wording.
        told = str(error).lower()
        if number in _FULL or (number is None and any(words in told for words in _TOLD)):
            raise OSError(
                number or errno.ENOSPC,
                f"there must be room on the disk for {str(path)!r}; make some, and the same call {then}",
            ) from error
        raise
