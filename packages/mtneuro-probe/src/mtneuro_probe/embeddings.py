"""The embeddings file, and embeddings in step with a table of features."""

import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Float32

if TYPE_CHECKING:
    import pandas as pd

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """One vector a sample, and the samples' ids.

    Examples
    --------
    >>> Embeddings(np.zeros((2, 3), np.float32), np.array(["A/z0", "A/z1"])).embeddings.shape
    (2, 3)
    """

    embeddings: Float32[np.ndarray, "samples features"]
    """The vectors, a row a sample."""

    sample_id: np.ndarray
    """Ids ``<cube>/z<z>`` or ``<cube>/z<z>/<corner>``, ``(samples,)`` fixed-width unicode."""

    def __post_init__(self) -> None:
        check_embeddings(self.embeddings)
        if self.sample_id.dtype.kind != "U" or self.sample_id.shape != (len(self.embeddings),):
            raise ValueError(
                f"sample_id must be unicode of shape ({len(self.embeddings)},), one id an embedding, "
                f"got {self.sample_id.dtype} of shape {self.sample_id.shape}"
            )
        ids, count = np.unique(self.sample_id, return_counts=True)
        if (count > 1).any():
            raise ValueError(f"sample_id must name each sample once, got twice: {_first_ten(ids[count > 1])}")


def check_embeddings(embeddings: np.ndarray, *, name: str = "embeddings") -> None:
    """Raise ``ValueError`` unless ``embeddings`` is a finite matrix of floats, not empty."""
    shape, dtype = np.shape(embeddings), np.asarray(embeddings).dtype
    if len(shape) != 2 or 0 in shape or dtype.kind != "f":
        raise ValueError(
            f"{name} must be a matrix of floats (samples, features), got {dtype} of shape {shape}"
        )
    finite = np.isfinite(embeddings).all(axis=1)
    if not finite.all():
        rows = ", ".join(str(row) for row in np.flatnonzero(~finite)[:10])
        raise ValueError(f"{name} must be finite, got NaN or infinity in {(~finite).sum()} row(s): {rows}")


def _first_ten(names: Sequence[str] | np.ndarray) -> str:
    shown = ", ".join(str(name) for name in names[:10])
    return shown if len(names) <= 10 else f"{shown}, … ({len(names)} in all)"


def save_embeddings(
    path: str | os.PathLike[str],
    embeddings: Float[np.ndarray, "samples features"],
    *,
    sample_id: Sequence[str] | np.ndarray,
) -> None:
    """Write an embeddings file, whole or not at all.

    Parameters
    ----------
    path
        File to write, ending in ``.npz``.
    embeddings
        One vector a sample; stored as float32.
    sample_id
        One id a sample, ``<cube>/z<z>`` or ``<cube>/z<z>/<corner>``.

    Raises
    ------
    ValueError
        If the path does not end in ``.npz``, a value is not finite, or the ids do not fit the rows.
    OSError
        If the file cannot be written.
    """
    target = Path(path)
    if target.suffix != ".npz":
        raise ValueError(f"an embeddings file must end in .npz, got {target}")
    check_embeddings(embeddings)
    checked = Embeddings(embeddings.astype(np.float32), np.asarray(sample_id, dtype=np.str_))
    beside = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with beside.open("wb") as file:
            np.savez(
                file,
                format_version=np.int64(FORMAT_VERSION),
                embeddings=checked.embeddings,
                sample_id=checked.sample_id,
            )
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def load_embeddings(path: str | os.PathLike[str]) -> Embeddings:
    """Return the content of an embeddings file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is no embeddings file of this format, holds pickled objects (which are never loaded),
        or its ids do not fit its rows.
    """
    target = Path(path)
    if not target.is_file():
        raise FileNotFoundError(f"an embeddings file must exist, found none at {target}")
    try:
        with np.load(target, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("it is a single array, not an archive")
            version, embeddings, sample_id = (
                archive[key] for key in ("format_version", "embeddings", "sample_id")
            )
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{target} must be an .npz of plain arrays format_version, embeddings and sample_id: {error}"
        ) from error
    if version.shape != () or version != FORMAT_VERSION:
        raise ValueError(f"{target} must have format_version {FORMAT_VERSION}, got {version}")
    if embeddings.dtype != np.float32:
        raise ValueError(f"embeddings in {target} must be float32, got {embeddings.dtype}")
    return Embeddings(embeddings, sample_id)


def matched(embeddings: Embeddings, features: "pd.DataFrame") -> "pd.DataFrame":
    """Return the rows of ``features`` in the order of the embeddings' samples.

    Parameters
    ----------
    embeddings
        Vectors with the ids of their samples.
    features
        A table indexed by sample id, in any order.

    Raises
    ------
    ValueError
        If a sample is in one of the two only, or twice in the table; the first ten such ids are shown.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"cell_count": [4.0, 2.0]}, index=["A/z1", "A/z0"])
    >>> vectors = Embeddings(np.zeros((2, 3), np.float32), np.array(["A/z0", "A/z1"]))
    >>> matched(vectors, table)["cell_count"].tolist()
    [2.0, 4.0]
    """
    names = features.index.astype(str)
    if names.has_duplicates:
        twice = names[names.duplicated()].unique()
        raise ValueError(f"features must name each sample once, got twice: {_first_ten(list(twice))}")
    ids = [str(name) for name in embeddings.sample_id]
    known, wanted = set(names), set(ids)
    without_features = [name for name in ids if name not in known]
    without_embedding = [name for name in names if name not in wanted]
    if without_features or without_embedding:
        told = [
            f"{len(missing)} sample(s) {what}: {_first_ten(missing)}"
            for missing, what in (
                (without_features, "have an embedding but no features"),
                (without_embedding, "have features but no embedding"),
            )
            if missing
        ]
        raise ValueError("embeddings and features must be of the same samples, got " + "; ".join(told))
    table = features.set_axis(names, axis=0)
    return table.loc[ids]
