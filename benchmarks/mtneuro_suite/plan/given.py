"""Embeddings that a user gives in place of an encoder, checked before any run starts."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mtneuro_suite._shared.digests import file_digest
from mtneuro_suite.plan.asked import Asked
from mtneuro_suite.plan.rows import TableRow
from mtneuro_suite.runs.run import Run
from mtneuro_suite.steps import GivenEmbeddings
from mtneuro_suite.steps.sample_names import depth_in

_log = logging.getLogger(__name__)

_MEND = "--export-images FOLDER, with the same options, writes these samples and their names"


@dataclass(frozen=True, kw_only=True, eq=False)
class Given:
    """The embeddings of one row."""

    file: Path
    names: np.ndarray
    """Names of the samples, ``(samples,)`` unicode."""

    run: Run[GivenEmbeddings]
    """The run that keeps them."""

    def covers(self, depth: int) -> bool:
        """Return whether samples of so many slices are asked of it: if it names any, or no sample at all."""
        depths = {depth_in(name) for name in self.names.tolist()} - {None}
        return not depths or depth in depths


def given_rows(rows: Iterable[TableRow]) -> dict[str, Given]:
    """Return the embeddings of the rows that are of a file, by the rows' names; constant features are told.

    Raises
    ------
    FileNotFoundError
        If a file is not there.
    ValueError
        If it holds no embeddings, or the same for all samples.
    """
    return {row.name: _given(row.name, row.embeddings) for row in rows if row.embeddings is not None}


def _given(name: str, file: Path) -> Given:
    from mtneuro_probe import read_embeddings

    digest = file_digest(file) if file.is_file() else ""
    found = read_embeddings(file)
    constant = (found.embeddings == found.embeddings[0]).all(axis=0)
    if constant.all():
        raise ValueError(
            f"{file} must tell samples apart, got one embedding for all of its {len(constant)} features and "
            f"{len(found.sample_id)} samples"
        )
    if constant.any():
        _log.warning(
            "%s: %d of %d features are the same for all samples, the first in place %d: they tell nothing",
            file, constant.sum(), len(constant), np.flatnonzero(constant)[0],
        )  # fmt: skip
    run = Run(step=GivenEmbeddings(file=file, digest=digest), title=f"take the embeddings of {name}", cost=1)
    return Given(file=file, names=found.sample_id, run=run)


def check_complete(given: Given, asked: Iterable[Asked]) -> None:
    """Raise unless there is an embedding for each sample that is asked for, and for no other.

    Raises
    ------
    ValueError
        In one line: how many lack or are too many, the first of them, and how to mend it.
    """
    wanted = dict.fromkeys(name for one in asked for name in one.names.tolist())
    held = dict.fromkeys(given.names.tolist())
    lacking = [name for name in wanted if name not in held]
    beyond = [name for name in held if name not in wanted]
    if lacking and len(lacking) == len(wanted):
        raise ValueError(
            f"{given.file} must name the {len(wanted)} samples of this preset, such as {lacking[0]!r}, got "
            f"others, such as {beyond[0]!r}; {_MEND}"
        )
    if lacking:
        raise ValueError(
            f"{given.file} must have all {len(wanted)} samples that this preset asks for, and lacks "
            f"{len(lacking)}, the first {lacking[0]!r}; {_MEND}"
        )
    if beyond:
        raise ValueError(
            f"{given.file} must have no other samples than this preset asks for, got {len(beyond)} more, the "
            f"first {beyond[0]!r}; leave them out, or give the options that they were exported with"
        )
