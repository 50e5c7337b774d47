"""The suite's command line."""

import fcntl
import logging
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Parameter
from rich.console import Console
from rich.table import Table as RichTable

from mtneuro_suite.display import Display, duration
from mtneuro_suite.preset import Preset, preset_names, read_preset
from mtneuro_suite.tables import Table

app = App(
    name="uv run benchmarks/run_all.py",
    help_format="markdown",
    version_flags=[],
    suppress_keyboard_interrupt=False,
    default_parameter=Parameter(negative=""),
)


def _rich_table(table: Table) -> RichTable:
    shown = RichTable()
    shown.add_column(table.corner, no_wrap=True)
    for column in table.columns:
        shown.add_column(column, justify="right")
    for label, cells in table.rows:
        texts = [f"{cell.ours}\n[dim]{cell.paper}[/dim]" if table.has_paper else cell.ours for cell in cells]
        shown.add_row(label, *texts)
    return shown


@contextmanager
def _held(root: Path) -> Generator[None]:
    """Hold the output folder, so that two suites on this machine do not write the same run."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"output folder {root} is in use by another run_all.py; wait for it or use another --output"
            ) from None
        yield


def _prepared(preset: str, source: str | None, device: str | None, seeds: tuple[int, ...] | None) -> Preset:
    chosen = read_preset(preset)
    changes = {"source": source, "device": device, "seeds": seeds}
    return Preset.model_validate(
        {**chosen.model_dump(), **{k: v for k, v in changes.items() if v is not None}}
    )


@app.default
def run_all(
    *,
    preset: str = "demo",
    source: str | None = None,
    data: Path | None = None,
    output: Path = Path("results"),
    workers: int | None = None,
    device: Literal["auto", "cpu", "cuda"] | None = None,
    seeds: Annotated[tuple[int, ...] | None, Parameter(consume_multiple=True)] = None,
    list_runs: Annotated[bool, Parameter(name="--list")] = False,
) -> int:
    """Run the MTNeuro benchmark and print its tables, ours beside the paper's.

    Finished runs are kept by everything that can change their result and never done again: run the same
    command after an interruption and it goes on from there.

    - `uv run benchmarks/run_all.py`: the demo, on the phantom
    - `uv run benchmarks/run_all.py --preset real-sample --data FOLDER`: real tissue
    - `uv run benchmarks/run_all.py --preset paper --source bossdb --list`: what the paper's runs would be
    - `uv run benchmarks/run_all.py --preset my.toml --source FOLDER`: your settings, your volume

    Parameters
    ----------
    preset
        What to run: `demo` (10 minutes on 2 cores), `smoke` (under two), `real-sample` (real tissue, needs
        `--data`), `paper` (everything, every seed: days without a GPU), or a TOML file like those in
        `benchmarks/presets`.
    source
        Where the volume is read: `phantom`, `bossdb`, or a folder or URI that holds the channels `image`,
        `roi_labels` and `pixel_labels`. The preset's own by default.
    data
        Folder of real files, for the preset `real-sample`.
    output
        Folder for results and reports. Presets share it.
    workers
        Processes to use: by default one a core, or one a GPU. 0 runs everything in this process.
    device
        Where networks are trained.
    seeds
        Seeds in place of the preset's: `--seeds 1 100 350`.
    list_runs
        List the runs, and which are done, and stop.
    """
    from mtneuro_suite.engine import cuda_devices, default_workers, run_here, run_on_workers
    from mtneuro_suite.plan import check_sources, plan
    from mtneuro_suite.report import write_report
    from mtneuro_suite.results import Store, csv_text, write_text
    from mtneuro_suite.tables import all_tables

    chosen = _prepared(preset, source, device, seeds)
    if workers is not None and workers < 0:
        raise ValueError(f"workers must be 0 or more, got {workers}")
    if chosen.device == "cuda" and not cuda_devices():
        raise ValueError("device cuda was asked for, and torch finds none on this machine; use --device cpu")
    if output.exists() and not output.is_dir():
        raise ValueError(f"output must be a folder, got the file {output}")
    planned = plan(chosen, data=data)
    store = Store(output)
    todo = [run for run in planned.runs if not store.done(run)]
    already = len(planned.runs) - len(todo)
    out, err = Console(), Console(stderr=True)
    if list_runs:
        for run in planned.runs:
            out.print(
                f"{'done' if store.done(run) else 'to do':5}  {run.id}  {run.title}",
                highlight=False,
                soft_wrap=True,
            )
        return 0
    processes = default_workers(chosen.device) if workers is None else workers
    cost = sum(run.cost for run in todo)
    check_sources(todo)
    volume = chosen.source if chosen.inputs == "paper" else data
    err.print(
        f"Preset {chosen.name} on {volume}: {len(planned.runs)} runs, "
        f"{already} done before, {len(todo)} to do"
        + (
            f", roughly {duration(cost / max(1, processes))} with {max(1, processes)} processes"
            if todo
            else ""
        ),
        highlight=False,
        soft_wrap=True,
    )
    with _held(output):
        display = Display(todo, already=already, console=err)
        with display.shown():
            if not todo:
                failures = []
            elif processes == 0:
                failures = run_here(todo, store, display)
            else:
                failures = run_on_workers(todo, store, display, workers=min(processes, len(todo)))
        rows = store.rows(planned.runs)
        tables = all_tables(planned, rows)
        folder = output / chosen.name
        write_text(folder / "results.csv", csv_text(rows))
        report = write_report(planned, store, tables, folder / "report.html", failures=failures)
    for table in tables:
        out.print()
        out.print(table.title, style="bold", highlight=False)
        out.print(_rich_table(table))
        for note in table.notes:
            out.print(note, style="dim", highlight=False)
    out.print()
    out.print("Where a cell holds two numbers, ours stands above and the paper's below.", style="dim")
    if planned.inputs.caveat:
        out.print(planned.inputs.caveat, style="bold", soft_wrap=True)
    roots = [failure for failure in failures if not failure.needs_another]
    for failure in roots:
        err.print(
            f"failed: {failure.run.title}: {failure.reason}", style="red", highlight=False, soft_wrap=True
        )
    if len(failures) > len(roots):
        err.print(f"not run, because they need one that failed: {len(failures) - len(roots)}", style="red")
    out.print(f"Results: {folder / 'results.csv'}", highlight=False, soft_wrap=True)
    out.print(f"Report:  {report}", highlight=False, soft_wrap=True)
    return 1 if failures else 0


def main() -> None:
    """Run the command line; bad input ends with one line and exit status 2."""
    logging.basicConfig(level=os.environ.get("MTNEURO_LOG", "ERROR"))
    traceback = bool(os.environ.get("MTNEURO_TRACEBACK"))
    try:
        code = app(sys.argv[1:], exit_on_error=False, print_error=False, result_action="return_value")
    except KeyboardInterrupt:
        print(
            "\nStopped. What is done is kept: run the same command again to go on from here.", file=sys.stderr
        )
        # Worker threads may still be in a library's call; nothing of theirs is worth waiting for.
        sys.stderr.flush()
        os._exit(130)
    except (CycloptsError, ValueError, OSError) as error:
        if traceback:
            raise
        message = " ".join(str(error).split())
        print(f"run_all.py: error: {message}", file=sys.stderr)
        sys.exit(2)
    sys.exit(code or 0)


__all__ = ["app", "main", "preset_names"]
