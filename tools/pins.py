"""Renew the exact versions in pyproject.toml, so that every machine and mirror resolves the same ones.

Without a date it resolves the newest versions as of the date that stands above them, as after a new
dependency; ``pins.py 2026-12-01`` resolves those as of that date. Let it be a week ago: by then a malicious
release has mostly been found.
"""

import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent
PINS = re.compile(r"^# As of (\S+):\nconstraint-dependencies = \[\n.*?^\]\n", re.DOTALL | re.MULTILINE)
EXPORT = (
    "uv export --quiet --all-packages --all-extras --all-groups --no-emit-workspace "
    "--no-hashes --no-annotate --no-header --exclude-newer"
)


def resolved(date: str) -> list[str]:
    """Return the version of each library, for every platform and Python that the project supports."""
    with tempfile.TemporaryDirectory() as name:
        for project in ROOT.glob("packages/*/pyproject.toml"):
            copy = Path(name) / project.relative_to(ROOT)
            copy.parent.mkdir(parents=True)
            copy.write_bytes(project.read_bytes())
        free = PINS.sub("", (ROOT / "pyproject.toml").read_text())
        (Path(name) / "pyproject.toml").write_text(free)
        lines = subprocess.run(
            [*EXPORT.split(), date], cwd=name, check=True, stdout=subprocess.PIPE, text=True
        ).stdout.splitlines()
    times = Counter(line.partition("==")[0] for line in lines)
    # The marker behind a version matters only where platforms or Pythons differ in it.
    return [line if times[line.partition("==")[0]] > 1 else line.partition(" ; ")[0] for line in lines]


def main() -> int:
    """Write the pins, or say how to call this."""
    if len(sys.argv) > 2 or sys.argv[1:2] == ["--help"]:
        sys.stderr.write("usage: pins.py [DATE]\n")
        return 2
    path = ROOT / "pyproject.toml"
    standing = PINS.search(path.read_text())
    if standing is None:
        sys.stderr.write(f"{path} must have a line '# As of DATE:' above its constraint-dependencies\n")
        return 1
    date = sys.argv[1] if len(sys.argv) == 2 else standing[1]
    pins = resolved(date)
    lines = "".join(f'    "{pin}",\n' for pin in pins)
    text = f"# As of {date}:\nconstraint-dependencies = [\n{lines}]\n"
    path.write_text(PINS.sub(text, path.read_text()))
    sys.stdout.write(f"{len(pins)} versions as of {date} written to {path.name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
