"""The suite's command line."""

import logging
import os
import re
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter
from rich.console import Console

from mtneuro_suite.execute.progress import Display, JsonLines, duration
from mtneuro_suite.preset.model import Preset, checked_preset, read_preset
from mtneuro_suite.preset.overrides import preset_text, with_own_row, with_tasks, with_values
from mtneuro_suite.report.terminal import print_plan, print_tables

app = App(
    name="uv run benchmarks/run_all.py",
    help_format="markdown",
    version_flags=[],
    suppress_keyboard_interrupt=False,
    default_parameter=Parameter(negative=""),
)


def _prepared(preset: str, changed: tuple[str, ...], **changes: Any) -> Preset:
    chosen = with_values(read_preset(preset), changed)
    given = {key: value for key, value in changes.items() if value is not None}
    if "source" in given and chosen.inputs == "real-sample":
        raise ValueError(f"preset {preset!r} reads the files in --data: leave --source out")
    return checked_preset({**chosen.model_dump(exclude_unset=True), **given}, where="the options")


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
    changes: Annotated[tuple[str, ...], Parameter(name="--set")] = (),
    tasks: Annotated[tuple[str, ...], Parameter(name="--task")] = (),
    encoder: str | None = None,
    segmenter: str | None = None,
    list_runs: Annotated[bool, Parameter(name="--list")] = False,
    show_plan: Annotated[bool, Parameter(name="--plan")] = False,
    print_preset: Annotated[bool, Parameter(name="--print")] = False,
    json_lines: Annotated[bool, Parameter(name="--json")] = False,
    only: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = (),
    retry: bool = False,
    force: bool = False,
    scheduler: str | None = None,
    slurm: Path | None = None,
) -> int:
    """Run the MTNeuro benchmark and print its tables, ours beside the paper's.

    Finished runs are kept by everything that can change their result and never done again: run the same
    command after an interruption and it goes on from there.

    - `uv run benchmarks/run_all.py`: the demo, on the phantom
    - `uv run benchmarks/run_all.py --preset real-sample --data FOLDER`: real tissue
    - `uv run benchmarks/run_all.py --preset paper --source bossdb --list`: what the paper's runs would be
    - `uv run benchmarks/run_all.py --preset paper --plan`: what they would cost
    - `uv run benchmarks/run_all.py --encoder examples.tiny_encoder:encoder`: your encoder's row
    - `uv run benchmarks/run_all.py --preset my.toml --source FOLDER`: your settings, your volume

    Parameters
    ----------
    preset
        What to run: `demo` (minutes on 2 cores), `smoke` (smaller still), `real-sample` (real tissue, needs
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
        Seeds in place of the preset's: `--seeds 1 100 350`. PCA, which draws nothing, takes the first only.
    changes
        Any value of the preset: `--set task1.settings.steps=100`. May be given more than once.
    tasks
        Task file of your own dataset (JSON or TOML, as `mtneuro-data` reads them); may be given more than
        once. Yours take the place of the paper's; methods, networks and settings are the preset's.
    encoder
        Your encoder, taken as it is: `package.module:factory`, `timm:NAME` or the folder of a model. Only its
        own row of Tasks 1 and 3 is run, and stands among the others.
    segmenter
        Your segmentation network: `package.module:factory` (`:3d` at the end if it takes subvolumes), trained
        as the others are, or the folder of a model. Only its row of Task 2 is run.
    list_runs
        List the runs, and which are done or failed, and stop.
    show_plan
        Say what the runs will cost (time, memory, disk, download) after a short timing, and stop.
    print_preset
        Print the preset, every value resolved, as TOML, and stop.
    json_lines
        Tell what happens as JSON, one object a line on standard output, in place of the tables.
    only
        Do these runs and what they need, by the names that `--list` shows; one that failed is tried again.
    retry
        Try runs again that failed. Without it they are listed, but for those that a full disk or memory, a
        network or a lost worker stopped.
    force
        Do runs again that are done, all or those of `--only`; an old result stays until the new is whole.
    scheduler
        Address of a Dask scheduler, `tcp://HOST:8786`: the runs spread over its workers, which must have this
        checkout and see the output folder.
    slurm
        TOML file of the jobs to ask SLURM for: see `benchmarks/README.md`.
    """
    from mtneuro_suite.execute.executor import Executor, create_output
    from mtneuro_suite.execute.selection import forget_failures, repeat_command, to_do
    from mtneuro_suite.execute.selection import only as named_runs
    from mtneuro_suite.execute.slurm import read_queue
    from mtneuro_suite.plan.plan import check_sources, plan
    from mtneuro_suite.report.about import about_text
    from mtneuro_suite.report.html import write_report
    from mtneuro_suite.report.tables import all_tables
    from mtneuro_suite.runs.failure import read_note
    from mtneuro_suite.runs.store import Store, csv_text, write_text

    out, err = (
        Console(stderr=stderr, markup=False, highlight=False, soft_wrap=True) for stderr in (False, True)
    )
    chosen = _prepared(preset, changes, source=source, device=device, seeds=seeds)
    # A module in the folder where the command is run is found, by the workers as well.
    sys.path.append(str(Path.cwd()))
    if tasks:
        if source or data:
            raise ValueError("a task file names its own channels: leave --source and --data out")
        chosen = with_tasks(chosen, tasks)
    chosen, own = with_own_row(chosen, encoder=encoder, segmenter=segmenter)
    if print_preset:
        out.print(preset_text(chosen), end="")
        return 0
    executor = Executor(workers=workers, scheduler=scheduler, queue=read_queue(slurm) if slurm else None)
    gpus = 0 if chosen.device == "cpu" else executor.gpus
    if chosen.device == "cuda" and not gpus:
        raise ValueError("device cuda was asked for, and there is none where the runs go; use --device cpu")
    # What is resolved enters the runs' identity: a GPU's results are not a CPU's.
    chosen = chosen.model_copy(update={"device": "cuda" if gpus else "cpu"})
    planned = plan(chosen, data=data)
    store = Store(output)
    asked = named_runs(planned.runs_of(own) if own else planned.runs, only)
    attempts = to_do(asked, store, named=only, force=force)
    todo = [attempt.run for attempt in attempts]
    already = len(asked) - len(todo)
    processes = executor.processes(gpus=gpus)
    if show_plan:
        print_plan(asked, todo, processes=processes, device=chosen.device, output=output, out=out, err=err)
    check_sources(todo)
    if list_runs:
        for run in asked:
            state = "done" if store.done(run) else "failed" if read_note(store, run) else "to do"
            out.print(f"{state:6}  {run.id}  {run.title}")
    if list_runs or show_plan:
        return 0
    folder = output / "-with-".join([chosen.name, *(re.sub(r"\W+", "_", name) for name in own)])
    create_output(output)
    forget_failures(todo, store, retry=retry or bool(only))
    volume = {"paper": chosen.source, "real-sample": data, "tasks": "your own tasks"}[chosen.inputs]
    cost = sum(run.cost for run in todo) / processes
    err.print(
        f"Preset {chosen.name} on {volume}: {len(asked)} runs, {already} done before, {len(todo)} to do"
        + (f", roughly {duration(cost)} with {processes} processes" if todo else "")
    )
    display = (
        JsonLines(todo, already=already, stream=sys.stdout)
        if json_lines
        else Display(todo, already=already, console=err)
    )
    with display.shown():
        failures = executor.run(attempts, store, display, gpus=gpus)
    rows = store.rows(planned.runs)
    tables = all_tables(planned, rows)
    unwritten = ""
    try:
        write_text(folder / "results.csv", csv_text(rows))
        write_text(folder / "about.json", about_text(planned))
        write_report(planned, store, tables, folder / "report.html", failures=failures)
    except OSError as error:
        # The tables are worth showing all the same.
        unwritten = f"{error.filename or folder} could not be written: {error.strerror}"
    if not json_lines:
        print_tables(tables, planned.inputs.caveat, out)
    for failure in failures:
        if not failure.needs_another:
            err.print(f"failed: {failure.run.title}: {failure.reason}", style="red")
            err.print(f"  again: {repeat_command(sys.argv[1:], failure.run.id)}", style="red")
    if waiting := sum(failure.needs_another for failure in failures):
        err.print(f"not run because of that: {waiting}", style="red")
    if unwritten:
        err.print(unwritten, style="red")
        return 1
    if isinstance(display, JsonLines):
        display.tell("results", csv=str(folder / "results.csv"), report=str(folder / "report.html"))
    else:
        out.print(f"Results: {folder / 'results.csv'}")
        out.print(f"Report:  {folder / 'report.html'}")
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
