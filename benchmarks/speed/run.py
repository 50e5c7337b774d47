"""Run all speed scripts, and tell in one table how fast the packages are beside simple correct versions.

    python benchmarks/speed/run.py --quick
    python benchmarks/speed/run.py probe seg
    python benchmarks/speed/run.py --reuse

Runs each script in a process of its own on one thread, one after the other; what they print goes to stderr.
The table, on stdout, tells every ratio with its spread and its floor. In benchmarks/records/speed, one dated
JSON holds it all, and RESULTS.md shows the newest whole (not --quick) measurement of every script. Exits with
1 if a floor is missed, or if a script or a part of it failed or was not measured.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from command import HEADER, line
from recording import RECORDS, Record, records, sources_digest, write

from mtneuro_suite._shared.words import unknown_name

SPEED = Path(__file__).parent


def main(arguments: Sequence[str] | None = None, *, scripts: Path = SPEED, folder: Path = RECORDS) -> int:
    """Measure the scripts or read their records, print the table, write the files, return the exit status."""
    known = [path.stem.removeprefix("speed_") for path in sorted(scripts.glob("speed_*.py"))]
    given = _parser(known).parse_args(arguments)
    names: list[str] = given.names or known
    for name in names:
        if name not in known:
            print(f"run.py: error: {unknown_name('a speed script', name, known)}", file=sys.stderr)
            return 2
    found = {
        name: whole_record(name, folder)
        if given.reuse
        else measured(name, scripts, folder, quick=given.quick)
        for name in names
    }
    problems = [problem for name in names for problem in shortfalls(name, found[name])]
    print("\n".join(table(found.items(), scripts)))
    path = write_all([record for record in found.values() if record], problems, folder)
    print(f"figures written to {path}")
    if not given.quick:
        page = markdown({name: whole_record(name, folder) for name in known}, scripts)
        print(f"page written to {write(page, folder / 'RESULTS.md')}")
    for problem in problems:
        print(f"SHORT: {problem}")
    return 1 if problems else 0


def _parser(known: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}; all if none is given"
    )
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--quick", action="store_true", help="smaller work and fewer rounds: minutes in all")
    way.add_argument("--reuse", action="store_true", help="measure nothing: take the newest whole results")
    return parser


def measured(name: str, scripts: Path, folder: Path, *, quick: bool) -> Record | None:
    """Return the record of a script that is run now, or None if it did not come to write one."""
    before = {path for path, _ in records(name, folder)}
    command = [sys.executable, str(scripts / f"speed_{name}.py"), *(["--quick"] if quick else [])]
    # Processor seconds are comparable on one thread only: on more, waiting threads count as work.
    environment = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    print(f"speed_{name}.py", file=sys.stderr, flush=True)
    subprocess.run(command, stdout=sys.stderr, env=environment | dict(os.environ), check=False)
    new = (record for path, record in records(name, folder) if path not in before)
    return next(new, None)


def whole_record(name: str, folder: Path) -> Record | None:
    """Return a script's newest record that is not of a quick run, or None."""
    found = (record for _, record in records(name, folder) if not record.quick)
    return next(found, None)


def shortfalls(name: str, record: Record | None) -> Iterator[str]:
    """Yield, in a line each, what of a script's floors does not hold."""
    if record is None:
        yield f"{name}: no results: run speed_{name}.py"
        return
    for part, found in record.parts.items():
        yield from (
            f"{name}: {figure.name}: {figure.measured}, must be {figure.bound}"
            for figure in found.figures
            if not figure.holds
        )
        if found.error:
            yield f"{name}: {part} failed: {found.error}"
        if found.left_out:
            yield f"{name}: {part} was not measured"


def table(found: Iterable[tuple[str, Record | None]], scripts: Path) -> Iterator[str]:
    """Yield the lines of the table that is printed."""
    yield HEADER
    for name, record in found:
        if record is None:
            yield f"-- {name}: no results"
            continue
        yield f"-- {name}: {told(record, scripts)}"
        for part, measures in record.parts.items():
            yield from map(line, measures.figures)
            if why := measures.error or measures.note:
                yield f"{part}: {why}"


def told(record: Record, scripts: Path) -> str:
    """Return when, on what, and of which sources a record was measured."""
    loads = [part.load_average for part in record.parts.values() if part.load_average is not None]
    device = f", {record.machine['gpu']}" if record.machine["gpu"] else ""
    parts = [
        f"{record.time:%Y-%m-%d %H:%M} UTC",
        f"commit {record.commit}",
        f"{record.machine['cores']} cores of {record.machine['cpu']}{device}",
        f"load {max(loads, default=0):.1f}",
    ]
    if record.quick:
        parts.append("quick")
    if record.sources != sources_digest(record.package, scripts / f"speed_{record.name}.py"):
        parts.append("its sources have changed since")
    return ", ".join(parts)


def markdown(found: dict[str, Record | None], scripts: Path) -> str:
    """Return the page of the newest results."""
    lines = [
        "# Speed",
        "",
        "Written by `run.py` from the newest whole results: measure anew, do not edit. Ratios are medians ±",
        "half the distance between the quartiles, of times taken in turns. `load` is the highest load",
        "average at the start of a part: where it is above 1, other work ran beside.",
    ]
    for name, record in found.items():
        lines += ["", f"## {name}", ""]
        if record is None:
            lines.append("Not measured.")
            continue
        lines += [f"{told(record, scripts)[0].upper()}{told(record, scripts)[1:]}.", ""]
        lines += ["| figure | measured | bound | verdict |", "|---|---|---|---|"]
        notes: list[str] = []
        for part, measures in record.parts.items():
            lines += [
                f"| {figure.name} | {figure.measured} | {figure.bound} | {figure.verdict} |"
                for figure in measures.figures
            ]
            if why := measures.error or measures.note:
                notes.append(f"`{part}`: {why}.")
        lines += ["", *notes] if notes else []
    return "\n".join(lines) + "\n"


def write_all(found: list[Record], problems: list[str], folder: Path) -> Path:
    """Write all records as one dated JSON, and return its file."""
    now = datetime.now(UTC)
    about = {
        "time": now.isoformat(timespec="seconds"),
        "holds": not problems,
        "short": problems,
        "records": [record.as_json() for record in found],
    }
    return write(about, folder / f"all-{now:%Y%m%dT%H%M%S}.json")


if __name__ == "__main__":
    sys.exit(main())
