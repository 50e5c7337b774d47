"""Change a preset from the command line (values, a user's own rows and tasks), and print it as TOML."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w

from mtneuro_suite._shared.factories import is_factory, whole_name
from mtneuro_suite._shared.settings import changed_values
from mtneuro_suite.preset.model import TASKS_OWN, Preset, RegionPreset, checked_preset, shown_values
from mtneuro_suite.preset.task_files import SECTIONS, read_tasks, regions_to_tell_apart

_HUB = "hf:"
"""Start of the name of a repository on the Hugging Face hub."""

RANDOM = ":random"
"""End of the name of a timm model whose weights are random."""

DEEP = ":3d"
"""End of a factory whose network takes subvolumes."""


def with_values(preset: Preset, changes: Sequence[str]) -> Preset:
    """Return a preset with some values changed.

    Parameters
    ----------
    preset
        The preset.
    changes
        ``key=value`` each: a dotted key, and a value as TOML writes it; a word needs no quotes.

    Raises
    ------
    ValueError
        If one is not of that form, or the result is no valid preset.

    Examples
    --------
    >>> from mtneuro_suite.preset.model import read_preset
    >>> changed = with_values(read_preset("demo"), ["task1.settings.steps=5", "seeds=[1, 2]", "device=cpu"])
    >>> changed.task1.settings["steps"], changed.seeds, changed.device
    (5, (1, 2), 'cpu')
    """
    values = changed_values(preset.model_dump(exclude_unset=True), changes)
    return checked_preset(values, where="the options")


def with_own_row(
    preset: Preset,
    *,
    encoder: str | None = None,
    segmenter: str | None = None,
    embeddings: Sequence[str] = (),
) -> tuple[Preset, tuple[str, ...]]:
    """Return a preset with a user's encoder, segmenter or embeddings among its rows, and the rows' names.

    Parameters
    ----------
    preset
        The preset.
    encoder
        ``package.module:factory``, ``path/to/file.py:factory``, ``timm:NAME`` (its published weights),
        ``timm:NAME:random``, ``hf:owner/name`` or a model folder: taken as it is, for Tasks 1 and 3, and for
        Task 2 by the heads of its ``frozen`` encoders.
        ``:3d`` at the end of a factory says that it takes subvolumes.
    segmenter
        ``package.module:factory`` or ``path/to/file.py:factory``, trained like the paper's in Task 2, or a
        model folder, scored as it is. ``:3d`` as above.
    embeddings
        Files of embeddings in place of an encoder, ``NAME=FILE`` or ``FILE``, whose row has the file's name.

    Raises
    ------
    ValueError
        If the preset lacks the task, or the name means nothing.
    FileNotFoundError
        If a repository cannot be fetched.
    """
    values = preset.model_dump(exclude_unset=True)
    names: list[str] = []
    for task, option, given, row in (
        ("task1", "--encoder", encoder, _encoder_row),
        *(("task1", "--embeddings", file, _embeddings_row) for file in embeddings),
        ("task2", "--segmenter", segmenter, _segmenter_row),
    ):
        if given is not None:
            if values.get(task) is None:
                raise ValueError(f"{option} needs a preset with {task}, and {preset.name!r} has none")
            name, settings = row(given)
            if name in names:
                raise ValueError(
                    f"{option} {given} must have a name of its own, got {name!r} twice: give NAME="
                )
            values[task] = {**values[task], "rows": {**values[task].get("rows", {}), name: settings}}
            names.append(name)
            two = values.get("task2")
            # Who empties the list wants none.
            if task == "task1" and two is not None and two.get("frozen") != () and _of_images(settings):
                values["task2"] = {**two, "frozen": (*two.get("frozen", ()), name)}
    drawn = [name for name in names if name in values["task1"]["rows"]] if encoder or embeddings else []
    if drawn and values.get("task3") is not None and not (encoder or "").endswith(DEEP):
        values["task3"] = {**values["task3"], "umap_method": tuple(drawn)}
    return checked_preset(values, where="the options"), tuple(names)


def with_tasks(preset: Preset, files: Sequence[str]) -> Preset:
    """Return a preset that runs a user's own tasks, with the settings that it has for each kind.

    The tasks' own reduction and step stand in place of the preset's. Where no task has regions to tell apart,
    the methods that classify them are left out.

    Raises
    ------
    ValueError
        If a task is not what its file says, or the tasks do not make a benchmark.
    FileNotFoundError
        If a file is missing.
    """
    tasks = read_tasks(files)
    wanted = {SECTIONS[task.kind] for task in tasks}
    if "task3" in wanted:
        # It says which encoders are trained.
        wanted.add("task1")
    values = preset.model_dump(exclude_unset=True)
    sections: dict[str, dict[str, Any]] = {
        name: {key: value for key, value in (values.get(name) or {}).items() if key not in TASKS_OWN[name]}
        for name in wanted
    }
    if "task1" not in sections and "task2" in sections:
        sections["task2"].pop("frozen", None)
    if "subvolumes" in sections.get("task1", {}):
        # A task of one's own is of subvolumes as a whole, and says how many.
        given = sections["task1"]["subvolumes"]
        sections["task1"]["subvolumes"] = {key: given[key] for key in ("settings",) if key in given}
    if "task1" in sections and not any(
        len(regions_to_tell_apart(task)) > 1 for task in tasks if task.kind != "segmentation"
    ):
        sections["task1"] = _without_classifiers(sections["task1"])
    kept = {key: value for key, value in values.items() if key not in SECTIONS.values()}
    paths = tuple(str(Path(file).expanduser().resolve()) for file in files)
    return checked_preset(
        {**kept, **sections, "inputs": "tasks", "task_files": paths, "name": f"{preset.name}-of-tasks"},
        where="the options",
    )


def _without_classifiers(one: Mapping[str, Any]) -> dict[str, Any]:
    """Return Task 1's values without the methods that learn to tell regions apart, unless it has no other."""
    methods = tuple(one.get("methods", RegionPreset().methods))
    kept = tuple(name for name in methods if not name.startswith("supervised")) or methods
    per_method = {name: given for name, given in one.get("per_method", {}).items() if name in kept}
    return {**one, "methods": kept, "per_method": per_method}


