"""Tables of features and scores on disk, as CSV or Parquet."""

import os
from pathlib import Path

import pandas as pd

SUFFIXES = (".csv", ".parquet")


def check_table_path(path: str | os.PathLike[str]) -> Path:
    """Return ``path``, or raise ``ValueError`` where a table cannot be written to it for its name."""
    target = Path(path)
    if target.suffix not in SUFFIXES:
        raise ValueError(f"a table must end in {' or '.join(SUFFIXES)}, got {target}")
    return target


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
    target = check_table_path(path)
    beside = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        if target.suffix == ".csv":
            table.to_csv(beside)
        else:
            table.to_parquet(beside)
        beside.replace(target)
    except ImportError as error:
        raise ValueError(_NO_PARQUET) from error
    finally:
        beside.unlink(missing_ok=True)


def load_features(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Return a table of features, indexed by ``sample_id``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no such table.
    """
    target = check_table_path(path)
    if not target.is_file():
        raise FileNotFoundError(f"a table of features must exist, found none at {target}")
    try:
        if target.suffix == ".csv":
            table = pd.read_csv(target, dtype={"sample_id": str})
        else:
            table = pd.read_parquet(target).reset_index()
    except ImportError as error:
        raise ValueError(_NO_PARQUET) from error
    except ValueError as error:
        # pandas' parser errors, and a file that is no text.
        raise ValueError(f"{target} must be a table of features: {error}") from error
    if "sample_id" not in table.columns:
        raise ValueError(f"{target} must have a column 'sample_id', got {', '.join(map(str, table.columns))}")
    return table.set_index("sample_id")


_NO_PARQUET = (
    "Parquet needs the pyarrow library, which is not installed; install mtneuro-probe[parquet] or use .csv"
)
