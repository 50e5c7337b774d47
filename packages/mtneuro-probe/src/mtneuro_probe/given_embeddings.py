"""Read embeddings that another program wrote, in any order and in whatever form its language has."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mtneuro_probe._shared.volume_file import opened_archive
from mtneuro_probe.embeddings import Embeddings
from mtneuro_probe.sample import first_ten
from mtneuro_probe.tables import ENDINGS, read_table

_WHAT = "a file of embeddings"


def read_embeddings(path: str | os.PathLike[str]) -> Embeddings:
    """Return the embeddings that any program wrote.

    Parameters
    ----------
    path
        An ``.npz`` of the arrays ``embeddings`` ``(samples, features)``, of numbers of any type, and
        ``sample_id`` ``(samples,)``; or a table, ``.csv`` or ``.parquet``, with a column ``sample_id`` and a
        column for each feature.

    Returns
    -------
    embeddings
        In the order of the file, as float32.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no such file, its ids do not fit its rows or name a sample twice, or a number is not finite;
        the message names the sample.
    """
    target = Path(path)
    if target.suffix != ".npz" and target.suffix not in ENDINGS:
        raise ValueError(f"{_WHAT} must end in .npz, {' or '.join(ENDINGS)}, got {target}")
    vectors, names = _archive(target) if target.suffix == ".npz" else _table(target)
    if len(names) != len(vectors):
        raise ValueError(
            f"{target} must have one sample_id for each row of embeddings, got {len(names)} for "
            f"{len(vectors)} rows"
        )
    found, count = np.unique(names, return_counts=True)
    if (count > 1).any():
        raise ValueError(
            f"{target} must name each sample once, got {(count > 1).sum()} of them more than once: "
            f"{first_ten(found[count > 1])}; keep one row of each"
        )
    # What float32 cannot hold becomes infinite, and is told below.
    with np.errstate(over="ignore"):
        numbers = vectors.astype(np.float32)
    finite = np.asarray(np.isfinite(numbers).all(axis=1))
    if not finite.all():
        raise ValueError(
            f"embeddings in {target} must be finite numbers of float32, got others in {(~finite).sum()} of "
            f"{len(finite)} rows, those of {first_ten(names[~finite])}; embed these samples again"
        )
    return Embeddings(numbers, names)


def _archive(target: Path) -> tuple[np.ndarray, np.ndarray]:
    with opened_archive(target, what=_WHAT) as archive:
        missing = [name for name in ("embeddings", "sample_id") if name not in archive]
        if missing:
            raise ValueError(
                f"it must hold the arrays embeddings (samples, features) and sample_id (samples,), and lacks "
                f"{' and '.join(missing)}"
            )
        vectors, names = archive["embeddings"], archive["sample_id"]
    if vectors.ndim != 2 or not vectors.size or vectors.dtype.kind not in "fiu":
        raise ValueError(
            f"embeddings in {target} must be a matrix of numbers (samples, features), got {vectors.dtype} of "
            f"shape {vectors.shape}"
        )
    if names.ndim != 1 or names.dtype.kind not in "US":
        raise ValueError(
            f"sample_id in {target} must be texts of shape (samples,), got {names.dtype} of shape "
            f"{names.shape}"
        )
    return vectors, np.char.decode(names, "utf-8") if names.dtype.kind == "S" else names


def _table(target: Path) -> tuple[np.ndarray, np.ndarray]:
    table = read_table(target, what=_WHAT)
    words = _columns(list(table.columns[[dtype.kind not in "fiu" for dtype in table.dtypes]]))
    if words:
        raise ValueError(
            f"{target} must have numbers in every column but sample_id, got others in {words}; leave such "
            "columns out, and write decimal points"
        )
    if table.empty:
        raise ValueError(f"{target} must have a row for each sample and a column for each feature, got none")
    names = np.array([str(name) for name in table.index], dtype=np.str_)
    return table.to_numpy(np.float64), names


def _columns(names: Sequence[object]) -> str:
    return first_ten([repr(name) for name in names])
