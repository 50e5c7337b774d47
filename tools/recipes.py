"""Write the conda recipe of each package, and of the suite, from its pyproject.toml.

``uv run tools/recipes.py`` renews them; with ``--check`` it only names those that differ, and exits 1.
"""

import json
import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PACKAGES = ("mtneuro-data", "mtneuro-ssl", "mtneuro-seg", "mtneuro-probe")
SUITE = "mtneuro"

CALLED = {
    "blosc": "python-blosc",
    "huggingface-hub": "huggingface_hub",
    "torch": "pytorch",
    "typing-extensions": "typing_extensions",
}
"""What libraries are called in conda's channels, where that is not their name in Python's index."""


def requirement(text: str) -> str:
    """Return a requirement as conda writes it.

    Examples
    --------
    >>> requirement("torch>=2.6"), requirement("lightning>=2.6,!=2.6.2")
    ('pytorch >=2.6', 'lightning >=2.6,!=2.6.2')
    """
    matched = re.fullmatch(r"([A-Za-z0-9._-]+?)\s*([<>=!~].*)?", text)
    if matched is None:
        raise ValueError(f"a requirement must be a name and versions, got {text!r}")
    name = matched[1].lower().replace("_", "-")
    return f"{CALLED.get(name, name)} {(matched[2] or '').replace(' ', '')}".strip()


def folder(distribution: str) -> Path:
    """Return where a package or the suite has its pyproject.toml."""
    return ROOT if distribution == SUITE else ROOT / "packages" / distribution


def recipe(package: str) -> str:
    """Return the recipe of a package, as ``rattler-build`` and conda-build's newer format have it."""
    settings = tomllib.loads((folder(package) / "pyproject.toml").read_text(encoding="utf-8"))
    project: dict[str, Any] = settings["project"]
    quoted = json.dumps
    python = f"python {project['requires-python']}"
    backend = [requirement(text) for text in settings["build-system"]["requires"]]
    run = [requirement(text) for text in project["dependencies"]]
    ((command, function),) = project["scripts"].items()
    lines = [
        "# Made by tools/recipes.py from the package's pyproject.toml: change that.",
        "schema_version: 1",
        "",
        "package:",
        f"  name: {package}",
        f"  version: {quoted(project['version'])}",
        "",
        "source:",
        f"  path: ../../../{folder(package).relative_to(ROOT).as_posix()}".removesuffix("/."),
        "",
        "build:",
        "  number: 0",
        "  noarch: python",
        "  script: python -m pip install . --no-deps --no-build-isolation -vv",
        "  python:",
        "    entry_points:",
        f"      - {quoted(f'{command} = {function}')}",
        "",
        "requirements:",
        "  host:",
        *(f"    - {quoted(text)}" for text in (python, "pip", *backend)),
        "  run:",
        *(f"    - {quoted(text)}" for text in (python, *run)),
        "",
        "tests:",
        "  - python:",
        "      imports:",
        f"        - {function.partition('.')[0]}",
        "      pip_check: true",
        "  - script:",
        f"      - {command} --help",
        "",
        "about:",
        f"  summary: {quoted(project['description'])}",
        f"  license: {project['license']}",
        "  license_file: LICENSE",
        "",
    ]
    return "\n".join(lines)


def differing() -> dict[Path, str]:
    """Return the recipes that are not what pyproject.toml says, with the texts that they should have."""
    texts = {
        ROOT / "recipes" / "conda" / package / "recipe.yaml": recipe(package)
        for package in (*PACKAGES, SUITE)
    }
    return {
        path: text
        for path, text in texts.items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    }


def renew(recipes: Mapping[Path, str]) -> None:
    """Write recipes."""
    for path, text in recipes.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def main() -> int:
    """Renew the recipes, or name those that differ."""
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        sys.stderr.write(f"usage: recipes.py [--check], got: {' '.join(sys.argv[1:])}\n")
        return 2
    found = differing()
    if not check:
        renew(found)
    for path in found:
        sys.stdout.write(f"{path.relative_to(ROOT)} {'differs' if check else 'renewed'}\n")
    return 1 if check and found else 0


if __name__ == "__main__":
    sys.exit(main())
