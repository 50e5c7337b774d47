import re
from html.parser import HTMLParser

import pytest

from mtneuro_suite.plan.plan import plan_of
from mtneuro_suite.preset.model import read_preset
from mtneuro_suite.preset.overrides import with_values
from mtneuro_suite.report.html import write_report
from mtneuro_suite.report.tables import all_tables
from mtneuro_suite.runs.failure import Failure
from mtneuro_suite.runs.store import Store


@pytest.fixture
def plan():
    return plan_of(read_preset("smoke"))


def report(plan, tmp_path, **options):
    path = write_report(plan, Store(tmp_path), all_tables(plan, []), tmp_path / "report.html", **options)
    return path.read_text(encoding="utf-8")


# Elements without an end.
VOID = {"meta", "link", "img", "br", "source"}


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_a_report_is_one_whole_file_that_asks_for_no_other(plan, tmp_path):
    html = report(plan, tmp_path)
    parser = Tags()
    parser.feed(html)
    assert parser.open == []
    assert not re.search(r"https?://|url\(|@import|fetch\(|XMLHttp", html)
    assert all(
        source[:5] == "data:" or source[0] == "#" for source in re.findall(r'(?:src|href)="([^"]*)"', html)
    )
    assert "default-src 'none'" in html


def test_findings_stand_before_everything_else_and_abbreviations_are_spelt_out(plan, tmp_path):
    html = report(plan, tmp_path, found=["A is <better> than B.", "Not resolved: C."])
    assert html.index("A is &lt;better&gt; than B.") < html.index("Not resolved: C.") < html.index("<nav")
    assert html.index("STR: striatum") < html.index("<nav")
    assert '<abbr title="region of interest">ROI</abbr>-C1' in html
    assert "Findings" not in report(plan, tmp_path)


def test_one_figure_stands_on_the_first_screen_in_a_shape_for_each_width(finished):
    html = finished[2].read_text(encoding="utf-8")
    (figure,) = re.findall(r'<figure class="overview">(.*?)</figure>', html, re.DOTALL)
    assert html.index('<figure class="overview">') < html.index("<nav")
    narrow, wide = re.findall(r'(?:srcset|src)="(data:image/svg[^"]*)"', figure)
    assert narrow != wide
    assert "Task 1: accuracy of the region" in figure


def test_floors_have_a_body_of_their_own_in_their_table(plan, tmp_path):
    html = report(plan, tmp_path)
    bodies = re.findall(r'<tbody class="floors">(.*?)</tbody>', html, re.DOTALL)
    assert len(bodies) == 3  # Tables 1 and 3, of which the last has two
    assert all("mean and sd" in body and "BYOL" not in body for body in bodies)


def test_a_report_says_what_the_phantom_is_not_and_what_is_missing(plan, tmp_path):
    html = report(plan, tmp_path)
    assert "The phantom is not the brain" in html
    assert f"{len(plan.runs)} runs are missing" in html
    assert "Table 1. Brain region" in html
    of_table_1 = re.search(r"<h3>Table 1. Brain region</h3>(.*?)<details(.*?)</details>", html, re.DOTALL)
    assert of_table_1
    beneath, apart = of_table_1.groups()
    assert "0.83±0.06" not in beneath
    assert "0.83±0.06" in apart
    assert apart.startswith(' class="paper"><summary>')  # closed


def test_the_papers_numbers_stand_beneath_ours_for_the_papers_data(tmp_path):
    html = report(plan_of(with_values(read_preset("smoke"), ["source=bossdb"])), tmp_path)
    assert '<span class="paper">0.83±0.06</span>' in html
    assert '<details class="paper">' not in html


def test_a_report_names_the_runs_that_failed(plan, tmp_path):
    failure = Failure(plan.runs[0], "OSError: <no space>")
    html = report(plan, tmp_path, failures=[failure])
    assert html.index(plan.runs[0].title) < html.index(plan.preset.description)
    assert "OSError: &lt;no space&gt;" in html


def test_a_report_of_finished_runs_has_every_section(finished):
    html = finished[2].read_text(encoding="utf-8")
    parser = Tags()
    parser.feed(html)
    assert parser.open == []
    sections = re.findall(r'<h2 id="([^"]*)">', html)
    assert len(sections) == 10
    assert "the-paper-s-claims" in sections
    assert re.findall(r'<li><a href="#([^"]*)">', html) == sections
    assert "Figure A4" in html
    assert "are missing" not in html
    assert html.count('<table class="confusion">') == 9
    assert not re.search(r"https?://", html)


@pytest.mark.slow
def test_a_report_of_the_whole_paper_is_under_15_mb(made_up, tmp_path):
    plan = plan_of(read_preset("paper"))
    store = made_up(plan, tmp_path, slices=360)
    path = write_report(plan, store, all_tables(plan, store.rows(plan.runs)), tmp_path / "report.html")
    assert path.stat().st_size < 15e6


def test_what_the_runs_cost_is_summed_and_a_sum_that_lacks_some_says_so(finished):
    html = finished[2].read_text(encoding="utf-8")
    table = html[html.index('id="what-it-cost"') :]
    head, _, rest = table.partition("<tbody>")
    assert re.findall(r'<th scope="col">([^<]*)', head) == [
        "kind of run", "runs", "time", "processor time", "processor, kWh", "peak memory, MiB",
    ]  # fmt: skip
    assert "≥: the sum of the runs that know it." in head
    kinds = dict(
        re.findall(r'<th scope="row">(\w+)</th>(.*?)</tr>', rest.partition("</table>")[0], re.DOTALL)
    )
    assert "≥" not in kinds["encoder"]
    assert ">–</td>" in kinds["arrays"]
    assert "≥ 0." in kinds["all"]
