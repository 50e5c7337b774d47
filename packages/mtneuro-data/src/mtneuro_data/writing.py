"""Files that appear whole or not at all."""

import os
import uuid
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["written_beside"]


@contextmanager
def written_beside(path: Path, /) -> Generator[Path]:
    """Give a path to write to, which takes the place of ``path`` when the block ends well.

    Raises
    ------
    OSError
        If the file cannot be written; nothing is left behind, and the message names ``path``.
    """
    beside = path.with_name(f".{uuid.uuid4().hex[:12]}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        os.replace(beside, path)  # noqa: PTH105 - the atomic rename, by its own name
    except OSError as error:
        reason = error.strerror or str(error)
        raise type(error)(error.errno, f"cannot write {path}: {reason}; nothing was left behind") from error
    finally:
        with suppress(OSError):
            beside.unlink()
