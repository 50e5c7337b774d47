"""The rows of Tables 1 and 2: the paper's methods and networks, and a preset's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mtneuro_suite.plan.models import check_known
from mtneuro_suite.preset.model import POINT_ROWS, OwnRows, RegionPreset, SegmentationPreset

POINTS, COUNTS = POINT_ROWS
"""The row of an encoder of clouds of points, and that of the number of each class's points alone."""

UNSEEDED = ("pca", COUNTS)
"""Methods that draw nothing, so that they are run with the first seed alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """One row of a table: the name of its results, and how its model is made."""

    name: str
    chosen: Mapping[str, Any]
    """Training settings that are the row's own."""

    folder: Path | None = None
    """Folder of a trained model that is taken as it is."""

    embeddings: Path | None = None
    """File of embeddings that stand in place of an encoder."""

    own: bool = False
    """Whether it is a preset's own."""

    like: str = ""
    """Of a preset's own: the method or network of the paper that it is a variant of."""

    deep: bool | None = None
    """Whether an encoder takes subvolumes and no images; None where it is made for what it learns from, and
    where a trained model's folder says it."""

    frozen: str = ""
    """Of a row of Table 2 that reads a frozen encoder out: the encoder's row of Table 1."""

    head: str = ""
    """What reads it out."""

    @property
    def is_floor(self) -> bool:
        """Whether nothing was learnt: what any other row should beat."""
        return self.method in ("floor", "untrained")

    @property
    def method(self) -> str:
        """The method that trains an encoder, or ``folder``, ``embeddings`` or ``floor``."""
        if self.embeddings:
            return "embeddings"
        return "folder" if self.folder else str(self.chosen.get("method", "byol"))

    @property
    def paper_method(self) -> str:
        """The method under which the paper has the row; empty for a preset's own that is like none."""
        return self.like if self.own else self.method

    @property
    def paper_network(self) -> str:
        """The network under which the paper has the row; empty for a preset's own that is like none."""
        return self.like if self.own else self.name

    @property
    def seeded(self) -> bool:
        """Whether another seed gives another result."""
        return self.head == "convolutional" or self.method not in (*UNSEEDED, "folder", "embeddings", "floor")


def mixup_variants(preset: RegionPreset) -> dict[str, float]:
    """Return the names under which mixup's results are kept, with their probabilities."""
    return {f"supervised+mixup p={p:g}": p for p in preset.mixup_probabilities}


def encoder_rows(one: RegionPreset) -> list[TableRow]:
    """Return the rows of Table 1; mixup has one for each probability."""
    found: list[TableRow] = []
    for method in one.methods:
        if method == "supervised+mixup":
            found += [
                TableRow(name=name, chosen={"method": method, "mixup_probability": p})
                for name, p in mixup_variants(one).items()
            ]
        else:
            found.append(TableRow(name=method, chosen={"method": method}))
    for row in _own_rows(one.rows, "method"):
        chosen = {key: value for key, value in row.chosen.items() if key != "axes"}
        found.append(replace(row, chosen=chosen, deep=_is_deep(row.chosen)))
    return found


def _is_deep(chosen: Mapping[str, Any]) -> bool | None:
    """Return whether an encoder takes subvolumes; None for ours, and for what a folder says."""
    encoder = str(chosen.get("encoder", ""))
    foreign = ":" in encoder or encoder.startswith("timm/")
    return chosen.get("axes", 2) == 3 if foreign or "axes" in chosen else None


def point_rows(one: RegionPreset) -> list[TableRow]:
    """Return the rows of Tables 1 and 3 that are of clouds of points, where they are asked for."""
    if one.points is None:
        return []
    methods = {POINTS: "supervised", COUNTS: COUNTS}
    return [TableRow(name=name, chosen={"method": method}, own=True) for name, method in methods.items()]


def floor_rows(floors: Sequence[str]) -> list[TableRow]:
    """Return the rows of Tables 1 and 3 that are one statistic of the images."""
    return [TableRow(name=name, chosen={"method": "floor"}, own=True) for name in floors]


def network_rows(two: SegmentationPreset) -> list[TableRow]:
    """Return the rows of Table 2."""
    return [TableRow(name=name, chosen={"model": name}) for name in two.models] + _own_rows(two.rows, "model")


def frozen_rows(one: RegionPreset, two: SegmentationPreset) -> list[TableRow]:
    """Return the rows of Table 2 that read frozen encoders out: one for each encoder and head.

    Raises
    ------
    ValueError
        If one of the encoders has no row in Table 1.
    """
    encoders = {row.name: row for row in encoder_rows(one)} if two.frozen else {}
    check_known("task2.frozen", two.frozen, [*encoders])
    # Who names a row and gives it with --encoder names it twice.
    return [
        replace(encoders[name], name=f"{name}, {head}", own=True, like="", frozen=name, head=head)
        for name in dict.fromkeys(two.frozen)
        for head in two.heads
    ]


def _own_rows(rows: OwnRows, kind: str) -> list[TableRow]:
    """Return a preset's own rows; ``kind`` is the setting that the paper's rows differ by."""
    found: list[TableRow] = []
    for name, settings in rows.items():
        if "folder" in settings:
            folder = Path(settings["folder"]).expanduser().resolve()
            found.append(TableRow(name=name, chosen={}, folder=folder, own=True))
            continue
        if "embeddings" in settings:
            file = Path(settings["embeddings"]).expanduser().resolve()
            found.append(TableRow(name=name, chosen={}, embeddings=file, own=True))
            continue
        like = str(settings.get("like", ""))
        chosen = {key: value for key, value in settings.items() if key != "like"}
        found.append(
            TableRow(name=name, chosen={kind: like, **chosen} if like else chosen, own=True, like=like)
        )
    return found
