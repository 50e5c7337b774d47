"""The reference of what each package offers, from the names in its ``__init__.pyi`` and their docstrings."""

import inspect
import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref

PACKAGES = {
    "mtneuro_data": ("mtneuro_data.phantom", "mtneuro_data.serving"),
    "mtneuro_ssl": (),
    "mtneuro_seg": (),
    "mtneuro_probe": (),
}
"""The packages, with their subpackages that are public too."""

COLON = "\uf03a"
"""What stands for a colon meanwhile: a character of no language."""

LIBRARIES = re.compile(r"set_\w+_request|model_config|model_post_init")


def names(module: str) -> dict[str, list[str]]:
    """Return a module's public names by their kind: functions, classes, constants."""
    package = import_module(module)
    kinds: dict[str, list[str]] = {"Functions": [], "Classes": [], "Constants": []}
    for name in sorted(package.__all__, key=str.lower):
        value = getattr(package, name)
        if not inspect.ismodule(value) and not name.startswith("__"):
            kind = "Classes" if inspect.isclass(value) else "Functions" if callable(value) else "Constants"
            kinds[kind].append(name)
    return {kind: found for kind, found in kinds.items() if found}


def page(module: str, subpackages: tuple[str, ...]) -> str:
    """Return the page of a package, in reStructuredText."""
    text = f"{module}\n{'=' * len(module)}\n\n.. automodule:: {module}\n\n.. currentmodule:: {module}\n"
    for kind, found in names(module).items():
        text += (
            f"\n{kind}\n{'-' * len(kind)}\n\n.. autosummary::\n   :toctree: {module}\n   :nosignatures:\n\n"
        )
        text += "".join(f"   {name}\n" for name in found)
    if subpackages:
        text += "\n.. toctree::\n   :hidden:\n\n" + "".join(f"   {name}\n" for name in subpackages)
    return text


def write_pages(folder: Path) -> None:
    """Write a page for each package, and leave one that is as it was, so that it is not read again."""
    folder.mkdir(exist_ok=True)
    for package, subpackages in PACKAGES.items():
        for module in (package, *subpackages):
            text = page(module, subpackages if module == package else ())
            path = folder / f"{module}.rst"
            if not path.exists() or path.read_text("utf-8") != text:
                path.write_text(text, "utf-8")


def public(app: Any, env: Any, node: Any, content: Any) -> Any:
    """Resolve the name of an object by its module to its public name, which has the page."""
    target = node.get("reftarget", "")
    package, _, name = target.partition(".")
    if node.get("refdomain") != "py" or package not in PACKAGES or not name:
        return None
    for module in (package, *PACKAGES[package]):
        public_name = f"{module}.{name.rsplit('.')[-1]}"
        if public_name != target and public_name in env.domains["py"].objects:
            return env.domains["py"].resolve_xref(
                env, node["refdoc"], app.builder, "obj", public_name, node, content
            )
    # A module inside a package is named, and has no page.
    try:
        return content if find_spec(target) else None
    except ModuleNotFoundError:
        return None


def exact(app: Any, doctree: Any) -> None:
    """Let a type in a docstring be that name alone: ``array`` is no attribute that is called so."""
    for node in doctree.findall(pending_xref):
        if node.get("refdomain") == "py":
            node.attributes.pop("refspecific", None)
    # What stands in backticks and is no name is code: a command, an option.
    for node in doctree.findall(nodes.emphasis):
        if "py-obj" in node["classes"]:
            node.replace_self(nodes.literal("", node.astext()))


def hide_colons(app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Keep napoleon from taking what stands before a colon in an attribute's docstring for its type."""
    if what in ("attribute", "property"):
        lines[:] = [line.replace(":", COLON) for line in lines]


def show_colons(app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Put the colons back."""
    lines[:] = [line.replace(COLON, ":") for line in lines]


def left_out(app: Any, what: str, name: str, value: Any, skip: bool, options: Any) -> bool | None:
    """Leave out what libraries put into a class."""
    return True if LIBRARIES.fullmatch(name) else None


def short_signature(
    app: Any, what: str, name: str, value: Any, options: Any, signature: str, returns: str
) -> tuple[str, str] | None:
    """Leave the arguments of settings to their fields below, which say what each is for."""
    return ("(**settings)", "") if what == "class" and hasattr(value, "model_fields") else None


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("missing-reference", public)
    app.connect("doctree-read", exact)
    app.connect("autodoc-skip-member", left_out)
    app.connect("autodoc-process-docstring", hide_colons, priority=400)  # napoleon's is 500
    app.connect("autodoc-process-docstring", show_colons, priority=600)
    app.connect("autodoc-process-signature", short_signature)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
