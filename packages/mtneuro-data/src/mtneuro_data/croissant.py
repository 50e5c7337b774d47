"""A task described in Croissant 1.0, the vocabulary by which datasets of machine learning are found."""

import mimetypes
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from mtneuro_data._shared.bounds import check_memory
from mtneuro_data._shared.digests import file_digest
from mtneuro_data.provenance import Provenance, provenance_of
from mtneuro_data.task import TaskSpec
from mtneuro_data.volume import open_volume

CONFORMS_TO = ("http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0")
"""The specifications of the description, and of its statements on responsible AI."""

_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}

_BYTES_PER_SAMPLE = 2500
"""Of memory, while a sample is described and written."""

_AXES = {"z": "slice", "y": "row", "x": "column"}


def croissant_metadata(task: TaskSpec, /) -> dict[str, Any]:
    """Return a task's description in Croissant 1.0, as a JSON-LD object.

    Its files are the task's volumes. Its record sets are the splits, the regions, the classes, and all
    samples with their names, splits, regions and boxes of voxels. Licence, creators, papers and the
    statements on responsible AI (``rai:``) are given for the benchmark's volume and the phantom; for a volume
    of your own they are left out, as only you know them: add ``license``, ``creator``, ``datePublished`` and
    ``citeAs``.

    Parameters
    ----------
    task
        The task. Of a local volume only the file's name is told, not its folder, and its SHA-256.

    Raises
    ------
    FileNotFoundError
        If a local volume is not there.
    ValueError
        If the samples are more than the memory at hand can list.

    Notes
    -----
    `Croissant 1.0 <https://docs.mlcommons.org/croissant/docs/croissant-spec.html>`_ and its vocabulary for
    responsible AI. A database, a folder and the phantom have no checksum; a description of one says that the
    dataset is live (``isLiveDataset``), as the specification then asks for none.

    Examples
    --------
    >>> from mtneuro_data import builtin_task
    >>> metadata = croissant_metadata(builtin_task("roi-c1"))
    >>> [record_set["name"] for record_set in metadata["recordSet"]]
    ['splits', 'regions', 'samples']
    """
    n = sum(task.counts().values())
    check_memory(f"the list of {n} samples", n * _BYTES_PER_SAMPLE, remedy="take a larger z_step")
    known = provenance_of(task)
    volumes = {"image": task.image, **({} if task.annotation is None else {"labels": task.annotation})}
    distribution = [_file(name, uri, known) for name, uri in volumes.items()]
    described: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": list(CONFORMS_TO),
        "name": f"mtneuro-{task.name}" if known.title else task.name,
        "description": description(task, known),
        "version": version("mtneuro-data"),
        "keywords": [task.kind, "volume", *(("brain", "neuroanatomy") if known.title else ())],
        "isLiveDataset": any("sha256" not in file for file in distribution),
        **_known(known),
        "distribution": distribution,
        "recordSet": _record_sets(task),
    }
    statements = {**known.statements, "dataPreprocessingProtocol": preprocessing(task)}
    for name, said in statements.items():
        described[f"rai:{name}"] = said if isinstance(said, str) else list(said)
    return described


def description(task: TaskSpec, known: Provenance, /) -> str:
    """Return what a task is, in sentences."""
    of = f" of {known.title}" if known.title else ""
    whats = {
        "region": "the brain region that it shows" if known.title else "the region that it shows",
        "segmentation": f"the class of each of its pixels ({', '.join(task.class_names)})",
        "semantics": f"measures of what its labels show ({', '.join(task.class_names)})",
    }
    rows, columns = next(iter(task.cubes.values())).face
    shape = f"{rows} x {columns} pixels"
    if task.depth > 1:
        shape = f"{task.depth} slices of {shape}"
    counts = ", ".join(f"{split} {count}" for split, count in task.counts().items())
    sentences = [
        f"The task {task.name}: to tell, from an image{of}, {whats[task.kind]}.",
        f"A sample is a box of voxels, {shape}; samples: {counts}.",
        known.about,
        "The package mtneuro-data reads the samples as plain arrays.",
    ]
    return " ".join(filter(None, sentences))


def preprocessing(task: TaskSpec, /) -> tuple[str, ...]:
    """Return how a task makes samples and labels of its volumes, one sentence each."""
    said = [
        "Samples are boxes of the volume, cut out of cubes at ranges of slices.",
        "Indices begin at 0, and a box holds its start and not its stop.",
    ]
    if task.across_cubes:
        said.append(
            "A subvolume that a cube does not hold whole goes on in the next cube of its split; what the "
            "last one lacks is black and unlabelled."
        )
    if task.downsample > 1:
        said.append(
            f"Rows and columns are reduced by {task.downsample}: images by means, labels by majority."
        )
    if task.intensity is not None:
        low, high = (each if isinstance(each, str) else f"{each:g}" for each in task.intensity)
        said.append(f"Intensities from {low} to {high} become {task.image_type} from black to white.")
    maps = {"class": (task.label_map, task.class_names), "region": (task.roi_map, task.regions)}
    for what, (table, names) in maps.items():
        if table:
            pairs = ", ".join(f"{raw} is {names[value]}" for raw, value in table.items())
            said.append(f"Labels of the volume become a {what}: {pairs}.")
    if task.kind == "region" and task.roi_map:
        vote = "label" if task.region_vote == "label" else "region"
        said.append(f"A sample's region is that of the most frequent {vote} among its voxels.")
    if task.annotated_z is not None:
        lo, hi = task.annotated_z
        said.append(f"Slices outside {lo} to {hi - 1} have no region labels: their cube's region counts.")
    others = [split for split in ("train", "val") if split in task.splits]
    if "test" in task.splits and others:
        said.append(
            f"Where cubes overlap in rows and columns, test is {task.z_buffer} slices or more away from "
            f"{' and '.join(others)}."
        )
    return tuple(said)


