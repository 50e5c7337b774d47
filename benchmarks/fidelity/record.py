"""Write the dated record of the measurements: the figures as JSON, and the same as tables to read."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from cubes import CLASSES, PROPORTIONS, REGIONS
from mtneuro_data.phantom import PHANTOM_VERSION

# The script runs by its path, so that only its own folder is on the path.
sys.path.append(str(Path(__file__).parents[1]))
from mtneuro_suite._shared.files import written_beside


def earlier_record(path: Path) -> dict[str, Any]:
    """Return the record of an earlier version, to stand beside this one.

    Raises
    ------
    ValueError
        If the file is no record with a difficulty and a variety.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"--before must be a record's JSON file, got {path}") from error
    if not isinstance(record, dict) or not {"phantom_version", "difficulty", "variety"} <= record.keys():
        raise ValueError(f"--before must be a record with a difficulty and a variety, got {path}")
    return record


def write_record(result: dict[str, Any], folder: Path, *, before: dict[str, Any] | None = None) -> Path:
    """Write the results as ``phantom-DATE.json`` and ``.md``, and return where the tables are.

    With ``before``, the record of an earlier version, its difficulty and its variety stand beside these.
    """
    date = datetime.now(UTC).date().isoformat()
    record = {"phantom_version": PHANTOM_VERSION, "date": date, **_rounded(result)}
    tables = [f"# The phantom, version {PHANTOM_VERSION}, beside real tissue, {date}\n"]
    for part, lines in (
        ("statistics", _statistics),
        ("difficulty", _difficulty),
        ("variety", _variety),
        ("transfer", _transfer),
    ):
        if part in result:
            tables += lines(result[part])
    if before is not None and {"difficulty", "variety"} <= result.keys():
        tables += _versions(before, result)
    path = folder / f"phantom-{date}.md"
    for place, text in (
        (path.with_suffix(".json"), json.dumps(record, indent=1) + "\n"),
        (path, "\n".join(tables)),
    ):
        with written_beside(place) as beside:
            beside.write_text(text, encoding="utf-8")
    return path


def _rounded(value: Any) -> Any:
    """Return the same results with numbers to four digits behind the point, and what is no number as None."""
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(one) for one in value]
    if not isinstance(value, float):
        return value
    return round(value, 4) if np.isfinite(value) else None


def mean_and_spread(scored: np.ndarray) -> list[str]:
    """Return the mean of each column over the seeds (rows) that have it, and its standard deviation."""
    cells: list[str] = []
    for column in scored.T:
        had = column[~np.isnan(column)]
        spread = had.std(ddof=1) if len(had) > 1 else 0.0
        cells.append(f"{had.mean():.3f} ± {spread:.3f}" if len(had) else "–")
    return cells


def _row(*cells: object) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _table(*head: str) -> list[str]:
    return [_row(*head), _row(*["---"] * len(head))]


def _statistics(result: dict[str, Any]) -> list[str]:
    pairs = [f"{region} {whose}" for region in REGIONS for whose in ("real", "phantom")]
    lines = ["## Grey levels and texture, means over four cubes of the slice z=159\n", *_table("", *pairs)]
    for key in result["CTX"]["real"]:
        cells = [f"{result[r][whose][key]:.2f}" for r in REGIONS for whose in ("real", "phantom")]
        lines.append(_row(key, *cells))
    lines += ["\n## Class proportions, per cent: the paper's dense annotation and the phantom\n"]
    lines += _table("", *REGIONS)
    for number, name in enumerate(CLASSES):
        cells = [f"{PROPORTIONS[r][number]:.2f}, {result[r]['proportions'][name]:.2f}" for r in REGIONS]
        lines.append(_row(name, *cells))
    lines += ["\n## Structures: human labels of set A, whose outlines are tighter, and the phantom\n"]
    lines += _table("", *REGIONS)
    for key in result["CTX"]["structures"]["phantom"]:
        both = [[result[r]["structures"][whose].get(key) for whose in ("human", "phantom")] for r in REGIONS]
        cells = [", ".join("–" if one is None else f"{one:.2f}" for one in pair) for pair in both]
        lines.append(_row(key, *cells))
    return [*lines, ""]


def _interval(found: list[float] | tuple[float, ...]) -> str:
    return "{:.2f} [{:.2f}, {:.2f}]".format(*found)


def _difficulty(result: dict[str, Any]) -> list[str]:
    lines = ["## Region accuracy of floors, 95 % intervals over cubes"]
    for title, rows in result.items():
        if title == "splits":
            continue
        lines += [f"\n{title}: a readout of each set scored on the three others, four tiles a cube\n"]
        lines += _table("features", "real", "phantom", "within the real interval")
        for name, found in rows.items():
            cells = [_interval(found[source]) for source in ("real", "phantom")]
            lines.append(_row(name, *cells, "yes" if found["met"] else "no"))
    splits = result["splits"]
    tasks = next(iter(splits.values()))
    lines += [
        "\nThe paper's splits of the phantom at a quarter of the resolution, corners of every 12th slice:\n"
    ]
    lines += _table("features", *[task[-2:].upper() for task in tasks])
    lines += [_row(name, *[_interval(one) for one in found.values()]) for name, found in splits.items()]
    return [*lines, ""]


