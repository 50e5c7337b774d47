import io
import json

import pytest
from rich.console import Console

from mtneuro_suite.execute.engine import Listener
from mtneuro_suite.execute.progress import MOST_BARS, Display, JsonLines, Tally
from mtneuro_suite.runs.run import Run
from mtneuro_suite.steps import Umap


def some(n, *, cost=1.0):
    return [
        Run(step=Umap(model="x", neighbours=2, seed=place), title=f"part {place}", cost=cost)
        for place in range(n)
    ]


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_a_tally_counts_every_run_once():
    runs = some(4)
    tally = Tally(runs, already=3, forecast=100.0)
    tally.progressed(runs[0].id, 1, 2)
    tally.finished(runs[1].id, None)
    tally.finished(runs[2].id, "the disk is full")
    assert tally.counts == {"waiting": 1, "running": 1, "done": 4, "failed": 1}
    assert sum(tally.counts.values()) == tally.total == 7


def test_the_time_left_goes_by_the_cost_of_what_is_done():
    cheap, dear = some(1)[0], Run(step=Umap(model="dear", neighbours=2, seed=0), title="dear", cost=9.0)
    clock = Clock()
    tally = Tally([cheap, dear], already=0, forecast=100.0, clock=clock)
    assert tally.seconds_left == pytest.approx(100)
    tally.finished(cheap.id, None)
    clock.now = 10.0
    assert tally.seconds_left == pytest.approx(90)
    assert tally.left == "about 2 min left"
    clock.now = 110.0
    tally.progressed(dear.id, 1, 2)
    # Half of the way took twice as long as forecast: the rest is expected between the two.
    assert 45 < tally.seconds_left < 90
    tally.finished(dear.id, None)
    assert tally.seconds_left == 0


def test_news_of_a_run_that_has_ended_or_is_not_ours_is_none():
    (run,) = some(1)
    tally = Tally([run], already=0, forecast=100.0)
    tally.finished(run.id, None)
    assert not tally.progressed(run.id, 0, 1)
    assert not tally.progressed("arrays-of-another-suite", 0, 1)
    assert tally.counts["done"] == 1


def test_elsewhere_than_on_a_terminal_every_run_is_one_line():
    runs, out = some(2), io.StringIO()
    display = Display(Tally(runs, already=1, forecast=100.0), console=Console(file=out, width=200))
    with display.shown():
        display.progressed(runs[0].id, 1, 2)
        display.finished(runs[0].id, None)
        display.finished(runs[1].id, "the disk is full")
    assert out.getvalue().splitlines() == [
        "[2/3] 0 s: part 0, about 25 s left",
        "[3/3] 0 s: failed, part 1: the disk is full",
    ]


def test_a_terminal_shows_what_runs_and_how_many_wait():
    runs, out = some(MOST_BARS + 3), io.StringIO()
    console = Console(file=out, force_terminal=True, width=160, height=60)
    display = Display(Tally(runs, already=0, forecast=100.0), console=console)
    with display.shown():
        for run in runs[:-1]:
            display.progressed(run.id, 1, 4)
        display.finished(runs[0].id, "out of memory")
    text = out.getvalue()
    assert f"{MOST_BARS + 1} running, 1 waiting, 1 failed" in text
    assert "failed: part 0: out of memory" in text
    assert "part 1 " in text
    assert f"part {MOST_BARS} " not in text


def test_machines_read_a_json_object_a_line():
    runs, out, clock = some(2), list[str](), Clock()
    lines = JsonLines(Tally(runs, already=1, forecast=100.0, clock=clock), say=out.append)
    with lines.shown():
        lines.progressed(runs[0].id, 0, 4)
        lines.progressed(runs[0].id, 1, 4)
        clock.now = 8.0
        lines.progressed(runs[0].id, 2, 4)
        lines.finished(runs[0].id, None)
        lines.finished(runs[1].id, "the disk is full")
    told = [json.loads(line) for line in out]
    assert [one["event"] for one in told] == ["start", "progress", "progress", "finished", "finished", "end"]
    assert [one["share"] for one in told if one["event"] == "progress"] == [0.0, 0.5]
    assert told[0]["left_s"] == 100
    assert told[2]["left_s"] == pytest.approx(62.2, abs=0.06)
    assert [one["failure"] for one in told if one["event"] == "finished"] == [None, "the disk is full"]
    assert {key: told[-1][key] for key in ("waiting", "running", "done", "failed")} == {
        "waiting": 0, "running": 0, "done": 2, "failed": 1,
    }  # fmt: skip


def test_an_end_is_told_of_when_the_work_breaks_off():
    out = list[str]()
    lines = JsonLines(Tally(some(1), already=0, forecast=100.0), say=out.append)
    with pytest.raises(KeyboardInterrupt), lines.shown():
        raise KeyboardInterrupt
    assert json.loads(out[-1])["event"] == "end"


def test_both_are_what_the_engine_speaks_to():
    listeners: list[Listener] = [
        Display(Tally([], already=0, forecast=100.0), console=Console(file=io.StringIO())),
        JsonLines(Tally([], already=0, forecast=100.0), say=print),
    ]
    assert all(isinstance(one, Listener) for one in listeners)
