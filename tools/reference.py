"""Write the README's reference results, the first table and the figure of each record that it shows.

``uv run tools/reference.py`` renews them; with ``--check`` it only says whether they differ, and exits 1.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
RECORDS = "benchmarks/mtneuro_suite/records"
BLOCK = re.compile(
    r"^<!-- of the record (?P<name>\S+), by tools/reference\.py -->\n.*?^<!-- end -->\n",
    re.DOTALL | re.MULTILINE,
)


def shown(name: str, page: str) -> str:
    r"""Return the first table of a record's page, its notes, and its figure, for the README.

    Examples
    --------
    >>> page = "![Rows](figure.svg)\n\n### Table 1\n\n| a |\n| - |\n\nOf 3.\n\n### Table 2\n"
    >>> print(shown("x", page))
    <!-- of the record x, by tools/reference.py -->
    **Table 1**
    <BLANKLINE>
    | a |
    | - |
    <BLANKLINE>
    Of 3.
    <BLANKLINE>
    ![Rows](benchmarks/mtneuro_suite/records/x/figure.svg)
    <!-- end -->
    <BLANKLINE>
    """
    table = re.search(r"^### (?P<title>.*?)\n\n(?P<rest>\|.*?)(?=^#|\Z)", page, re.DOTALL | re.MULTILINE)
    figure = re.search(r"^!\[(?P<what>[^]]*)\]\((?P<file>[^)]+)\)$", page, re.MULTILINE)
    if table is None or figure is None:
        raise ValueError(f"the page of the record {name} must have a table and a figure")
    drawn = f"![{figure['what']}]({RECORDS}/{name}/{figure['file']})"
    return "\n".join(
        (
            f"<!-- of the record {name}, by tools/reference.py -->",
            f"**{table['title']}**",
            "",
            table["rest"].rstrip(),
            "",
            drawn,
            "<!-- end -->",
            "",
        )
    )


def renewed(text: str) -> str:
    """Return the README with each block as its record's page has it."""
    return BLOCK.sub(
        lambda block: shown(block["name"], (ROOT / RECORDS / block["name"] / "README.md").read_text("utf-8")),
        text,
    )


def main() -> int:
    """Renew the blocks, or say whether they differ."""
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        sys.stderr.write(f"usage: reference.py [--check], got: {' '.join(sys.argv[1:])}\n")
        return 2
    path = ROOT / "README.md"
    text = path.read_text("utf-8")
    new = renewed(text)
    if new == text:
        return 0
    if not check:
        path.write_text(new, "utf-8")
    sys.stdout.write(f"{path.name} {'differs' if check else 'renewed'}\n")
    return 1 if check else 0


if __name__ == "__main__":
    sys.exit(main())
