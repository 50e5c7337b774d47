"""Write and read the records of the speed scripts: one dated JSON a run, with where its figures come from."""

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

from measuring import Figure

# The scripts run by their path, so that only their own folder is on the path.
sys.path.append(str(Path(__file__).parents[1]))
from mtneuro_suite._shared.digests import digest, file_digest
from mtneuro_suite._shared.files import written_beside

FORMAT_VERSION = 1
LEFT_OUT = "left out of this run"
RECORDS = Path(__file__).parents[1] / "records" / "speed"


@dataclass(slots=True, kw_only=True)
class Part:
    """The figures of one part of a script."""

    figures: list[Figure] = field(default_factory=list[Figure])
    load_average: float | None = None
    """Runnable processes over the minute before it began: high values make its figures doubtful."""

    note: str = ""
    """Why it has no figures: what this machine lacks, or that it was left out."""

    error: str = ""
    """How it failed."""

    @property
    def left_out(self) -> bool:
        """Whether nobody asked for it."""
        return self.note == LEFT_OUT

    @property
    def holds(self) -> bool:
        """Whether it ended, with every figure on the right side of its bounds."""
        return not self.error and all(figure.holds for figure in self.figures)

    def record(self) -> dict[str, Any]:
        """Return what is written down of the part."""
        return {
            "load_average": self.load_average,
            "note": self.note,
            "error": self.error,
            "figures": [figure.record() for figure in self.figures],
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        """Return the part that was written down."""
        figures = [Figure.from_record(each) for each in record["figures"]]
        return cls(**{key: value for key, value in record.items() if key != "figures"}, figures=figures)


@dataclass(slots=True, kw_only=True)
class Record:
    """A run of one speed script: its parts, and what they were measured with."""

    name: str
    """The script's, as in ``speed_<name>.py``."""

    package: str
    """The package that it measures, as it is imported."""

    time: datetime
    quick: bool
    sources: str
    """A digest of the package's sources and of the script: only runs of equal ones are merged."""

    machine: dict[str, Any]
    versions: dict[str, str]
    commit: str
    parts: dict[str, Part] = field(default_factory=dict[str, Part])

    @classmethod
    def begun(cls, name: str, *, package: str, script: Path, quick: bool) -> Self:
        """Return the record of a run that begins now on this machine."""
        return cls(
            name=name,
            package=package,
            time=datetime.now(UTC),
            quick=quick,
            sources=sources_digest(package, script),
            machine=machine(),
            versions=versions(package.replace("_", "-")),
            commit=commit(),
        )

    @property
    def holds(self) -> bool:
        """Whether every part holds."""
        return all(part.holds for part in self.parts.values())

    @property
    def file_name(self) -> str:
        """The name of its file."""
        return f"{self.name}-{self.time:%Y%m%dT%H%M%S}.json"

    def continues(self, earlier: "Record") -> bool:
        """Return whether an earlier run's parts may stand beside this one's."""
        same = ("name", "package", "quick", "sources", "machine", "versions")
        return all(getattr(self, each) == getattr(earlier, each) for each in same)

    def as_json(self) -> dict[str, Any]:
        """Return what is written down of the run."""
        return {
            "format_version": FORMAT_VERSION,
            "name": self.name,
            "package": self.package,
            "time": self.time.isoformat(timespec="seconds"),
            "quick": self.quick,
            "holds": self.holds,
            "commit": self.commit,
            "sources": self.sources,
            "machine": self.machine,
            "versions": self.versions,
            "parts": {name: part.record() for name, part in self.parts.items()},
        }

    def write(self, folder: Path) -> Path:
        """Write the record into a folder, and return its file."""
        return write(self.as_json(), folder / self.file_name)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the record in a file.

        Raises
        ------
        ValueError
            If the file is not a record of this format.
        """
        about = json.loads(path.read_text("utf-8"))
        if about.get("format_version") != FORMAT_VERSION:
            raise ValueError(
                f"{path.name} must have the format_version {FORMAT_VERSION}, got "
                f"{about.get('format_version')}; measure it anew and remove it"
            )
        fields = {key: about[key] for key in cls.__slots__ if key not in {"time", "parts"}}
        parts = {name: Part.from_record(part) for name, part in about["parts"].items()}
        return cls(**fields, time=datetime.fromisoformat(about["time"]), parts=parts)


def write(content: dict[str, Any] | str, path: Path) -> Path:
    """Write text, or a value as JSON, and return the file."""
    text = content if isinstance(content, str) else json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    with written_beside(path) as beside:
        beside.write_text(text, "utf-8")
    return path


def records(name: str, folder: Path = RECORDS) -> Iterator[tuple[Path, Record]]:
    """Yield a script's files and their records, newest first; files of another format are passed over."""
    for path in sorted(folder.glob(f"{name}-[0-9]*.json"), reverse=True):
        try:
            yield path, Record.read(path)
        except ValueError:
            continue


def sources_digest(package: str, script: Path) -> str:
    """Return a digest of the sources of an installed package and of a script."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{package} must be installed to be measured")
    root = Path(spec.origin).parent
    files = {path.relative_to(root).as_posix(): file_digest(path) for path in root.rglob("*.py")}
    return digest(files | {script.name: file_digest(script)})


def machine() -> dict[str, Any]:
    """Return what of this machine bears on a figure."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "architecture": platform.machine(),
        "gpu": _gpu(),
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.exists() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor())


def _gpu() -> str | None:
    """Return the name of the CUDA device, if the script has loaded torch."""
    torch = sys.modules.get("torch")
    return torch.cuda.get_device_name() if torch is not None and torch.cuda.is_available() else None


def versions(distribution: str) -> dict[str, str]:
    """Return the versions of Python, of a distribution, and of what is installed of its requirements."""
    return {"python": platform.python_version()} | dict(_versions(distribution))


def _versions(distribution: str) -> Iterator[tuple[str, str]]:
    try:
        required = requires(distribution) or ()
    except PackageNotFoundError:  # the suite's own, which is not installed
        required = ()
    names = {each.group() for each in map(re.compile(r"[\w.-]+").match, required) if each}
    for name in [distribution, *sorted(names)]:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue


def commit() -> str:
    """Return the commit that is measured, with ``-dirty`` if files differ from it, or ``unknown``."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        told = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return told.stdout.strip()
