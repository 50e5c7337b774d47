"""Submissions beside each other, on a page."""

import re
from dataclasses import asdict, replace

import pytest

from mtneuro_suite.report.about import About, RegionColumn
from mtneuro_suite.report.leaderboard import boards, maker_of, read_submissions, write_leaderboard
from mtneuro_suite.report.submission import Entry, MadeWith, Submission, write_submission


def made_with(**changes):
    values = {
        "suite_version": "0.1.0", "commit": "abc", "python": "3.12", "platform": "Linux", "device": "cpu",
        "finished": "2026-01-02T03:04:05+00:00", "seconds": 60.0, "versions": {"torch": "2.9"},
    }  # fmt: skip
    return MadeWith.model_validate(values | changes)


@pytest.fixture
def submission(row):
    def made(name, rows, *, data="d1", link="", **changes):
        about = About(
            suite_version="0.1.0",
            name=name,
            caveat="",
            regions={
                "roi-c1": RegionColumn(paper_column="roi-c1", downsample=4),
                "roi-c2[B]": RegionColumn(paper_column="roi-c2", downsample=1),
            },
            segmentation={"seg-2d-3class": "3class", "mine": "mine"},
            preset={"name": "demo", "inputs": "paper", "source": "phantom"},
            runs=(),
        )
        entry = Entry(
            run="regions-1",
            title="score",
            sha256="0",
            data={one.task: data for one in rows},
            rows=tuple(asdict(one) for one in rows),
            made_with=made_with(**changes),
        )
        found = Submission(
            name=name, by="A", link=link, phantom_version=None, seconds=60.0, about=about, entries=(entry,)
        )
        return found.model_copy(update={"digest": found.content_digest()})

    return made


def test_numbers_of_the_same_samples_share_a_column_and_others_do_not(submission, row):
    ours = submission("ours", [row("byol", 1, 0.5), row("byol", 2, 0.7)])
    theirs = submission("theirs", [row("x", 1, 0.9)])
    others = submission("others", [row("x", 1, 0.95, n=16)], data="d2")
    (board,) = boards([ours, theirs, others])
    assert [(c.heading, c.samples) for c in board.columns] == [("ROI-C1 at 1/4", 800), ("ROI-C1 at 1/4", 16)]
    assert len({column.data for column in board.columns}) == 2
    found = {(line.model, line.submission): [cell.mean for cell in line.cells] for line in board.lines}
    assert found == {
        ("BYOL", "ours"): [pytest.approx(0.6), None],
        ("x", "theirs"): [0.9, None],
        ("x", "others"): [None, 0.95],
    }


def test_several_animals_are_one_column(submission, row):
    rows = [replace(row("byol", 1, value), animal=animal) for animal, value in (("0", 0.5), ("1", 0.7))]
    ours = submission("ours", rows)
    second = ours.entries[0].model_copy(update={"rows": (asdict(rows[1]),), "data": {"roi-c1": "d2"}})
    first = ours.entries[0].model_copy(update={"rows": (asdict(rows[0]),)})
    both = ours.model_copy(update={"entries": (first, second)})
    (board,) = boards([both, submission("of one", rows[:1])])
    assert len(board.columns) == 2
    assert [[cell.mean for cell in line.cells] for line in board.lines] == [
        [pytest.approx(0.6), None],
        [None, 0.5],
    ]


def test_each_task_has_a_board_and_the_best_stands_first(submission, row):
    rows = [
        row("byol", 1, 0.5),
        row("supervised", 1, 0.8, metric="accuracy_whole"),
        row("supervised", 1, 0.1),
        row("unet", 1, 0.6, task="seg-2d-3class", metric="f1", class_name="average"),
        row("unet", 1, 0.2, task="seg-2d-3class", metric="f1", class_name="vessel"),
        row("unet", 1, 0.3, task="mine", metric="f1", class_name="average"),
        row("byol", 1, 0.4, metric="r2_cross_validated", class_name="cell_count"),
        row("byol", 1, 0.9, task="roi-c2[B]", part="val"),
        row("byol", 1, 0.9, task="roi-c9"),
    ]
    regions, networks, features = boards([submission("ours", rows)])
    assert [(line.model, line.cells[0].mean) for line in regions.lines] == [
        ("Supervised", 0.8),
        ("BYOL", 0.5),
    ]
    assert [column.heading for column in networks.columns] == ["3 classes, 2D", "mine"]
    assert [cell.mean for cell in networks.lines[0].cells] == [0.6, 0.3]
    assert [column.heading for column in features.columns] == ["cell count, ROI-C1"]


def test_lines_are_ranked_among_those_of_the_same_samples(submission, row):
    ours = submission("ours", [row("byol", 1, 0.5), row("myow", 1, 0.7)])
    theirs = submission("theirs", [row("byol", 1, 0.6), row("myow", 1, 0.9)], data="d2")
    (board,) = boards([ours, theirs])
    assert [(line.submission, line.model) for line in board.lines] == [
        ("ours", "MYOW"), ("ours", "BYOL"), ("theirs", "MYOW"), ("theirs", "BYOL"),
    ]  # fmt: skip


def test_the_page_tells_where_each_submission_is_from(submission, row, tmp_path):
    ours = submission("our <b>", [row("byol", 1, 0.5)], link="javascript:alert(1)", commit="abc+changes")
    write_leaderboard([ours], tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "our &lt;b&gt;" in page
    assert "<b>" not in page
    assert "javascript:" not in page
    assert "some of it by code that no commit holds" in page
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)
    assert maker_of(ours).cost == "60 s"
    assert "the newest numbers are of 2026-01-02." in page


def test_submissions_of_a_folder_are_read_once_and_by_name(submission, row, tmp_path):
    for name in ("b", "A"):
        write_submission(submission(name, [row("byol", 1, 0.5)]), tmp_path / f"{name}.submission.json")
    assert [one.name for one in read_submissions([tmp_path, tmp_path / "b.submission.json"])] == ["A", "b"]


def test_two_of_one_name_and_an_empty_folder_are_refused(submission, row, tmp_path):
    for file in ("a", "b"):
        write_submission(submission("same", [row("byol", 1, 0.5)]), tmp_path / f"{file}.submission.json")
    with pytest.raises(ValueError, match="are both called 'same': rename one"):
        read_submissions([tmp_path])
    (tmp_path / "none").mkdir()
    with pytest.raises(FileNotFoundError, match=r"must hold files \*\.submission\.json, and holds none"):
        read_submissions([tmp_path / "none"])


def test_an_installed_suite_is_named_by_its_version_where_there_is_no_commit(submission, row):
    rows = [row("byol", 1, 0.5)]
    installed = maker_of(submission("ours", rows, commit=None, versions={"mtneuro": "0.2.0"}))
    assert (installed.commits, installed.changed) == (("mtneuro 0.2.0",), False)
    unknown = maker_of(submission("theirs", rows, commit=None))
    assert (unknown.commits, unknown.changed) == (("unknown",), True)
