"""Check a folder of results, and write its numbers and what made them as one file to set beside others'."""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Literal

import numpy as np
from mtneuro_data import TaskSpec
from pydantic import Field, ValidationError

from mtneuro_suite import SUITE_VERSION
from mtneuro_suite._shared.bounds import check_file
from mtneuro_suite._shared.digests import digest, file_digest
from mtneuro_suite._shared.files import written_beside
from mtneuro_suite._shared.settings import Settings
from mtneuro_suite._shared.words import one_line
from mtneuro_suite.plan.asked import asked_samples
from mtneuro_suite.plan.given import Given, check_complete
from mtneuro_suite.report.about import FILE_NAME, About, Results, read_results
from mtneuro_suite.runs.row import Row
from mtneuro_suite.runs.run import Run
from mtneuro_suite.runs.store import RESULT, Store
from mtneuro_suite.steps import Arrays, GivenEmbeddings, Regions, Semantics
from mtneuro_suite.steps.given_embeddings import EMBEDDINGS
from mtneuro_suite.steps.regions import TEST
from mtneuro_suite.steps.semantics import RUNS

ENDING = ".submission.json"

_TOLD = 3
"""Faults that are named; the others are counted."""

_DATA = ("test", "samples", "semantics", "features")
"""Roles of what a number is scored on, besides those of the sub-tasks of Task 1."""

_R2 = "r2_"
_SHARES = ("accuracy", "balanced_accuracy", "f1", "iou")


class MadeWith(Settings):
    """What made a run's numbers."""

    suite_version: str
    commit: str | None
    python: str
    platform: str
    device: str
    finished: str
    seconds: float
    versions: dict[str, str]


class Entry(Settings):
    """One run's numbers, and what they are of."""

    run: str
    title: str
    sha256: str
    """Of its result file."""

    data: dict[str, str]
    """By sub-task, a digest of the samples that the numbers are scored on."""

    rows: tuple[dict[str, Any], ...]
    made_with: MadeWith

    @cached_property
    def numbers(self) -> tuple[Row, ...]:
        """The rows, as tables take them."""
        return tuple(Row(**row) for row in self.rows)


class Submission(Settings):
    """A folder of results as one file."""

    submission_version: Literal[1] = 1
    name: str = Field(min_length=1, max_length=60)
    by: str = Field(min_length=1, max_length=120)
    """Who made it."""

    link: str = Field(default="", max_length=400)
    """Where more stands about it: a paper, a repository."""

    phantom_version: int | None
    """None where no number is of the phantom."""

    seconds: float
    """What all runs that the numbers need took together."""

    about: About
    """What the folder says of itself; of paths in the preset only the last part."""

    entries: tuple[Entry, ...] = Field(min_length=1)
    digest: str = ""
    """SHA-256 of all else, so that a changed or damaged file is told."""

    @property
    def results(self) -> Results:
        """The numbers as a folder of results holds them."""
        return Results(self.name, self.about, tuple(row for one in self.entries for row in one.numbers))

    def content_digest(self) -> str:
        """Return the digest that the file must have."""
        values = self.model_dump(mode="json", exclude={"digest"})
        return hashlib.sha256(json.dumps(values, sort_keys=True, allow_nan=False).encode()).hexdigest()


def submission_of(
    folder: Path, *, name: str, by: str, link: str = "", rows: Sequence[str] = ()
) -> Submission:
    """Return a folder's results as a submission, after everything about them has been checked.

    The files of all runs that the numbers need must be whole, and hold what was written; ``results.csv`` must
    hold their numbers and no others; the images must be all those that the tasks name, of this version of the
    phantom; embeddings from a file must be of all samples; a model must have all of its numbers.

    Parameters
    ----------
    folder
        Results of one preset, such as ``results/demo``.
    name
        What the submission is called.
    by
        Who made it.
    link
        Where more stands about it.
    rows
        Models to be submitted, as ``results.csv`` names them; all that were run if none is given.

    Raises
    ------
    FileNotFoundError
        If the folder holds no results.
    ValueError
        In one line, everything that is missing or wrong: the first three by name.
    """
    results, *others = read_results([folder])
    if others:
        names = ", ".join(one.name for one in (results, *others))
        raise ValueError(f"{folder} holds several results; submit one of them: {names}")
    found = _Folder(results, Store(folder.resolve().parent), rows)
    faults = list(dict.fromkeys(found.faults()))
    if faults:
        more = f"; and {len(faults) - _TOLD} more" if len(faults) > _TOLD else ""
        raise ValueError(f"{folder} cannot be submitted: {'; '.join(faults[:_TOLD])}{more}")
    made = Submission(
        name=name,
        by=by,
        link=link,
        phantom_version=found.phantom_version,
        seconds=round(found.seconds, 2),
        about=results.about.model_copy(
            update={
                "name": name,
                "preset": _without_folders(results.about.preset),
                "runs": (),
                "scored": {},
                "animals": {},
            }
        ),
        entries=tuple(found.entries()),
    )
    return made.model_copy(update={"digest": made.content_digest()})