def _variety(result: dict[str, Any]) -> list[str]:
    lines = [
        "## Variety: coefficients of variation over eight slices of set A, people's labels and the phantom\n"
    ]
    lines += _table("", *REGIONS)
    for name, found in result["variation"].items():
        pairs = [found.get(region) for region in REGIONS]
        cells = ["–" if pair is None else "{:.2f}, {:.2f}".format(*pair) for pair in pairs]
        lines.append(_row(name, *cells))
    lines += ["\nR2 from the region alone: people's [over slices drawn again], the phantom's [least, most]\n"]
    lines += _table("", "people", "phantom", "within .1")
    for name, found in result["region alone"].items():
        cells = [_interval(found[source]) for source in ("people", "phantom")]
        lines.append(_row(name, *cells, "yes" if found["met"] else "no"))
    return [*lines, ""]


def _versions(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return the tables of an earlier version's difficulty and variety beside this one's."""
    old, new = (f"version {version}" for version in (before["phantom_version"], PHANTOM_VERSION))
    lines = [f"## {old.capitalize()} beside {new}, by the same measures"]
    for title, rows in now["difficulty"].items():
        past = before["difficulty"].get(title, {})
        known = {name: found for name, found in rows.items() if name in past}
        if title == "splits":
            tasks = next(iter(rows.values()))
            lines += [f"\nThe paper's splits of the phantom: {old}, {new}.\n"]
            heads = [f"{task[-2:].upper()}, {one}" for task in tasks for one in (old, new)]
            lines += _table("features", *heads)
            for name, found in known.items():
                cells = [_interval(one[task]) for task in tasks for one in (past[name], found)]
                lines.append(_row(name, *cells))
            continue
        lines += [f"\n{title}: the region accuracy of floors.\n", *_table("features", "real", old, new)]
        for name, found in known.items():
            three = (found["real"], past[name]["phantom"], found["phantom"])
            lines.append(_row(name, *[_interval(one) for one in three]))
    past = before["variety"]
    lines += [f"\nCoefficients of variation: people's labels, {old}, {new}.\n", *_table("", *REGIONS)]
    for name, found in now["variety"]["variation"].items():
        theirs = past["variation"].get(name, {})
        cells = [
            f"{found[region][0]:.2f}, {theirs[region][1]:.2f}, {found[region][1]:.2f}"
            if region in found and region in theirs
            else "–"
            for region in REGIONS
        ]
        lines.append(_row(name, *cells))
    lines += ["\nR2 from the region alone.\n", *_table("", "people", old, new)]
    for name, found in now["variety"]["region alone"].items():
        if name in past["region alone"]:
            three = (found["people"], past["region alone"][name]["phantom"], found["phantom"])
            lines.append(_row(name, *[_interval(one) for one in three]))
    return [*lines, ""]


def _transfer(result: dict[str, Any]) -> list[str]:
    runs = result["seeds"]
    lines = [f"## Transfer: F1 of a 2D U-Net that saw the phantom alone, mean ± sd of {len(runs)} seeds\n"]
    lines += [", ".join(f"{key} {value}" for key, value in result["training"].items()) + "\n"]
    lines += [
        "The labelled tiles (CTX, STR, VP, ZI) were looked at while the phantom was made: a development set,",
        "and no judge of cells, whose outlines they draw tight.\n",
    ]
    lines += _table("", *CLASSES)
    for name in runs[0]["f1"]:
        cells = mean_and_spread(np.array([run["f1"][name] for run in runs]))
        lines.append(_row(name.strip(), *cells))
    objects = {key: np.array([[run["objects"][key]] for run in runs]) for key in runs[0]["objects"]}
    lines += [
        "\nF1 of whole objects on the development tiles, which hardly hangs on how tight an outline is:\n"
    ]
    lines += [*_table(*objects), _row(*[mean_and_spread(scored)[0] for scored in objects.values()])]
    lines += [
        "\nPer cent found in the real slice's cubes, and the paper's dense annotation, which is of set A:\n"
    ]
    lines += _table("", *CLASSES)
    for region in REGIONS:
        for name in runs[0]["shares"][region]:
            share = np.mean([run["shares"][region][name] for run in runs], axis=0)
            lines.append(_row(f"{region} {name}", *[f"{one:.1f}" for one in share]))
        lines.append(_row(f"{region} A, annotated", *PROPORTIONS[region]))
    return [*lines, ""]
