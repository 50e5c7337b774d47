"""The directive ``citation``: the papers that ``CITATION.cff`` asks to be cited, in words and as BibTeX."""

import unicodedata
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx.util.docutils import SphinxDirective


def papers(path: Path) -> list[dict[str, Any]]:
    """Return the references of a citation file, the preferred one first."""
    said = yaml.safe_load(path.read_text("utf-8"))
    return [said["preferred-citation"], *said.get("references", [])]


def sentence(paper: dict[str, Any]) -> str:
    """Return a reference as a sentence."""
    authors = [f"{each['given-names']} {each['family-names']}" for each in paper["authors"]]
    place = paper.get("journal") or paper.get("collection-title", "")
    volume = f" {paper['volume']}" if "volume" in paper else ""
    return f"{', '.join(authors)}. {paper['title'].strip()}. {place}{volume}, {paper['year']}."


def bibtex(paper: dict[str, Any]) -> str:
    """Return a reference as an entry for BibTeX."""
    first = unicodedata.normalize("NFKD", paper["authors"][0]["family-names"])
    key = "".join(letter for letter in first.lower() if letter.isascii() and letter.isalpha())
    journal = "journal" in paper
    fields = {
        "title": "{" + paper["title"].strip() + "}",
        "author": " and ".join(f"{each['family-names']}, {each['given-names']}" for each in paper["authors"]),
        "journal" if journal else "booktitle": paper.get("journal") or paper.get("collection-title", ""),
        **({"volume": str(paper["volume"])} if "volume" in paper else {}),
        **({"doi": paper["doi"]} if "doi" in paper else {}),
        "year": str(paper["year"]),
    }
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items()]
    return "\n".join([f"@{'article' if journal else 'inproceedings'}{{{key}{paper['year']},", *lines, "}"])


class Citation(SphinxDirective):
    """The papers to cite."""

    def run(self) -> list[nodes.Node]:
        """Return a paragraph and a block of BibTeX for each paper."""
        path = Path(self.env.srcdir).parent / "CITATION.cff"
        self.env.note_dependency(str(path))
        found: list[nodes.Node] = []
        for paper in papers(path):
            entry = bibtex(paper)
            block = nodes.literal_block(entry, entry, language="bibtex")
            found += [nodes.paragraph(text=sentence(paper)), block]
        return found


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("citation", Citation)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
