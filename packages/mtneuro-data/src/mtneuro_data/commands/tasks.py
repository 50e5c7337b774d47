"""``mtneuro-data tasks``: list the paper's tasks, or show one."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mtneuro_data._shared.terminal import Force, check_output
from mtneuro_data.commands._task import counted, named_task

if TYPE_CHECKING:
    from mtneuro_data.task import TaskSpec


def tasks(
    name: str | None = None,
    /,
    *,
    source: str | None = None,
    reading: Literal["text", "original"] | None = None,
    extra: Literal["B", "C", "D"] | None = None,
    schema: bool = False,
    croissant: Path | None = None,
    card: Path | None = None,
    force: Force = False,
) -> Iterator[str]:
    """List the paper's tasks, show one in full as a task file, or write its description for others.

    Save what is shown, change it, and give the file to any command that takes a task; `mtneuro-data info`
    counts its images and names cubes that touch.

    Example: `mtneuro-data tasks roi-c1 > mine.json`

    Example: `mtneuro-data tasks roi-c3 --extra D > other.json`

    Example: `mtneuro-data tasks --schema > task.schema.json`

    Example: `mtneuro-data tasks roi-c1 --croissant roi-c1.croissant.json --card README.md`

    Parameters
    ----------
    name
        A task's name, or a task file (.json, .toml; the original benchmark's JSON too).
    source
        Volumes to read in place of the task's own: bossdb, phantom, or phantom?seed=7.
    reading
        Of a task of the paper: as its text says, which is the default, or as the authors' code does it.
    extra
        Of roi-c2 and roi-c3: the cube set that ROI-C3 adds to training, by default B; both test on the two
        that are left.
    schema
        Show the JSON Schema of task files instead, with which an editor completes and checks them.
    croissant
        Write the task in Croissant 1.0, .json or .jsonld: its volumes, all samples with their boxes, licence,
        papers, and how voxels and labels came about.
    card
        Write the task's dataset card, .md: the same for people, with a YAML header for hubs.
    """
    from mtneuro_data.paper import builtin_task, task_names

    outputs = {"--croissant": croissant, "--card": card}
    asked = [option for option, path in outputs.items() if path is not None]
    if asked and (name is None or schema):
        raise ValueError(f"{asked[0]} describes one task: name it, and leave out --schema")
    if force and not asked:
        raise ValueError("--force is for --croissant and --card: leave it out")
    given = {"reading": reading, "extra": extra}
    chosen: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    if schema:
        for key, value in {"source": source, **given}.items():
            if name is not None or value is not None:
                raise ValueError(f"--schema is the same for every task: leave out {name or f'--{key}'}")
        from mtneuro_data.task_file import task_schema

        yield json.dumps(task_schema(), indent=1)
        return
    if name is None:
        for each in task_names():
            task = builtin_task(each, **chosen)
            counts = ", ".join(f"{split} {n}" for split, n in task.counts().items())
            yield f"{each:15} {task.kind:13} {counts}"
        return
    if extra is not None and not (name in task_names() and name.startswith(("roi-c2", "roi-c3"))):
        raise ValueError(f"--extra is a choice of roi-c2 and roi-c3, got {name}; leave it out")
    if chosen and name not in task_names():
        raise ValueError(f"--reading is a choice of the paper's tasks, got {name}; leave it out")
    task = builtin_task(name, **chosen) if chosen else named_task(name, None)
    task = task if source is None else task.with_source(source)
    if asked:
        yield from _descriptions(task, croissant=croissant, card=card, force=force)
        return
    yield json.dumps(task.model_dump(mode="json"), indent=1)


def _descriptions(
    task: "TaskSpec", *, croissant: Path | None, card: Path | None, force: bool
) -> Iterator[str]:
    """Write a task's descriptions, and yield a line for each."""
    from mtneuro_data._shared.files import written_beside
    from mtneuro_data.croissant import croissant_metadata
    from mtneuro_data.dataset_card import dataset_card
    from mtneuro_data.provenance import provenance_of

    if croissant is not None:
        check_output(croissant, ".json", ".jsonld", what="a Croissant description", force=force)
    if card is not None:
        check_output(card, ".md", what="a dataset card", force=force)
    texts: list[tuple[Path, Callable[[], str]]] = []
    if croissant is not None:
        shown = partial(json.dumps, indent=1, ensure_ascii=False)
        texts.append((croissant, lambda: shown(croissant_metadata(task))))
    if card is not None:
        texts.append((card, lambda: dataset_card(task)))
    for path, text in texts:
        with written_beside(path) as beside:
            beside.write_text(text(), encoding="utf-8")
        yield f"{counted(sum(task.counts().values()), 'sample')} of {task.name} described in {path}"
    if not provenance_of(task).title:
        yield "add its licence, creators and papers: only you know them"
