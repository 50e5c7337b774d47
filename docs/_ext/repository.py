"""Pages whose text stands elsewhere in the repository, and links as they are written for its tree.

Pages link as in any checkout: ``[the encoder](../benchmarks/examples/tiny_encoder.py)``. Such a link leads to
a page of the site. A picture, and a page that a browser shows, are copied into the site. If the file is
neither, its name stands without a link, unless ``repository_address`` says where the repository is. If there
is no such file, the build fails.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pygments.lexers.special import TextLexer

INCLUDE = re.compile(r"^```\{include\} (\S+)\n```\n?", re.MULTILINE)
FENCED = re.compile(r"(^```.*?^```$|^ {4}.*?$|`[^`\n]+`)", re.MULTILINE | re.DOTALL)
ANCHOR = re.compile(r'^<a id="([\w-]+)"></a>', re.MULTILINE)
SHOWN = {".html", ".png", ".svg"}
LINK = re.compile(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")


def included(page: Path) -> Path | None:
    """Return the file whose text a page includes as its own, if it does."""
    match = INCLUDE.search(page.read_text("utf-8"))
    return Path(os.path.normpath(page.parent / match[1])) if match else None


def pages(source: Path) -> dict[Path, str]:
    """Return the page of each file that has one."""
    found: dict[Path, str] = {}
    for page in source.rglob("*.md"):
        relative = page.relative_to(source)
        if not relative.parts[0].startswith("_"):
            found[page] = found[included(page) or page] = f"/{relative.as_posix()}"
    found[source.parent / "README.md"] = "/index.md"
    return found


def rewritten(text: str, change: Callable[[str, str], str]) -> str:
    """Return a page with each link, ``[words](target)``, outside of code as ``change`` gives it."""
    parts = FENCED.split(text)
    # A link's own words may hold code: `name` is kept whole, and its link is found around it.
    held: list[str] = []

    def hold(part: str) -> str:
        held.append(part)
        return f"\0{len(held) - 1}\0"

    joined = "".join(hold(part) if at % 2 else part for at, part in enumerate(parts))
    joined = LINK.sub(lambda match: change(match[1], match[2]), joined)
    return re.sub(r"\0(\d+)\0", lambda match: held[int(match[1])], joined)


def resolved(words: str, target: str, *, origin: Path, source: Path, known: dict[Path, str], at: str) -> str:
    """Return a link of a file of the repository as one of the site."""
    name, mark, anchor = target.partition("#")
    if not name or re.match(r"[a-z]+:|/", target):
        return f"[{words}]({target})"
    path = Path(os.path.normpath(origin.parent / name))
    page = known.get(path) or known.get(path / "README.md")
    if page is not None:
        return f"[{words}]({page}{mark}{anchor})"
    if not path.exists() or path.is_relative_to(source):
        return f"[{words}]({target})"
    place = path.relative_to(source.parent).as_posix()
    if path.suffix in SHOWN:
        return f"[{words}](/../{place})"
    return f"[{words}]({at}/blob/main/{place})" if at else words


def read(app: Any, name: str, content: list[str]) -> None:
    """Give a page the text that it includes, and its links their places on the site."""
    source = Path(app.srcdir)
    page = source / f"{name}.md"
    if not page.exists():
        return
    known, at = pages(source), app.config.repository_address.rstrip("/")

    def changed(text: str, origin: Path) -> str:
        return rewritten(
            text,
            lambda words, target: resolved(words, target, origin=origin, source=source, known=known, at=at),
        )

    text = changed(content[0], page)
    if (origin := included(page)) is not None:
        app.env.note_dependency(str(origin))
        inner = changed(origin.read_text("utf-8"), origin)
        text = INCLUDE.sub(lambda _: inner, text)
    content[0] = ANCHOR.sub(r"(\1)=\n\n", text)


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_config_value("repository_address", "", "env")
    app.connect("source-read", read)
    app.add_lexer("csv", TextLexer)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
