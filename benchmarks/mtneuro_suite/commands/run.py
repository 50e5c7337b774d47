"""``mtneuro run``."""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter
from rich.console import Console

from mtneuro_suite._shared.factories import is_factory, look_here
from mtneuro_suite._shared.files import written_beside
from mtneuro_suite._shared.settings import changed_values
from mtneuro_suite._shared.terminal import Changes, Output, console
from mtneuro_suite._shared.words import one_line
from mtneuro_suite.execute.progress import Display, JsonLines, Tally
from mtneuro_suite.plan.costs import OtherWork, forecast
from mtneuro_suite.preset.model import Preset, checked_preset, read_preset
from mtneuro_suite.preset.overrides import DEEP, preset_text, with_own_row, with_tasks, with_values
from mtneuro_suite.report.terminal import (
    print_caveat,
    print_claims,
    print_estimate,
    print_findings,
    print_tables,
)

if TYPE_CHECKING:
    from mtneuro_suite.execute.attempt import Attempt
    from mtneuro_suite.execute.export import Form
    from mtneuro_suite.plan.plan import Plan
    from mtneuro_suite.runs.failure import Failure
    from mtneuro_suite.runs.run import Run
    from mtneuro_suite.runs.store import Store


@dataclass(frozen=True, kw_only=True)
class What:
    """Which runs there are."""

    preset: str = "demo"
    """What to run: `demo` (minutes on 2 cores), `smoke` (smaller still), `study` (hours), `real-sample` and
    `real-study` (real tissue, need `--data`), `paper` (its text whole: days without a GPU), `original` (the
    authors' code whole), or a TOML file of your own, such as `--print` shows."""

    source: str | None = None
    """Where the volume is read: `phantom`, `bossdb`, or a folder or URI that holds the channels `image`,
    `roi_labels` and `pixel_labels`. The preset's own by default."""

    data: Path | None = None
    """Folder of real files, for the presets `real-sample` and `real-study`."""

    device: Literal["auto", "cpu", "cuda", "mps"] | None = None
    """Where networks are trained."""

    seeds: Annotated[tuple[int, ...] | None, Parameter(consume_multiple=True)] = None
    """Seeds in place of the preset's: `--seeds 1 100 350`. PCA, which draws nothing, takes the first only."""

    phantom_seeds: Annotated[tuple[int, ...], Parameter(consume_multiple=True)] = ()
    """Animals of the phantom, `--phantom-seeds 1 2 3`: everything is run on each, and the tables are means
    over them, with intervals over the animals where there are at least three."""

    changes: Changes = ()
    """Any value of the preset: `--set task1.settings.steps=100`. May be given more than once."""

    tasks: Annotated[tuple[str, ...], Parameter(name="--task")] = ()
    """Task file of your own dataset (JSON or TOML, as `mtneuro-data` reads them); may be given more than
    once. Yours take the place of the paper's, with their own reduction and step; methods, networks and
    settings are the preset's."""

    encoder: str | None = None
    """Your encoder, taken as it is: `path/to/file.py:factory` or `package.module:factory` (`:3d` at the end
    if it takes subvolumes), `timm:NAME` with its published weights (`timm:NAME:random` with random ones), the
    folder of a model, or `hf:owner/name`, a repository of one. Only its own rows of Tasks 1 and 3, and of
    Task 2 by heads on its frozen features, are run, and stand among the others."""

    segmenter: str | None = None
    """Your segmentation network: `path/to/file.py:factory` or `package.module:factory` (`:3d` at the end if
    it takes subvolumes), trained as the others are, or the folder of a model. Only its row of Task 2 is
    run."""

    embeddings: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = ()
    """Files of embeddings (`.npz`, `.csv` or `.parquet`) in place of an encoder, each `NAME=FILE` or `FILE`:
    rows of Tasks 1 and 3. `--export-images` writes the images that they must be of."""

    trust: Annotated[tuple[str, ...], Parameter(show_default=False)] = ()
    """Code, as `path/to/file.py:factory` or `package.module:factory`, that may be imported if a preset file
    or the folder of a model names it. May be given more than once."""

    @property
    def trusted(self) -> frozenset[str]:
        """Every factory that was typed, in a module or a file: it may be imported wherever it is named."""
        named = [(given or "").removesuffix(DEEP) for given in (self.encoder, self.segmenter)]
        typed = [*named, *self.trust]
        return frozenset(filter(is_factory, (*typed, *_texts(changed_values({}, self.changes)))))

    def resolved(self) -> tuple[Preset, tuple[str, ...]]:
        """Return the preset with all changes, and the names of the user's own rows.

        Raises
        ------
        ValueError
            If a value is not allowed, or two options contradict each other.
        """
        preset = read_preset(self.preset)
        if self.tasks:
            if self.source or self.data:
                raise ValueError("a task file names its own channels: leave --source and --data out")
            preset = with_tasks(preset, self.tasks)
        # After the tasks: what is typed goes before what their files say.
        preset = with_values(preset, self.changes)
        if self.source and preset.inputs == "real-sample":
            raise ValueError(f"preset {self.preset!r} reads the files in --data: leave --source out")
        changed: dict[str, Any] = {"source": self.source, "device": self.device, "seeds": self.seeds}
        given = {key: value for key, value in changed.items() if value is not None}
        if self.phantom_seeds:
            given["phantom_seeds"] = self.phantom_seeds
        preset = checked_preset({**preset.model_dump(exclude_unset=True), **given}, where="the options")
        return with_own_row(
            preset, encoder=self.encoder, segmenter=self.segmenter, embeddings=self.embeddings
        )


