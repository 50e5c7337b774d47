"""Read and write tables of features and scores, as CSV or Parquet."""

import os
from pathlib import Path

import pandas as pd

from mtneuro_probe._shared.bounds import MemoryBoundError, check_file, check_memory
from mtneuro_probe._shared.files import written_beside
from mtneuro_probe._shared.words import one_line

ENDINGS = (".csv", ".parquet")

_NUMBER_BYTES = 8


def save_table(path: str | os.PathLike[str], table: pd.DataFrame) -> None:
    """Write a table with its index, whole or not at all.

    Parameters
    ----------
    path
        File to write, ``.csv`` or ``.parquet``. CSV keeps every number exactly.
    table
        The table; its index needs a name.

    Raises
    ------
    ValueError
        If the path ends otherwise, or Parquet is asked for without the pyarrow library.
    OSError
        If the file cannot be written.
    """
    target = _checked(path)
    try:
        with written_beside(target) as beside:
            if target.suffix == ".csv":
                table.to_csv(beside)
            else:
                table.to_parquet(beside)
    except ImportError as error:
        raise ValueError(_NO_PARQUET) from error


def load_features(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Return a table of features, indexed by ``sample_id``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no such table.
    """
    return read_table(path, what="a table of features")


def read_table(path: str | os.PathLike[str], *, what: str) -> pd.DataFrame:
    """Return a table, indexed by its column ``sample_id``.

    Parameters
    ----------
    path
        The ``.csv`` or ``.parquet``.
    what
        What it shall be, for the message that says that it is not.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no table with such a column, or Parquet is read without the pyarrow library.
    """
    target = _checked(path)
    if not target.is_file():
        raise FileNotFoundError(f"{what} must exist, found none at {target}")
    check_file(target)
    try:
        if target.suffix == ".csv":
            table = pd.read_csv(target, dtype={"sample_id": str})
        else:
            _check_rows(target)
            table = pd.read_parquet(target)
            if "sample_id" not in table.columns:
                table = table.reset_index()
    except ImportError as error:
        raise ValueError(_NO_PARQUET) from error
    except MemoryBoundError:
        raise
    except (ValueError, OSError) as error:
        # pandas' parser errors, a file that is no text, and pages of Parquet that are damaged.
        raise ValueError(f"{target} must be {what}: {one_line(error)}") from error
    if "sample_id" not in table.columns:
        raise ValueError(f"{target} must have a column 'sample_id', got {', '.join(map(str, table.columns))}")
    return table.set_index("sample_id")


def _check_rows(target: Path) -> None:
    """Raise if a Parquet file claims more numbers than memory holds: equal ones take no room in it."""
    from pyarrow import parquet

    about = parquet.read_metadata(target)
    check_memory(str(target), about.num_rows * about.num_columns * _NUMBER_BYTES)


def _checked(path: str | os.PathLike[str]) -> Path:
    target = Path(path)
    if target.suffix not in ENDINGS:
        raise ValueError(f"a table must end in {' or '.join(ENDINGS)}, got {target}")
    return target


_NO_PARQUET = (
    "Parquet needs the pyarrow library, which is not installed; install mtneuro-probe[parquet] or use .csv"
)
