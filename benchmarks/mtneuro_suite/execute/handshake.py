"""Check that a worker has the sources and the output folder of the suite that gives it runs."""

from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from secrets import token_hex

from mtneuro_suite._shared.digests import digest, file_digest
from mtneuro_suite._shared.words import one_line
from mtneuro_suite.runs.imports import PACKAGES, package_folder

_MARK = ".shared"


@cache
def sources() -> str:
    """Return the digest of all sources that workers execute, which must be the same there as here."""
    folders = [package_folder(package) for package in PACKAGES]
    files = {
        f"{folder.name}/{path.relative_to(folder).as_posix()}": path
        for folder in folders
        for path in folder.rglob("*.py")
    }
    return digest({name: file_digest(path) for name, path in files.items()})


def check_here(root: str, mark: str) -> None:
    """Check, in a worker, that it shares the output folder and the sources.

    Raises
    ------
    OSError
        If it does not, or the folder cannot be written.
    """
    expected, _, token = mark.partition(" ")
    if sources() != expected:
        raise OSError(
            "its sources are not the ones here; install the same mtneuro there, or start it in this checkout"
        )
    try:
        found = Path(root, f"{_MARK}-{token}").read_text(encoding="ascii")
        probe = Path(root, f"{_MARK}-{token_hex(8)}")
        probe.write_text(mark, encoding="ascii")
        probe.unlink()
    except OSError as error:
        raise OSError(f"it must read and write the output folder {root}: {one_line(error)}") from None
    if found != mark:
        raise OSError(f"its output folder {root} is not the one here; mount the same folder there")


@contextmanager
def marked(root: Path) -> Generator[str]:
    """Leave a marker file in the output folder, by which workers recognise it, until the block is left."""
    token = token_hex(8)
    mark = f"{sources()} {token}"
    path = root / f"{_MARK}-{token}"
    path.write_text(mark, encoding="ascii")
    try:
        yield mark
    finally:
        path.unlink(missing_ok=True)