def _texts(values: object) -> Iterator[str]:
    """Yield every text in values."""
    if isinstance(values, str):
        yield values
    elif isinstance(values, dict | list):
        for value in values.values() if isinstance(values, dict) else values:
            yield from _texts(value)


@dataclass(frozen=True, kw_only=True)
class Where:
    """Where the runs are done, and where their results go."""

    output: Output = Path("results")
    """Folder for results and reports. Presets share it."""

    workers: int | None = None
    """Processes to use: by default one a core, or one a GPU. 0 runs everything in this process."""

    scheduler: str | None = None
    """Address of a Dask scheduler, `tls://HOST:8786`: the runs spread over its workers, which must have the
    same suite installed and see the output folder."""

    tls: Path | None = None
    """Folder of the scheduler's certificates: `ca.pem`, `cert.pem` and `key.pem`."""

    slurm: Path | None = None
    """TOML file of the jobs to ask SLURM for: `queue`, `cores`, `memory`, `walltime`, `gpus`, `jobs_max` …"""


@dataclass(frozen=True, kw_only=True)
class How:
    """What is done with the runs, and how progress is shown."""

    list_runs: Annotated[bool, Parameter(name="--list")] = False
    """List the runs, and which are done or failed, and stop."""

    estimate: bool = False
    """Say what the runs will cost (time, memory, disk, download) after a short timing, and stop."""

    print_preset: Annotated[bool, Parameter(name="--print")] = False
    """Print the preset, every value resolved, as TOML, and stop."""

    export_images: Path | None = None
    """Write every image that Tasks 1 and 3 ask to be embedded into this folder, with an index of their names,
    and stop: for `--embeddings`. A `README.txt` there says what the file of embeddings must look like."""

    export_png: bool = False
    """Export a picture for each image, in place of a NumPy file for each size."""

    tables: bool = False
    """Print every table too, and what the results say of the paper's claims. By default a run ends with its
    findings, and both are in the report; tables are printed where a row of your own is asked for, or nothing
    is found."""

    paper: bool = False
    """Print the tables with the paper's numbers beneath ours, for data that are not the paper's too."""

    json_lines: Annotated[bool, Parameter(name="--json")] = False
    """Report progress as JSON, one object a line on standard output, in place of what is found."""

    log: Annotated[
        tuple[Literal["mlflow", "tensorboard", "wandb"], ...],
        Parameter(consume_multiple=True, show_default=False),
    ] = ()
    """Also log each training's settings and history: `--log wandb` (Weights & Biases; `WANDB_MODE=offline`
    sends nothing), `mlflow` (at `MLFLOW_TRACKING_URI`, or into a file) or `tensorboard`, into `logs` in the
    output folder. Results and their names stay as they are."""

    only: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = ()
    """Do these runs and what they need, by the names that `--list` shows; one that failed is tried again."""

    retry: bool = False
    """Try runs again that failed. Without it they are listed, but for those that a full disk or memory, a
    network or a lost worker stopped."""

    force: bool = False
    """Do runs again that are done, all or those of `--only`; an old result stays until the new is whole."""

    @property
    def form(self) -> "Form":
        """The form of exported images."""
        return "png" if self.export_png else "npy"

    def check_export(self, preset: Preset) -> None:
        """Refuse options that contradict ``--export-images``."""
        if self.export_images and preset.phantom_seeds:
            raise ValueError("--export-images writes the images of one animal: leave --phantom-seeds out")
        if self.export_images and self.only:
            raise ValueError("--export-images takes all that is asked to be embedded: leave --only out")
        if self.export_png and not self.export_images:
            raise ValueError("--export-png is the form of --export-images FOLDER: give that too")


