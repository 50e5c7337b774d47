"""Measure how well the suite uses its workers, and how soon it ends where nothing is left to do.

    python benchmarks/speed/speed_suite.py --quick

The `demo` preset as a user runs it, a worker a core, into a folder of its own: the time in steps over the
time that all workers had, from the command's start to its end, and how long a second command takes that finds
every run done, beside `--list`. Quick takes the `smoke` preset, most of whose time is the start of its
processes, so that its share is reported and held to no floor. Exits with 1 if a floor is missed.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from command import main
from measuring import Figure


def finished(output: Path, *arguments: str) -> tuple[float, float]:
    """Run the suite to its end; return the seconds that passed, and those of processors."""
    before = os.times()
    start = time.perf_counter()
    command = [sys.executable, "-m", "mtneuro_suite", "run"]
    command += ["--device", "cpu", "--output", str(output), *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = os.times()
    taken = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - start, taken


def step_seconds(output: Path) -> list[float]:
    """Return how long each run's step took, by the result files."""
    files = sorted(output.glob("runs/*/result.json"))
    return [json.loads(path.read_text("utf-8"))["provenance"]["seconds"] for path in files]


def whole(*, quick: bool) -> Iterator[Figure]:
    """Yield the share of the workers' time that is spent in steps, and the time of commands with no work."""
    preset = "smoke" if quick else "demo"
    workers = len(psutil.Process().cpu_affinity()) if hasattr(psutil.Process, "cpu_affinity") else 2
    with TemporaryDirectory() as folder:
        output = Path(folder)
        passed, _ = finished(output, "--preset", preset, "--workers", str(workers))
        steps = step_seconds(output)
        yield Figure(name=f"{preset} with {workers} workers, from start to end", value=passed, unit="s")
        yield Figure(
            name=f"{preset}, time in {len(steps)} steps / (workers x time passed)",
            value=sum(steps) / (workers * passed),
            at_least=None if quick else 0.85,
        )
        # Processor seconds: other work on the machine hardly changes them.
        for name, options in (("nothing to do", ()), ("--list", ("--list",))):
            seconds = [finished(output, "--preset", preset, *options)[1] for _ in range(2 if quick else 3)]
            yield Figure.of(f"{preset}, {name}, processor time", seconds, unit="s", at_most=3)


if __name__ == "__main__":
    sys.exit(main("suite", [whole], about=__doc__, package="mtneuro_suite"))
