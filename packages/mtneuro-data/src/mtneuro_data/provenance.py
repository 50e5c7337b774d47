"""Where a task's voxels and labels come from: licence, papers, and how they were collected and annotated."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from mtneuro_data.task import CHANNELS, TaskSpec

Statement = str | tuple[str, ...]
"""One statement, or several on the same subject."""

_LABELS = ("roi_labels", "pixel_labels")


@dataclass(frozen=True, slots=True)
class Work:
    """A paper to cite."""

    key: str
    """Its key in a BibTeX file."""

    kind: str
    """Its type in a BibTeX file."""

    title: str
    within: str
    """Journal or proceedings."""

    year: int
    authors: tuple[str, ...]
    """Each ``family name, given names``."""

    identifiers: Mapping[str, str]
    """Further fields of its BibTeX entry."""

    @property
    def bibtex(self) -> str:
        """The paper as an entry of a BibTeX file."""
        place = "journal" if self.kind == "article" else "booktitle"
        fields = {
            "author": " and ".join(self.authors),
            "title": f"{{{self.title}}}",
            place: self.within,
            "year": str(self.year),
            **self.identifiers,
        }
        lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
        return f"@{self.kind}{{{self.key},\n{lines}\n}}"

    @property
    def in_words(self) -> str:
        """The paper in one line."""
        first = self.authors[0].partition(",")[0]
        return f"{first} et al., {self.title}. {self.within}, {self.year}"


@dataclass(frozen=True, slots=True)
class Provenance:
    """What is known of a task's data beyond the task itself; empty where nothing is known."""

    title: str = ""
    """What the images are of, in a few words."""

    about: str = ""
    """What is to be known of the volume, in sentences."""

    page: str = ""
    """Address of the volume's own page."""

    license: str = ""
    """SPDX identifier of the licence of voxels and labels."""

    license_page: str = ""
    """Address of the licence's text."""

    works: tuple[Work, ...] = ()
    """Papers to cite."""

    served: str = ""
    """How the volume is read."""

    labels_made: tuple[str, ...] = ()
    """Who made the labels: ``expert-generated``, ``machine-generated`` or both."""

    statements: Mapping[str, Statement] = field(default_factory=lambda: MappingProxyType({}))
    """What is said of collection, annotation, limits and use, by the names of Croissant's vocabulary for
    responsible AI."""


def provenance_of(task: TaskSpec, /) -> Provenance:
    """Return what is known of a task's data: of the benchmark's volume and of the phantom, and of no other.

    What is said of labels is said only if the task reads the benchmark's own, and the other way round.

    Parameters
    ----------
    task
        The task.

    Examples
    --------
    >>> from mtneuro_data import builtin_task
    >>> provenance_of(builtin_task("semantics")).license
    'CC-BY-4.0'
    """
    facts = tomllib.loads(files("mtneuro_data").joinpath("provenance.toml").read_text("utf-8"))
    origin, channel = _place(task.image)
    labelled, labels = ("", "") if task.annotation is None else _place(task.annotation)
    about = facts.get(origin, {}) if channel == "image" else {}
    if not about:
        return Provenance()
    parts = [about]
    if labels in _LABELS and labelled == origin:
        parts.append(about[labels])
    known = {name: about[name] for name in ("title", "about", "page", "license", "license_page", "served")}
    return Provenance(
        **known,
        works=tuple(_work(key, facts["works"][key]) for key in about["works"]),
        labels_made=tuple(parts[-1].get("made", ())),
        statements=MappingProxyType(_joined([part["statements"] for part in parts])),
    )


def _place(uri: str) -> tuple[str, str]:
    """Return which of the known volumes a URI is of, and which of its channels."""
    scheme, _, rest = uri.partition("://")
    if scheme == "phantom":
        return "phantom", rest.partition("?")[0]
    for name, published in CHANNELS.items():
        # At a level too, and under the database's web address of the channel.
        path = re.escape(published.removeprefix("bossdb://"))
        if scheme in ("bossdb", "http", "https") and re.search(rf"(^|/){path}(/\d*)?$", rest):
            return "published", name
    return "", ""


def _work(key: str, values: Mapping[str, Any]) -> Work:
    fields: dict[str, Any] = {**values, "authors": tuple(values["authors"])}
    return Work(key=key, **fields)


def _joined(tables: list[Mapping[str, Any]]) -> dict[str, Statement]:
    """Return the statements of several tables; of lists on the same subject, all."""
    joined: dict[str, Statement] = {}
    for table in tables:
        for name, said in table.items():
            before = joined.get(name, ())
            joined[name] = said if isinstance(said, str) else (*before, *said)
    return joined