def run(
    what: Annotated[What | None, Parameter(name="*", group=Group.create_ordered("What"))] = None,
    where: Annotated[Where | None, Parameter(name="*", group=Group.create_ordered("Where"))] = None,
    how: Annotated[How | None, Parameter(name="*", group=Group.create_ordered("How"))] = None,
) -> Iterator[str]:
    """Run the MTNeuro benchmark, say what it finds, and write a report of its tables and figures.

    Finished runs are kept by everything that can change their result and never done again: run the same
    command after an interruption and it goes on from there.

    - `mtneuro run`: the demo, on the phantom
    - `mtneuro run --tables`: the same with its tables, which are in the report
    - `mtneuro run --preset real-sample --data FOLDER`: real tissue
    - `mtneuro run --preset paper --source bossdb --list`: what the paper's runs would be
    - `mtneuro run --preset paper --estimate`: what they would cost
    - `mtneuro run --encoder my_encoder.py:factory`: your encoder's row
    - `mtneuro run --export-images images`: what embeddings of your own must be of
    - `mtneuro run --embeddings mine.npz`: their row
    - `mtneuro run --print`: a preset to change, and to give as `--preset my.toml`
    - `mtneuro run --preset my.toml --source FOLDER`: your settings, your volume
    """
    what, where, how = what or What(), where or Where(), how or How()
    preset, own = what.resolved()
    # The workers search the same folders.
    look_here(what.trusted)
    if how.print_preset:
        yield from preset_text(preset).splitlines()
        return
    beside = OtherWork()
    from mtneuro_suite.execute.executor import Executor, create_output
    from mtneuro_suite.execute.export import READ_ME, check_export, write_export
    from mtneuro_suite.execute.selection import forget_failures, named_runs, to_do
    from mtneuro_suite.plan.asked import asked_samples
    from mtneuro_suite.plan.plan import check_sources, plan_of
    from mtneuro_suite.plan.trial import try_modules
    from mtneuro_suite.runs.repair import tidy
    from mtneuro_suite.runs.run import with_needs
    from mtneuro_suite.runs.store import Store

    how.check_export(preset)
    queue = None
    if where.slurm:
        from mtneuro_suite.execute.slurm import read_queue

        queue = read_queue(where.slurm)
    executor = Executor(workers=where.workers, scheduler=where.scheduler, tls=where.tls, queue=queue)
    device, gpus = executor.device(preset.device)
    # The device that is used is part of the runs' names: a GPU's results differ from a CPU's.
    preset = preset.model_copy(update={"device": device})
    plan = plan_of(preset, data=what.data, trusted=what.trusted)
    store = Store(where.output)
    runs = plan.runs_of(own) if own else plan.runs
    # Fewer labels are of the same samples, and rows of a file have no embeddings of other data.
    further = {run.id for run in (*plan.labels.ends, *plan.shift.ends)}
    samples = asked_samples(run for run in runs if run.id not in further) if how.export_images else []
    if how.export_images:
        if check_export(samples, how.export_images, form=how.form) and not how.list_runs:
            yield f"the samples are in {how.export_images} already"
            return
        runs = [one.arrays for one in samples]
    asked = named_runs(with_needs(runs), how.only)
    attempts = to_do(asked, store, named=how.only, force=how.force)
    todo = [attempt.run for attempt in attempts]
    if not how.list_runs:
        try_modules(todo)
    processes = executor.processes(gpus=gpus)
    out, err = console(), console(stderr=True)
    if how.estimate:
        print_estimate(
            asked, todo, processes=processes, device=preset.device, output=where.output, out=out, err=err
        )
    check_sources(todo)
    if how.list_runs:
        # What a preset names needs no torch to be listed; a module of the user's is tried here already.
        yield from _listed(plan, asked, store, tried=todo if own else (), err=err)
    if how.list_runs or how.estimate:
        return
    if how.log and todo:
        from mtneuro_ssl import check_logs

        from mtneuro_suite.runs.logs import FOLDER

        check_logs(how.log, folder=where.output / FOLDER)
        attempts = [replace(attempt, logs=how.log) for attempt in attempts]
    create_output(where.output)
    tidy(asked, store)
    for one in todo:
        if damage := store.damage(one):
            err.print(f"damaged, so repeated: {one.title}: {damage}", style="red")
    forget_failures(todo, store, retry=how.retry or bool(how.only))
    already = len(asked) - len(todo)
    told, expected = "", 0.0
    if todo:
        # Workers of other machines have loads of their own.
        here = where.scheduler is None and queue is None
        attempts, told, expected = _timed(
            attempts, processes=processes, device=preset.device, load=beside.load() if here else 0.0
        )
        todo = [attempt.run for attempt in attempts]
    volume = {"paper": preset.source, "real-sample": what.data, "tasks": "your own tasks"}[preset.inputs]
    err.print(
        f"Preset {preset.name} on {volume}: {len(asked)} runs, {already} done before, {len(todo)} to do{told}"
    )
    tally = Tally(todo, already=already, forecast=expected)
    display = (
        JsonLines(tally, say=partial(print, flush=True)) if how.json_lines else Display(tally, console=err)
    )
    with display.shown():
        failures = executor.run(attempts, store, display, gpus=gpus)
    if how.export_images:
        _tell_failures(failures, err)
        if failures:
            sys.exit(1)
        count = write_export(samples, store, how.export_images, preset=preset.name, form=how.form)
        if isinstance(display, JsonLines):
            display.tell("exported", samples=count, folder=str(how.export_images))
        else:
            yield f"{count} samples written to {how.export_images}: see {READ_ME} there"
        return
    name = "-with-".join([preset.name, *(re.sub(r"\W+", "_", row) for row in own)])
    shown = _Shown(tables=how.tables or how.paper or bool(own), paper=how.paper, display=display)
    written = _write_results(plan, store, where.output / name, failures, shown=shown, out=out, err=err)
    _tell_failures(failures, err)
    if failures or not written:
        sys.exit(1)


