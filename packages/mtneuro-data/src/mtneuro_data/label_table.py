"""Read a table of labels from a file: a class for each label."""

import csv
import json
from pathlib import Path

from mtneuro_data._shared.bounds import check_file
from mtneuro_data.labels import WORDS

ENDINGS = (".csv", ".tsv", ".json")


def read_label_table(path: Path, /) -> dict[str, str | int]:
    r"""Return the table of a file: for each label (a whole number, or a word such as ``*``) its class.

    Parameters
    ----------
    path
        A ``.csv`` or ``.tsv`` of two columns, label and class (with or without a row of headings; commas,
        tabs or semicolons between them), or a ``.json`` object. A class is a name, or its number.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is of another kind, or names a label twice.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "segments.csv"
    ...     _ = path.write_text("segment,class\n17,axon\n23,dendrite\n")
    ...     read_label_table(path)
    {'17': 'axon', '23': 'dendrite'}
    """
    if path.suffix.lower() not in ENDINGS:
        raise ValueError(f"a table of labels must end in {', '.join(ENDINGS)}, got {path}")
    if not path.is_file():
        raise FileNotFoundError(f"no table of labels at {path}; check the path")
    check_file(path)
    try:
        text = path.read_text("utf-8-sig")
        pairs = _json_pairs(text) if path.suffix.lower() == ".json" else _rows(text)
        table: dict[str, str | int] = {}
        for label, value in pairs:
            if label in table:
                raise ValueError(f"each label must be named once, got {label} twice")
            table[label] = value
    except (ValueError, RecursionError, csv.Error) as error:
        raise ValueError(f"{path} must be a table of labels: {error}") from None
    if not table:
        raise ValueError(f"{path} must name at least one label, got none")
    return table


def _json_pairs(text: str) -> list[tuple[str, str | int]]:
    # As pairs, so that a label that is named twice is seen.
    pairs = json.loads(text, object_pairs_hook=list)
    for pair in pairs if isinstance(pairs, list) else [pairs]:
        if not (isinstance(pair, tuple) and isinstance(pair[1], str | int)):
            raise ValueError(f"a class must be a name or a number for each label, got {pair!r}")
    return pairs


def _rows(text: str) -> list[tuple[str, str | int]]:
    lines = text.splitlines()
    delimiter = next((mark for mark in "\t;," if lines and mark in lines[0]), ",")
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=delimiter) if any(row)]
    pairs: list[tuple[str, str | int]] = []
    for number, row in enumerate(rows, start=1):
        label = row[0]
        is_label = label in WORDS or label.removeprefix("-").isdecimal()
        if number == 1 and not is_label:
            continue  # headings
        if len(row) != 2 or not is_label or not row[1]:
            raise ValueError(f"row {number} must hold a label and its class, got {delimiter.join(row)!r}")
        pairs.append((label, row[1]))
    return pairs
