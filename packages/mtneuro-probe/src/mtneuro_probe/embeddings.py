"""Embeddings with the ids of their samples, and the file that holds them."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32

from mtneuro_probe._shared.files import written_beside
from mtneuro_probe._shared.masked import check_unmasked
from mtneuro_probe._shared.volume_file import opened_archive
from mtneuro_probe.sample import first_ten

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
            raise ValueError(f"sample_id must name each sample once, got twice: {first_ten(ids[count > 1])}")


def check_embeddings(embeddings: np.ndarray, *, name: str = "embeddings") -> None:
    """Raise ``ValueError`` unless ``embeddings`` is a finite matrix of floats, not empty."""
    check_unmasked(embeddings, name)
    shape, dtype = np.shape(embeddings), np.asarray(embeddings).dtype
    if len(shape) != 2 or 0 in shape or dtype.kind != "f":
        raise ValueError(
            f"{name} must be a matrix of floats (samples, features), got {dtype} of shape {shape}"
        )
    finite = np.isfinite(embeddings).all(axis=1)
    if not finite.all():
        rows = ", ".join(str(row) for row in np.flatnonzero(~finite)[:10])
        raise ValueError(f"{name} must be finite, got NaN or infinity in {(~finite).sum()} row(s): {rows}")


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
    with written_beside(target) as beside:
        np.savez(
            beside,
            format_version=np.int64(FORMAT_VERSION),
            embeddings=checked.embeddings,
            sample_id=checked.sample_id,
        )


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
    what = "an embeddings file, as mtneuro-ssl embed writes"
    if Path(path).is_dir():
        raise ValueError(f"{path} is not {what}: it is a folder")
    with opened_archive(path, what=what) as archive:
        missing = {"format_version", "embeddings", "sample_id"} - set(archive)
        if missing:
            raise ValueError(f"it holds no {', '.join(sorted(missing))}")
        version, embeddings, sample_id = (
            archive[name] for name in ("format_version", "embeddings", "sample_id")
        )
    if version.shape != () or version != FORMAT_VERSION:
        raise ValueError(f"{path} must have format_version {FORMAT_VERSION}, got {version}")
    if embeddings.dtype.newbyteorder("=") != np.float32:
        raise ValueError(f"embeddings in {path} must be float32, got {embeddings.dtype}")
    return Embeddings(embeddings.astype(np.float32, copy=False), sample_id)