def _listed(
    plan: "Plan", runs: "Sequence[Run]", store: "Store", *, tried: "Sequence[Run]", err: Console
) -> Iterator[str]:
    """Yield a line for each run, its state, its name and its title, and one for each table.

    Of the runs in ``tried`` what they import is tried, and what cannot be is told.
    """
    from mtneuro_suite.plan.trial import try_modules
    from mtneuro_suite.runs.failure import read_note

    try:
        try_modules(tried)
    except (ValueError, OSError) as error:
        err.print(f"cannot be run: {one_line(error)}", style="red", markup=False)
    for one in runs:
        state = (
            "done"
            if store.done(one)
            else "failed"
            if read_note(store, one)
            else "broken"
            if store.damage(one)
            else "to do"
        )
        yield f"{state:6}  {one.id}  {one.title}"
    yield from _counted(plan, runs)


def _counted(plan: "Plan", runs: "Sequence[Run]") -> Iterator[str]:
    """Yield a line for each table: how many of its results are among some runs, and all that they need."""
    from mtneuro_suite.runs.run import with_needs

    names = {one.id for one in runs}
    for table, ends in plan.runs_by_table().items():
        if chosen := [run for run in ends if run.id in names]:
            yield f"{table + ':':18}{len(chosen)} results of {len(with_needs(chosen))} runs"


