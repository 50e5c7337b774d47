"""How every command line ends, and what it reads of a volume."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cyclopts import App
from mtneuro_data._shared.terminal import Ranges, RangesOption, check_ending, run


@pytest.fixture
def app() -> App:
    app = App(name="tool", suppress_keyboard_interrupt=False)

    @app.command
    def lines(*, ranges: RangesOption = None) -> Iterator[str]:
        yield "first"
        yield str(ranges.slices((8, 8, 8))[0] if ranges else None)

    @app.command
    def fails(kind: str) -> None:
        errors = {"value": ValueError("a\nb"), "interrupt": KeyboardInterrupt(), "bug": RuntimeError("bug")}
        raise errors[kind]

    return app


def ran(app: App, *arguments: str, **options: object) -> tuple[int, list[str]]:
    said: list[str] = []
    return run(app, arguments, say=said.append, **options), said  # pyright: ignore[reportArgumentType]


def test_a_command_says_its_lines(app):
    assert ran(app, "lines", "--z", "1:3") == (0, ["first", "slice(1, 3, None)"])


@pytest.mark.parametrize("text", ["1", "3:1", "0:9", "a:b", "-1:3"])
def test_a_range_that_leaves_the_volume_is_refused(text):
    with pytest.raises(ValueError, match=r"--z must be first:end with 0 <= first < end <= 8"):
        Ranges(z=text).slices((8, 8, 8))


def test_a_mistake_is_one_line_and_status_2(app, capsys):
    assert ran(app, "fails", "value") == (2, [])
    assert capsys.readouterr().err == "tool: error: a b\n"


def test_an_unknown_option_is_one_line_that_names_the_help(app, capsys):
    assert ran(app, "lines", "--zed", "1:2")[0] == 2
    error = capsys.readouterr().err
    assert error.startswith("tool: error: ")
    assert error.endswith("See tool lines --help\n")
    assert error.count("\n") == 1


def test_an_unknown_command_is_refused_with_the_known_ones(app, capsys):
    assert ran(app, "line")[0] == 2
    refusal = "the command must be one of lines, fails, got 'line'; did you mean 'lines'? See tool --help"
    assert capsys.readouterr().err == f"tool: error: {refusal}\n"


def test_an_interruption_is_told_and_ends_with_130(app, capsys):
    assert ran(app, "fails", "interrupt")[0] == 130
    assert "the same command goes on" in capsys.readouterr().err


def test_a_bug_of_ours_keeps_its_traceback(app):
    with pytest.raises(RuntimeError, match="bug"):
        ran(app, "fails", "bug")


def test_a_mistakes_traceback_is_shown_on_request(app, monkeypatch):
    monkeypatch.setenv("MTNEURO_TRACEBACK", "1")
    with pytest.raises(ValueError, match="a\nb"):
        ran(app, "fails", "value")


def test_an_option_that_moved_is_told_by_its_new_name(app, capsys):
    assert ran(app, "lines", "--config=a.toml", moved={"--config": "--settings"})[0] == 2
    assert capsys.readouterr().err == "tool: error: --config is now --settings\n"


def test_an_ending_that_is_allowed_passes():
    check_ending(Path("a.ome.zarr"), ".npy", ".zarr", what="labels")