def _known(known: Provenance) -> dict[str, Any]:
    """Return what is told of licence, page and papers, where it is known."""
    people = dict.fromkeys(author for work in known.works for author in work.authors)
    told: dict[str, Any] = {
        "license": known.license_page,
        "url": known.page,
        "citeAs": "\n\n".join(work.bibtex for work in known.works),
        "creator": [_person(author) for author in people],
        # The years are known, not the days.
        "datePublished": str(max(work.year for work in known.works)) if known.page else "",
    }
    return {name: value for name, value in told.items() if value}


def _person(author: str) -> dict[str, str]:
    family, _, given = author.partition(", ")
    return {"@type": "sc:Person", "name": f"{given} {family}", "givenName": given, "familyName": family}


def _file(name: str, uri: str, known: Provenance) -> dict[str, Any]:
    """Return the description of a volume."""
    told = {"@type": "cr:FileObject", "@id": name, "name": name}
    scheme, mark, address = uri.partition("://")
    if mark and scheme != "file":
        packed = "application/blosc" if scheme == "bossdb" else "application/octet-stream"
        said = known.served or "A volume, read box by box."
        return {**told, "description": said, "contentUrl": uri, "encodingFormat": packed}
    # Open it, so that a wrong path is told as everywhere.
    open_volume(uri)
    path = Path(unquote(address) if mark else uri).expanduser()
    if not path.exists():
        path = Path(str(path).rpartition("#")[0] or path)
    told |= {
        "description": "A volume that mtneuro-data opens.",
        "contentUrl": path.name,
        "encodingFormat": mimetypes.guess_type(path.name)[0] or "application/octet-stream",
    }
    return {**told, "sha256": file_digest(path)} if path.is_file() else told


def _record_sets(task: TaskSpec) -> list[dict[str, Any]]:
    kinds = {"train": "cr:TrainingSplit", "val": "cr:ValidationSplit", "test": "cr:TestSplit"}
    splits = [{"splits/name": name, "splits/url": kinds.get(name, "")} for name in task.splits]
    sets = [
        _record_set(
            "splits",
            "The splits.",
            {
                "name": ("sc:Text", "The split's name."),
                "url": ("sc:Text", "What it is for, where that is told."),
            },
            splits,
            kind="cr:Split",
        ),
        _enumeration("regions", "The regions.", task.regions),
    ]
    if task.class_names:
        sets.append(_enumeration("classes", "The classes of pixels.", task.class_names))
    voted = task.kind == "region" and task.roi_map
    region = "The region of its cube" + ("; its label is that of its voxels, see above." if voted else ".")
    fields = {
        "id": ("sc:Text", "The sample's name, unique within a split."),
        "split": ("sc:Text", "The split that it belongs to."),
        "cube": ("sc:Text", "The cube that it is cut out of."),
        "region": ("sc:Text", region),
        **{
            f"{axis}_{end}": ("sc:Integer", f"{which} {_AXES[axis]} of its box.")
            for axis in "zyx"
            for end, which in (("start", "First"), ("stop", "First that is left out"))
        },
    }
    references = {"split": "splits/name", "region": "regions/name"}
    sets.append(
        _record_set(
            "samples",
            "Every sample: its box in the volumes, in voxels at full resolution.",
            fields,
            _samples(task, tuple(fields)),
            keys=("samples/id", "samples/split"),
            references=references,
        )
    )
    return sets


def _samples(task: TaskSpec, fields: Sequence[str]) -> list[dict[str, Any]]:
    """Return a record of each sample, whose values are those of the fields in order."""
    keys = [f"samples/{field}" for field in fields]
    records: list[dict[str, Any]] = []
    for split in task.splits:
        for name, box in task.boxes(split):
            region = task.cubes[name].region
            _, y, x = zip(box.lower, box.upper, strict=True)
            for z in task.first_slices(box):
                end = min(z + task.depth, box.upper[0])
                values = (f"{name}/z{z}", split, name, region, z, end, *y, *x)
                records.append(dict(zip(keys, values, strict=True)))
    return records


def _enumeration(name: str, about: str, names: Sequence[str]) -> dict[str, Any]:
    fields = {"name": ("sc:Text", "Its name."), "value": ("sc:Integer", "Its number in the arrays.")}
    rows = [{f"{name}/name": each, f"{name}/value": number} for number, each in enumerate(names)]
    return _record_set(name, about, fields, rows, kind="sc:Enumeration")


def _record_set(
    name: str,
    about: str,
    fields: Mapping[str, tuple[str, str]],
    rows: Sequence[Mapping[str, Any]],
    *,
    kind: str | None = None,
    keys: Sequence[str] = (),
    references: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return a record set whose records stand in it.

    Parameters
    ----------
    name
        Its name.
    about
        What it holds, in a sentence.
    fields
        Type and description of each field.
    rows
        The records.
    kind
        Its own type, if it has one.
    keys
        The fields that tell records apart; by default the name.
    references
        For some fields, the field of another record set that they name.
    """
    listed: list[dict[str, Any]] = []
    for each, (data_type, said) in fields.items():
        one = {"@type": "cr:Field", "@id": f"{name}/{each}", "name": each, "description": said}
        to = (references or {}).get(each)
        listed.append(
            {**one, "dataType": data_type, **({} if to is None else {"references": {"field": {"@id": to}}})}
        )
    key = [{"@id": each} for each in keys or (f"{name}/name",)]
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": about,
        "key": key if len(key) > 1 else key[0],
        **({} if kind is None else {"dataType": kind}),
        "field": listed,
        "data": list(rows),
    }