def _folder_row(given: str) -> tuple[str, dict[str, Any]] | None:
    path = Path(given).expanduser()
    if not path.is_dir():
        return None
    return path.resolve().name, {"folder": str(path.resolve())}


def _of_images(row: Mapping[str, Any]) -> bool:
    """Return whether a row is of an encoder of images, as far as it says so itself."""
    if "embeddings" in row:
        return False
    if "folder" not in row:
        return row.get("axes", 2) == 2
    try:
        settings = json.loads((Path(row["folder"]) / "config.json").read_text(encoding="utf-8"))["settings"]
        return settings.get("depth") is None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return True  # what is no model's folder is refused where it is read


def _encoder_row(given: str) -> tuple[str, dict[str, Any]]:
    as_it_is = {"method": "untrained", "latent_dim": None}
    if found := _folder_row(given):
        return found
    if given.startswith("timm:"):
        name = given.removeprefix("timm:")
        if name.endswith(RANDOM):
            name = name.removesuffix(RANDOM)
            return f"timm:{name} (random weights)", {**as_it_is, "encoder": f"timm/{name}"}
        return given, {**as_it_is, "encoder": f"timm/{name}", "encoder_weights": "hub"}
    if given.startswith(_HUB):
        from mtneuro_ssl import fetched_folder

        return given, {"folder": str(fetched_folder(given.removeprefix(_HUB)).resolve())}
    if not is_factory(given.removesuffix(DEEP)):
        raise ValueError(
            "--encoder must be package.module:factory, path/to/file.py:factory, timm:NAME or "
            f"timm:NAME{RANDOM}, hf:owner/name, or the folder of a model, and there is no folder {given!r}"
        )
    return _short(given), {**as_it_is, "encoder": whole_name(given.removesuffix(DEEP)), **_axes(given)}


def _axes(factory: str) -> dict[str, int]:
    return {"axes": 3} if factory.endswith(DEEP) else {}


def _short(factory: str) -> str:
    """Return a factory's name without the packages around its module, or the folders around its file.

    Examples
    --------
    >>> _short("my.nets:encoder"), _short("../nets/mine.py:encoder:3d")
    ('nets:encoder', 'mine:encoder:3d')
    """
    bare = factory.removesuffix(DEEP)
    module, _, name = bare.rpartition(":")
    short = Path(module).stem if module.endswith(".py") else module.rpartition(".")[2]
    return f"{short}:{name}{factory.removeprefix(bare)}"


def _embeddings_row(given: str) -> tuple[str, dict[str, Any]]:
    name, equals, named = given.partition("=")
    # A file's own name may have the sign, too.
    file = Path(named if equals and not Path(given).expanduser().is_file() else given).expanduser()
    if not file.is_file():
        raise FileNotFoundError(
            f"--embeddings must be a file, or NAME=FILE, and there is no file {str(file)!r}; "
            "--export-images says what it must hold"
        )
    return name if str(file) != given and equals else file.stem, {"embeddings": str(file.resolve())}


def _segmenter_row(given: str) -> tuple[str, dict[str, Any]]:
    if found := _folder_row(given):
        return found
    if not is_factory(given.removesuffix(DEEP)):
        raise ValueError(
            "--segmenter must be package.module:factory, path/to/file.py:factory, or the folder of a model, "
            f"and there is no folder {given!r}"
        )
    return _short(given), {"model": whole_name(given.removesuffix(DEEP)), **_axes(given)}


def preset_text(preset: Preset) -> str:
    """Return a preset as TOML, every value resolved; ``none`` stands for what TOML cannot write.

    Examples
    --------
    >>> from mtneuro_suite.preset.model import read_preset
    >>> 'source = "phantom"' in preset_text(read_preset("demo"))
    True
    """
    values = {key: value for key, value in shown_values(preset).items() if key != "name"}
    return tomli_w.dumps(_in_words({key: value for key, value in values.items() if value is not None}))


def _in_words(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _in_words(value) if isinstance(value, Mapping) else "none" if value is None else value
        for key, value in values.items()
    }
