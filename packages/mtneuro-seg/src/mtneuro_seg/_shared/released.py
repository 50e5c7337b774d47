"""Models that come with the package: folders beside ``models.json``, which pins each by its digest."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "released"
REGISTRY = "models.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """A model that comes with the package."""

    name: str
    """What commands and `from_pretrained` take it by."""

    version: int
    """Raised whenever the model is another one."""

    digest: str
    """What `folder_digest` must be."""

    about: str
    """What it does, in a line."""

    made_by: str
    """The command that remakes it."""

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return FOLDER / self.name


@cache
def released_models() -> Mapping[str, Released]:
    """Return the models that come with the package, by name."""
    if not (FOLDER / REGISTRY).is_file():
        return {}
    table = json.loads((FOLDER / REGISTRY).read_text(encoding="utf-8"))
    return {name: Released(name=name, **values) for name, values in table.items()}


def listing() -> list[str]:
    """Return a table of them, as lines."""
    lines = [f"{'name':<16}{'version':<9}{'size':<9}{'digest':<14}what"]
    for name, model in released_models().items():
        size = sum(file.stat().st_size for file in model.folder.iterdir()) / 1e6
        lines.append(f"{name:<16}{model.version:<9}{f'{size:.1f} MB':<9}{model.digest[:12]:<14}{model.about}")
        lines.append(f"{'':<48}remade by `{model.made_by}`")
    return lines
