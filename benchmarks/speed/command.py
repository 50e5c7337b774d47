"""The command line that every speed script has."""

import argparse
import inspect
import sys
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import psutil
from measuring import Figure
from recording import LEFT_OUT, RECORDS, Part, Record, records

HEADER = f"{'figure':<72} {'measured':>22} {'bound':>10}  verdict"


class Unavailable(Exception):  # noqa: N818 - it is no error
    """A part cannot be measured on this machine; the message says what is missing."""


class Measured(Protocol):
    """A part of a script: a function that yields each figure as soon as it is known."""

    __name__: str

    def __call__(self, *, quick: bool) -> Iterable[Figure]:
        """Yield the figures, of smaller work and fewer rounds if ``quick``."""
        ...


def main(
    name: str,
    parts: Sequence[Measured],
    *,
    about: str | None,
    package: str | None = None,
    arguments: Sequence[str] | None = None,
    folder: Path = RECORDS,
) -> int:
    """Measure the parts of a script, print one table, write one dated JSON, and return the exit status.

    The file is written anew after every part, so a run that is cut off keeps what it has. With ``--only``
    the other parts are taken from the newest file that was measured in the same way on the same machine
    with the same sources, and that file is replaced: a long script may be measured in pieces.

    Parameters
    ----------
    name
        The script's, as in ``speed_<name>.py``.
    parts
        Its parts; the function's name with hyphens is the part's, its docstring's first line what
        ``--list`` tells.
    about
        The script's docstring, the text of ``--help``.
    package
        The package that it measures, as it is imported; ``mtneuro_<name>`` if None.
    arguments, folder
        The command line and the folder of the records, for tests.

    Returns
    -------
    status
        1 if a floor or ceiling is missed or a part failed, else 0.
    """
    known = {part.__name__.replace("_", "-"): part for part in parts}
    given = _parser(about, list(known)).parse_args(arguments)
    if given.list:
        for part, measure in known.items():
            print(f"{part:<20} {(inspect.getdoc(measure) or '').partition(chr(10))[0]}")
        return 0
    script = Path(inspect.getsourcefile(inspect.unwrap(parts[0])) or __file__)
    record = Record.begun(name, package=package or f"mtneuro_{name}", script=script, quick=given.quick)
    record.parts = {part: Part(note=LEFT_OUT) for part in known}
    replaced = _taken_over(record, folder) if given.only else None
    print(HEADER, flush=True)
    for part in given.only or known:
        record.parts[part] = _measured(known[part], quick=given.quick)
        path = record.write(folder)
        if replaced is not None and replaced != path:
            replaced.unlink(missing_ok=True)
    left = [part for part, found in record.parts.items() if found.left_out]
    left_out = f"; left out: {', '.join(left)}" if left else ""
    print(f"figures written to {folder / record.file_name}{left_out}")
    return 0 if record.holds else 1


def _parser(about: str | None, parts: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--quick", action="store_true", help="smaller work and fewer rounds: under a minute")
    parser.add_argument(
        "--only",
        action="append",
        choices=parts,
        metavar="PART",
        help="measure this part and keep the others of an earlier run; may be repeated",
    )
    parser.add_argument("--list", action="store_true", help="list the parts and end")
    return parser


def _taken_over(record: Record, folder: Path) -> Path | None:
    """Take over the parts of the newest run that this one continues, and return its file."""
    for path, earlier in records(record.name, folder):
        if record.continues(earlier):
            record.parts |= earlier.parts
            return path
    return None


def _measured(measure: Measured, *, quick: bool) -> Part:
    """Return a part's figures, printed as they come; a failure ends the part and not the run."""
    part = Part(load_average=round(psutil.getloadavg()[0], 2))
    try:
        for figure in measure(quick=quick):
            part.figures.append(figure)
            print(line(figure), flush=True)
    except Unavailable as reason:
        part.note = str(reason)
        print(f"{measure.__name__}: not measured: {reason}", flush=True)
    except Exception as error:
        traceback.print_exc()
        part.error = f"{type(error).__name__}: {error}".partition("\n")[0]
        print(f"{measure.__name__}: FAILED: {part.error}", flush=True)
    sys.stderr.flush()
    return part


def line(figure: Figure) -> str:
    """Return a figure's line in the table."""
    return f"{figure.name:<72} {figure.measured:>22} {figure.bound:>10}  {figure.verdict}"