def _timed(
    attempts: "Sequence[Attempt]", *, processes: int, device: str, load: float
) -> "tuple[list[Attempt], str, float]":
    """Return the attempts with their costs, timed here, how long all take in words, and the seconds."""
    from mtneuro_suite.execute.selection import with_costs
    from mtneuro_suite.plan.estimate import timed_costs

    timed = timed_costs([attempt.run for attempt in attempts], processes=processes, device=device)
    ahead = forecast(timed.wall, processes, cores=os.cpu_count() or 1, load=load)
    return with_costs(attempts, timed.seconds), f", {ahead}; {timed.basis}", ahead.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """What of the results is shown, and to whom."""

    tables: bool
    """Whether the tables are printed even if there are findings."""

    paper: bool
    display: Display | JsonLines


def _write_results(
    plan: "Plan",
    store: "Store",
    folder: Path,
    failures: "Sequence[Failure]",
    *,
    shown: _Shown,
    out: Console,
    err: Console,
) -> bool:
    """Write the table of results and the report, print what was found, and return whether all was written.

    Results that turn out to be damaged are named and left out.
    """
    from mtneuro_suite.report.about import FILE_NAME, about
    from mtneuro_suite.report.claims import claims
    from mtneuro_suite.report.expense import expense_csv
    from mtneuro_suite.report.findings import findings
    from mtneuro_suite.report.rows import rows_of
    from mtneuro_suite.report.state import report_state, shows
    from mtneuro_suite.report.tables import all_tables
    from mtneuro_suite.runs.repair import set_aside_damaged
    from mtneuro_suite.runs.store import csv_text

    rows = rows_of(plan, store)
    tables, found = all_tables(plan, rows), findings(plan, rows)
    csv, report = folder / "results.csv", folder / "report.html"
    texts = {
        csv: csv_text(rows),
        folder / "costs.csv": expense_csv(plan, store),
        folder / FILE_NAME: about(plan).model_dump_json(indent=1) + "\n",
    }
    unwritten, damaged = "", list[str]()
    try:
        for path, text in texts.items():
            with written_beside(path) as beside:
                beside.write_text(text, encoding="utf-8")
        # To draw it takes longer than all else where no run was left to do.
        state = report_state(plan, store, failures)
        if not shows(report, state):
            from mtneuro_suite.report.html import write_report

            write_report(plan, store, tables, report, failures=failures, found=found, state=state)
    except OSError as error:
        # Print what was found even if it could not be written.
        unwritten = one_line(error)
    except Exception:
        damaged = set_aside_damaged(plan.runs, store)
        if not damaged:
            raise
    for damage in damaged:
        err.print(f"damaged: {damage}; run the same command again to repeat its run", style="red")
    if damaged:
        _write_results(plan, store, folder, failures, shown=shown, out=out, err=err)
        return False
    if isinstance(shown.display, Display):
        print_findings(found, out)
        if shown.tables or not found:
            print_tables(tables, out, paper=shown.paper)
            print_claims(claims(plan, rows), out)
        print_caveat(plan.inputs.caveat, out)
    if unwritten:
        err.print(unwritten, style="red")
        return False
    if isinstance(shown.display, JsonLines):
        shown.display.tell("results", csv=str(csv), report=str(report))
    else:
        out.print(f"results written to {csv}")
        out.print(f"report written to {report}")
    return True


def _tell_failures(failures: "Sequence[Failure]", err: Console) -> None:
    """Print each failed run, and the command that repeats it."""
    from mtneuro_suite.execute.selection import repeat_command

    for failure in failures:
        if not failure.needs_another:
            err.print(f"failed: {failure.run.title}: {failure.reason}", style="red")
            err.print(f"  again: {repeat_command(sys.argv, failure.run.id)}", style="red")
    if waiting := sum(failure.needs_another for failure in failures):
        err.print(f"not run because of that: {waiting}", style="red")
