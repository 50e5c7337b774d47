import io

import pytest
from rich.console import Console

from mtneuro_suite.plan.estimate import Estimate
from mtneuro_suite.preset.paper import Quoted
from mtneuro_suite.report.claims import Claim
from mtneuro_suite.report.tables import Cell, Table
from mtneuro_suite.report.terminal import (
    print_caveat,
    print_claims,
    print_estimate,
    print_findings,
    print_tables,
)
from mtneuro_suite.runs.run import Run
from mtneuro_suite.steps import Features, Umap


def printed(tables, *, width=80, paper=False):
    out = io.StringIO()
    print_tables(tables, Console(file=out, width=width), paper=paper)
    return out.getvalue()


def table(*cells, notes=(), papers_data=True):
    columns = tuple(f"column {i}" for i in range(len(cells)))
    return Table(
        title="Table 9",
        corner="method",
        columns=columns,
        rows=(("BYOL", cells),),
        notes=notes,
        papers_data=papers_data,
    )


def test_claims_are_a_line_each_and_nothing_where_there_is_none():
    out = io.StringIO()
    print_claims([], Console(file=out, width=80))
    assert out.getvalue() == ""
    print_claims(
        [Claim(text="More is better", verdict="not resolved", numbers=".8 [.1, .9]")], Console(file=out)
    )
    assert "- More is better: not resolved. .8 [.1, .9]." in out.getvalue()


def test_of_other_data_the_papers_number_is_shown_on_request_alone():
    tables = [table(Cell((0.5,), Quoted(0.88, 0.02)), papers_data=False)]
    assert "0.88" not in printed(tables)
    assert "the paper's last" not in printed(tables)
    asked = printed(tables, paper=True)
    assert "0.88±0.02" in asked
    assert "Ours stands first in a cell, the paper's last." in asked


def test_our_number_stands_above_the_papers():
    lines = printed([table(Cell((0.5,), Quoted(0.88, 0.02)))]).splitlines()
    (ours,) = (place for place, line in enumerate(lines) if "0.50" in line)
    assert "BYOL" in lines[ours]
    assert "0.88±0.02" in lines[ours + 1]


def test_a_table_of_which_the_paper_has_nothing_has_one_line_a_row():
    lines = printed([table(Cell((0.5,)), Cell(()))]).splitlines()
    (row,) = (place for place, line in enumerate(lines) if "BYOL" in line)
    assert [text.strip() for text in lines[row].strip("│").split("│")] == ["BYOL", "0.50", "–"]
    assert lines[row + 1].startswith("└")


def test_what_else_is_ours_stands_between_and_floors_beneath_a_rule():
    cell = Cell((0.5,), Quoted(0.88, 0.02), ends=(0.4, 0.6), within=0.1)
    body = (("BYOL", (cell,)), ("Untrained", (Cell((0.3,)),)))
    one = Table(title="T", corner="method", columns=("a",), rows=body, floors=1, papers_data=True)
    lines = printed([one]).splitlines()
    (ours,) = (place for place, line in enumerate(lines) if "BYOL" in line)
    told = [" ".join(line.strip("│ ").split()) for line in lines[ours : ours + 5]]
    assert told[1:4] == ["[.40, .60]", "within 0.10", "0.88±0.02"]
    assert set(lines[ours + 4]) <= set("├─┼┤")
    assert "Untrained" in lines[ours + 5]


def test_a_number_is_never_broken_in_a_narrow_terminal():
    assert "0.12±0.02" in printed([table(*[Cell((0.1, 0.13))] * 4)], width=40)


def test_notes_are_printed_beneath():
    text = printed([table(Cell((0.5,)), notes=("Scored on corners.",))])
    assert text.index("0.50") < text.index("Scored on corners.")


def test_findings_are_a_line_each_and_a_caveat_is_printed_where_there_is_one():
    out = io.StringIO()
    console = Console(file=out, width=80)
    print_findings(["BYOL is better.", "Not resolved: C2."], console)
    print_caveat("The phantom is not the brain.", console)
    assert out.getvalue().split("\n")[1:] == [
        "Findings",
        "- BYOL is better.",
        "- Not resolved: C2.",
        "The phantom is not the brain.",
        "",
    ]
    print_findings([], console)
    print_caveat("", console)
    assert out.getvalue().endswith("not the brain.\n")


def test_an_estimate_counts_the_runs_of_each_kind_and_what_is_left(monkeypatch, tmp_path):
    measured = Run(step=Features(view="whole", label_values={}), title="features")
    drawn = [Run(step=Umap(model="x", neighbours=2, seed=seed), title="UMAP") for seed in (1, 2)]
    out, err = io.StringIO(), io.StringIO()
    print_estimate(
        [measured, *drawn],
        drawn[1:],
        processes=0,
        device="cpu",
        output=tmp_path,
        out=Console(file=out, width=200),
        err=Console(file=err),
    )
    lines = [" ".join(line.split()) for line in out.getvalue().splitlines()]
    assert lines[:3] == ["features 1 runs, 0 to do", "umap 2 runs, 1 to do", "runs 3, of which 2 are done"]


def test_an_estimate_that_the_machine_cannot_meet_is_refused_after_it_is_printed(monkeypatch, tmp_path):
    def refuse(self, output):
        raise ValueError(f"output needs more than {output.name} has")

    monkeypatch.setattr(Estimate, "check", refuse)
    out = io.StringIO()
    console = Console(file=out, width=200)
    with pytest.raises(ValueError, match="output needs more than here has"):
        print_estimate(
            [], [], processes=1, device="cpu", output=tmp_path / "here", out=console, err=Console(stderr=True)
        )
    assert "download" in out.getvalue()
