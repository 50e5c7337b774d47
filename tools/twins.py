"""Copy each shared module from the first package that has it to the others that have it.

``uv run tools/twins.py`` renews the copies; with ``--check`` it only names those that differ, and exits 1.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDERS = [
    *(
        ROOT / f"packages/mtneuro-{name}/src/mtneuro_{name}/_shared"
        for name in ("data", "ssl", "seg", "probe")
    ),
    ROOT / "benchmarks/mtneuro_suite/_shared",
]


def outdated() -> list[tuple[Path, Path]]:
    """Return each copy that differs from its original, behind the original."""
    found: list[tuple[Path, Path]] = []
    for name in sorted({path.name for folder in FOLDERS for path in folder.glob("*.py")}):
        original, *copies = [folder / name for folder in FOLDERS if (folder / name).is_file()]
        found += [(original, copy) for copy in copies if copy.read_bytes() != original.read_bytes()]
    return found


def main() -> int:
    """Renew the copies, or name those that differ."""
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        sys.stderr.write(f"usage: twins.py [--check], got: {' '.join(sys.argv[1:])}\n")
        return 2
    differing = outdated()
    for original, copy in differing:
        if not check:
            copy.write_bytes(original.read_bytes())
        sys.stdout.write(f"{copy.relative_to(ROOT)} {'differs' if check else 'renewed'}\n")
    return 1 if check and differing else 0


if __name__ == "__main__":
    sys.exit(main())
