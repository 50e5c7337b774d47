"""A task's dataset card: Markdown with a YAML header, as hubs of datasets show it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from mtneuro_data.croissant import description, preprocessing
from mtneuro_data.paper import builtin_task, task_names
from mtneuro_data.provenance import Provenance, Statement, provenance_of
from mtneuro_data.task import TaskSpec

_CATEGORIES = {
    "region": "image-classification",
    "segmentation": "image-segmentation",
    "semantics": "image-feature-extraction",
}
"""What hubs call the kinds of tasks."""

_SIZES = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K", 1_000_000: "100K<n<1M"}
"""What hubs call a number of samples below each bound."""

_SECTIONS: Mapping[str, tuple[str, ...]] = {
    "Collection": (
        "dataCollection",
        "dataCollectionRawData",
        "dataCollectionMissingData",
        "dataImputationProtocol",
    ),
    "Annotation": (
        "dataAnnotationProtocol",
        "dataAnnotationPlatform",
        "machineAnnotationTools",
        "annotationsPerItem",
    ),
    "Use": ("dataUseCases", "dataSocialImpact"),
    "Limits": ("dataBiases", "dataLimitations"),
    "Personal and sensitive information": ("personalSensitiveInformation",),
    "Maintenance": ("dataReleaseMaintenancePlan",),
}
"""Which statements stand in which section."""

_PREFIXES = {"dataAnnotationPlatform": "Tools: ", "machineAnnotationTools": "By machine: "}

_UNKNOWN = "Not stated. Say it here: only you know."


def dataset_card(task: TaskSpec, /) -> str:
    """Return a task's dataset card, Markdown with a YAML header.

    It says what a sample is, how many there are, how to load them, and how voxels and labels came about,
    with licence and papers. For a volume of your own, what only you know is left to be filled in, and the
    licence is ``unknown``.

    Parameters
    ----------
    task
        The task.

    Examples
    --------
    >>> from mtneuro_data import builtin_task
    >>> print(dataset_card(builtin_task("semantics"))[:24])
    ---
    license: "cc-by-4.0"
    """
    known = provenance_of(task)
    lines = [
        "---",
        *(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in _header(task, known).items()),
        "---",
        "",
        f"# {_title(task, known)}",
        "",
        description(task, known),
        "",
        *_samples(task),
        *_loading(task),
        *_sections(known),
        *_licence(known),
    ]
    return "\n".join(lines) + "\n"


def _title(task: TaskSpec, known: Provenance) -> str:
    return f"{task.name}: a task of the MTNeuro benchmark" if known.title else task.name


def _header(task: TaskSpec, known: Provenance) -> dict[str, Any]:
    n = sum(task.counts().values())
    header: dict[str, Any] = {
        # JSON is YAML, too: every value is written as JSON.
        "license": known.license.lower() or "unknown",
        "pretty_name": _title(task, known),
        "task_categories": [_CATEGORIES[task.kind]],
        "size_categories": [next((name for bound, name in _SIZES.items() if n < bound), "n>1M")],
        "tags": ["volume", "neuroanatomy", "brain"] if known.title else ["volume"],
    }
    if known.labels_made:
        header["annotations_creators"] = list(known.labels_made)
    return header


def _samples(task: TaskSpec) -> Iterator[str]:
    yield from ("## Samples", "")
    yield from ("| split | samples | cubes | slices |", "|---|---|---|---|")
    counts = task.counts()
    for split, parts in task.splits.items():
        cubes = "; ".join(", ".join(part.cubes) for part in parts)
        slices = "; ".join(f"{part.z[0]} to {part.z[1] - 1}" for part in parts)
        yield f"| {split} | {counts[split]} | {cubes} | {slices} |"
    yield ""
    yield f"Regions: {', '.join(f'{number} {name}' for number, name in enumerate(task.regions))}."
    if task.class_names:
        yield f"Classes: {', '.join(f'{number} {name}' for number, name in enumerate(task.class_names))}."
    yield ""
    yield from (f"- {sentence}" for sentence in preprocessing(task))
    yield ""


def _loading(task: TaskSpec) -> Iterator[str]:
    call, name = f'read_task("{task.name}.json")', "read_task"
    if task.name in task_names():
        built_in = builtin_task(task.name)
        sources = {"": built_in, '.with_source("phantom")': built_in.with_source("phantom")}
        found = next((text for text, one in sources.items() if one == task), None)
        if found is not None:
            call, name = f'builtin_task("{task.name}"){found}', "builtin_task"
    names = ", ".join(sorted((name, "load")))
    yield from ("## Load it", "", "With `pip install mtneuro-data`, without PyTorch:", "", "```python")
    yield from (f"from mtneuro_data import {names}", "", f"task = {call}")
    yield f'arrays = load(task, "{next(iter(task.splits))}")'
    yield "print(arrays.images.shape, arrays.images.dtype, arrays.region_names)"
    yield from ("```", "")
    if name == "read_task":
        yield from ("The task file lies beside this card: `mtneuro-data tasks` writes it.", "")


def _sections(known: Provenance) -> Iterator[str]:
    for title, names in _SECTIONS.items():
        said = [
            _PREFIXES.get(name, "") + sentence
            for name in names
            for sentence in _sentences(known.statements.get(name, ()))
        ]
        if said or not known.title:
            yield from (f"## {title}", "", *(f"- {sentence}" for sentence in said or [_UNKNOWN]), "")


def _sentences(said: Statement) -> tuple[str, ...]:
    return (said,) if isinstance(said, str) else said


def _licence(known: Provenance) -> Iterator[str]:
    yield from ("## Licence and citation", "")
    if not known.title:
        yield _UNKNOWN
        return
    yield f"Voxels and labels: [{known.license}]({known.license_page})."
    if known.page:
        yield f"The volume's own page: <{known.page}>."
    yield "Please cite:"
    yield from ("", *(f"- {work.in_words}" for work in known.works), "", "```bibtex")
    yield "\n\n".join(work.bibtex for work in known.works)
    yield "```"
