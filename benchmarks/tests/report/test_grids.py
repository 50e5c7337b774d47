import re

from mtneuro_suite.report.grids import Grid, grid_text

GRID = Grid(
    title="F1 & IoU",
    columns=("model", "mean", "n"),
    rows=(("a_b|c", 0.25, 3), ("50 %", None, 1)),
    notes=("One note.",),
    digits={"mean": 1},
)


def test_markdown_lines_up_and_escapes_its_bars():
    text = grid_text([GRID], "markdown")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(line) for line in lines}) == 1
    assert "a_b\\|c" in text
    assert "0.2" in text
    assert "–" in text


def test_markdown_says_a_note_that_tables_share_once():
    assert grid_text([GRID, GRID], "markdown").count("One note.") == 1
    other = Grid(title="T", columns=("a",), rows=(("b",),), notes=("Another.",))
    assert grid_text([GRID, other], "markdown").count("One note.") == 1


def test_latex_escapes_what_it_would_take_for_its_own():
    text = grid_text([GRID], "latex")
    assert r"F1 \& IoU" in text
    assert r"a\_b|c" in text
    assert r"50 \%" in text
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0]
    assert [len(re.findall(r"(?<!\\)&", line)) for line in body.strip().splitlines()] == [2, 2]


def test_csv_joins_tables_of_unlike_columns():
    other = Grid(title="T", columns=("model", "p"), rows=(("x", 0.5),))
    assert grid_text([GRID, other], "csv").splitlines() == [
        "table,model,mean,n,p",
        "F1 & IoU,a_b|c,0.25,3,",
        "F1 & IoU,50 %,,1,",
        "T,x,,,0.5",
    ]


def test_columns_that_say_nothing_are_left_out():
    grid = Grid(title="T", columns=("a", "b", "c"), rows=((1, None, ""), (2, None, "")))
    assert grid.without_empty_columns().columns == ("a",)