def write_submission(submission: Submission, path: Path) -> None:
    """Write a submission beside, then rename it into place."""
    with written_beside(path) as beside:
        beside.write_text(submission.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read_submission(path: Path) -> Submission:
    """Return the submission in a file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no submission, has been changed since it was written, or is of another version of the suite
        or of the phantom.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file at {path}; `mtneuro submit` writes one")
    check_file(path)
    try:
        found = Submission.model_validate_json(path.read_bytes())
        rows = found.results.rows
    except (ValidationError, TypeError) as error:
        raise ValueError(f"{path} must be a submission: {one_line(error)}") from None
    if found.digest != found.content_digest():
        raise ValueError(f"{path} has been changed since it was written; `mtneuro submit` writes it anew")
    faults = [*version_faults(found.about.suite_version, found.phantom_version), *_impossible(rows)]
    if faults:
        raise ValueError(f"{path}: {'; '.join(faults[:_TOLD])}")
    return found


def read_all_results(paths: Iterable[Path]) -> list[Results]:
    """Return the results in folders that ``mtneuro run`` wrote, and in submissions.

    Parameters
    ----------
    paths
        Folders of a preset, whole output folders, or files of submissions.

    Raises
    ------
    FileNotFoundError
        If there is no such file, or a folder holds no results.
    ValueError
        If a file is not what the suite writes, or a submission is called as a folder is.
    """
    given = list(paths)
    files = [path for path in given if path.name.endswith(ENDING) and not path.is_dir()]
    found = read_results(path for path in given if path not in files)
    found += [read_submission(path).results for path in dict.fromkeys(files)]
    names = [one.name for one in found]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"two of the results are called {twice!r}: rename a folder, or leave one out")
    return found


class _Folder:
    """The runs of a folder of results, read as they are needed."""

    def __init__(self, results: Results, store: Store, rows: Sequence[str]) -> None:
        self._results = results
        self._store = store
        self._rows = rows
        self._read: dict[str, tuple[dict[str, Any] | None, str | None]] = {}

    @cached_property
    def _models(self) -> tuple[str, ...]:
        """The models that are submitted."""
        had = dict.fromkeys(row.model for row in self._results.rows)
        return tuple(self._rows) or tuple(had)

    @cached_property
    def _scored(self) -> list[str]:
        """Runs that give the models' numbers."""
        scored = self._results.about.scored
        return list(dict.fromkeys(name for model in self._models for name in scored.get(model, ())))

    def _inspected(self, name: str) -> tuple[dict[str, Any] | None, str | None]:
        """Return what a run's result file holds, and what is wrong with its files, which are read once."""
        if name not in self._read:
            self._read[name] = self._store.inspected(name, thoroughly=True)
        return self._read[name]

    def _result(self, name: str) -> dict[str, Any] | None:
        """Return a run's whole result file, or None."""
        content, damage = self._inspected(name)
        return None if damage else content

    def _with_needs(self, name: str, seen: dict[str, None]) -> dict[str, None]:
        if name not in seen:
            seen[name] = None
            for needs in ((self._result(name) or {}).get("needs") or {}).values():
                for need in needs:
                    self._with_needs(need, seen)
        return seen

    @cached_property
    def _needed(self) -> list[str]:
        """Those, and all that they need."""
        return list(dict.fromkeys(need for name in self._scored for need in self._with_needs(name, {})))

    @property
    def seconds(self) -> float:
        """What all of them took together."""
        return sum((self._result(name) or {})["provenance"]["seconds"] for name in self._needed)

    @property
    def phantom_version(self) -> int | None:
        """The version that the samples are of, where they are the phantom's."""
        arrays = (name for name in self._needed if name.startswith("arrays-"))
        if not any(_of_phantom(self._arrays(name).task) for name in arrays):
            return None
        from mtneuro_data.phantom import PHANTOM_VERSION

        return PHANTOM_VERSION

    def faults(self) -> Iterator[str]:
        """Yield what is missing or wrong, in words."""
        about = self._results.about
        yield from version_faults(about.suite_version, None)
        known = {row.model for row in self._results.rows}
        if not known:
            yield "it holds no number: run `mtneuro run` to its end first"
        yield from (
            f"{model!r} is none of its rows ({', '.join(sorted(known))})"
            for model in self._models
            if model not in known
        )
        if any(model in known and model not in about.scored for model in self._models):
            yield f"its {FILE_NAME} says not which runs its numbers are of: run the same command again"
        for name in self._needed:
            content, damage = self._inspected(name)
            if damage:
                yield f"{damage}: run the same command again"
            elif content is None:
                yield f"the run {name} is missing: run the same command again"
        whole = [name for name in self._needed if self._result(name) is not None]
        yield from self._unlike(whole)
        yield from _impossible([row for name in whole for row in self._numbers(name)])
        for name in whole:
            if name.startswith("arrays-"):
                yield from self._faults_of_arrays(name)
            elif name.startswith("embeddings-"):
                yield from self._faults_of_embeddings(name, whole)

    @cached_property
    def _animals(self) -> dict[str, str]:
        """Of which animal a run's numbers are, where there are several."""
        return {name: animal for animal, names in self._results.about.animals.items() for name in names}

    def _numbers(self, name: str) -> list[Row]:
        rows = (self._result(name) or {})["rows"]
        return [replace(Row(**row), animal=self._animals.get(name, "")) for row in rows]

    def _unlike(self, whole: Sequence[str]) -> Iterator[str]:
        """Yield where ``results.csv`` and the runs' own files have not the same numbers."""
        ours = {row: None for name in whole for row in self._numbers(name) if row.model in self._models}
        listed = {row: None for row in self._results.rows if row.model in self._models}
        if whole and (away := [row for row in listed if row not in ours]):
            yield (
                f"results.csv has {len(away)} numbers that no run gave, the first {_named(away[0])}: "
                "run the same command again, which writes it anew"
            )
        if away := [row for row in ours if row not in listed]:
            yield (
                f"results.csv lacks {len(away)} numbers of its runs, the first {_named(away[0])}: "
                "run the same command again, which writes it anew"
            )

    def _arrays(self, name: str) -> Arrays:
        return Arrays.model_validate((self._result(name) or {})["settings"])

    def _faults_of_arrays(self, name: str) -> Iterator[str]:
        step, content = self._arrays(name), self._result(name) or {}
        count = len(list(step.task.samples("all")))
        if content["extra"].get("images") != count:
            yield f"{content['title']} must be {count} samples, got {content['extra'].get('images')}"
        with np.load(self._store.root / "runs" / name / "arrays.npz") as arrays:
            made = str(arrays["fingerprint"])
        if made != step.task.fingerprint:
            yield f"{content['title']} are of another version of the phantom or of mtneuro-data: run again"

    def _faults_of_embeddings(self, name: str, whole: Sequence[str]) -> Iterator[str]:
        """Yield where the embeddings of a file are not of all samples that are scored."""
        from mtneuro_probe import load_embeddings

        readers = [
            self._reader(other)
            for other in whole
            if (self._result(other) or {})["needs"].get("encoder") == [name]
        ]
        asked = asked_samples(reader for reader in readers if reader is not None)
        file = self._store.root / "runs" / name / EMBEDDINGS
        run = Run(step=GivenEmbeddings(file=file, digest=file_digest(file)), title=name)
        try:
            check_complete(Given(file=file, names=load_embeddings(file).sample_id, run=run), asked)
        except ValueError as error:
            yield one_line(error)

    def _reader(self, name: str) -> Run | None:
        """Return a run that reads embeddings, and the arrays that it needs; None for any other."""
        steps = {step.kind: step for step in (Regions, Semantics)}
        content = self._result(name) or {}
        step = steps.get(name.partition("-")[0])
        if step is None:
            return None
        needs = {
            role: tuple(
                Run(step=self._arrays(need), title=need) for need in some if need.startswith("arrays-")
            )
            for role, some in content["needs"].items()
        }
        return Run(step=step.model_validate(content["settings"]), title=content["title"], needs=needs)

    def entries(self) -> Iterator[Entry]:
        """Yield every run that gives numbers of the models."""
        for name in self._scored:
            content = self._result(name)
            if content is None:
                continue
            rows = [row for row in self._numbers(name) if row.model in self._models]
            made = content["provenance"]
            yield Entry(
                run=name,
                title=content["title"],
                sha256=file_digest(self._store.root / "runs" / name / RESULT),
                data={task: self._data(name, task) for task in dict.fromkeys(row.task for row in rows)},
                rows=tuple(asdict(row) for row in rows),
                made_with=MadeWith.model_validate({key: made[key] for key in MadeWith.model_fields}),
            )

    def _data(self, name: str, task: str) -> str:
        """Return a digest of the samples that a run's numbers of one sub-task are of."""
        return digest(sorted(self._identities(name, task)))

    def _identities(self, name: str, task: str) -> Iterator[str]:
        content = self._result(name) or {}
        if name.startswith("arrays-"):
            yield _identity(self._arrays(name))
            return
        for role, needs in content["needs"].items():
            if role in _DATA or role == f"{TEST}{task}":
                for need in needs:
                    yield from self._identities(need, task)


def _of_phantom(task: TaskSpec) -> bool:
    return task.image.startswith("phantom:")


def _identity(step: Arrays) -> str:
    """Return a digest of the samples of one part of a task; where a local file lies is no matter."""
    values = step.task.model_dump(mode="json", exclude={"name", "features"})
    values |= {key: step.files.get(values[key], values[key]) for key in ("image", "annotation")}
    if _of_phantom(step.task):
        from mtneuro_data.phantom import PHANTOM_VERSION

        values["phantom_version"] = PHANTOM_VERSION
    return digest(values)


def _named(row: Row) -> str:
    return " ".join(filter(None, (row.model, row.task, row.metric, row.class_name, row.cube)))


def version_faults(suite: str, phantom: int | None) -> Iterator[str]:
    """Yield in what versions differ from those that are installed."""
    if suite != SUITE_VERSION:
        yield f"it is of version {suite} of the suite, and this is {SUITE_VERSION}: run it again"
    if phantom is not None:
        from mtneuro_data.phantom import PHANTOM_VERSION

        if phantom != PHANTOM_VERSION:
            yield f"it is of version {phantom} of the phantom, and this is {PHANTOM_VERSION}: run again"


def _impossible(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the numbers that no score can have."""
    for row in rows:
        share = row.metric.startswith(_SHARES)
        low, high = (
            0.0 if share else -math.inf,
            1 + 1e-9 if share or (row.metric.startswith(_R2) and row.metric != RUNS) else math.inf,
        )
        if row.value is not None and not (math.isfinite(row.value) and low <= row.value <= high):
            yield f"{_named(row)} cannot be {row.value}"
        # A feature that the tissue has not, such as axons, has no number and no samples, and a note says so.
        if row.n < 1 and not (row.n == 0 and row.value is None and row.note):
            yield f"{_named(row)} must rest on samples, got {row.n}"


def _without_folders(values: Any) -> Any:
    """Return values whose absolute paths are their last parts: a file shown around names no folder."""
    if isinstance(values, Mapping):
        return {key: _without_folders(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [_without_folders(value) for value in values]
    if isinstance(values, str) and values.startswith("file://"):
        return values.rpartition("/")[2]
    if isinstance(values, str):
        for kind in (PurePosixPath, PureWindowsPath):
            if kind(values).is_absolute():
                return kind(values).name
    return values
