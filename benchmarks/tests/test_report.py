import re
from html.parser import HTMLParser

import pytest

from mtneuro_suite.engine import Failure
from mtneuro_suite.plan import plan
from mtneuro_suite.preset import read_preset
from mtneuro_suite.report import write_report
from mtneuro_suite.results import Store
from mtneuro_suite.tables import all_tables


@pytest.fixture
def planned():
    return plan(read_preset("smoke"))


def report(planned, tmp_path, **options):
    path = write_report(
        planned, Store(tmp_path), all_tables(planned, []), tmp_path / "report.html", **options
    )
    return path.read_text(encoding="utf-8")


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in {"meta", "link", "img", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_a_report_is_one_whole_file_that_asks_for_no_other(planned, tmp_path):
    html = report(planned, tmp_path)
    parser = Tags()
    parser.feed(html)
    assert parser.open == []
    assert not re.search(r"https?://|<script|url\(", html)
    assert all(source.startswith("data:") for source in re.findall(r'(?:src|href)="([^"]*)"', html))


def test_a_report_says_what_the_phantom_is_not_and_what_is_missing(planned, tmp_path):
    html = report(planned, tmp_path)
    assert "The phantom is not the brain" in html
    assert f"{len(planned.runs)} runs are missing" in html
    assert "Table 1. Brain region" in html
    assert "0.83±0.06" in html


def test_a_report_names_the_runs_that_failed(planned, tmp_path):
    failure = Failure(planned.runs[0], "OSError: <no space>")
    html = report(planned, tmp_path, failures=[failure])
    assert planned.runs[0].title in html
    assert "OSError: &lt;no space&gt;" in html
