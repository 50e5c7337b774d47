from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize(
    "verb",
    [
        [], ["tasks"], ["info"], ["fetch"], ["preview"], ["export"], ["cutout"], ["correlation"],
        ["interpolate"], ["doctor"], ["serve"], ["cache"],
    ],
)  # fmt: skip
def test_every_command_has_help_with_an_example(shell: Any, verb: list[str]) -> None:
    status, out, _ = shell(*verb, "--help")
    assert status == 0
    assert verb in ([], ["cache"]) or f"mtneuro-data {verb[0]}" in out.replace("\n", " ")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["tasks", "roi-c9"], "got 'roi-c9'; did you mean 'roi-c3'?"),
        (["info", "absent.npy"], "no file or folder at absent.npy"),
        (["info", "roi-c4"], "no file or folder at roi-c4; a task must be one of roi-c1"),
        (["info", "bossdb://x"], "a database URI is"),
        (["fetch", "absent.json"], "absent.json"),
        (["fetch", "roi-c1", "--split", "trian"], "got 'trian'; did you mean 'train'?"),
        (["fetch", "roi-c1", "--source", "bosdb"], "did you mean 'bossdb'"),
        (
            ["export", "roi-c1", "--split", "test", "-o", "a.tif"],
            "must be written to a .npz, got 'a.tif'",
        ),
        (["export", "roi-c1", "--split", "test", "--z-step", "0", "-o", "a.npz"], "z_step"),
        (["export", "roi-c1", "--split", "test", "--downsample", "3", "-o", "a.npz"], "downsample"),
        (
            ["export", "roi-c1", "--split", "test", "--format", "tif", "-o", "a.tif"],
            "must be a folder's name",
        ),
        (
            ["export", "roi-c1", "--split", "test", "--format", "tif", "--corners", "-o", "a"],
            "--format writes whole cubes",
        ),
        (["preview", "roi-c1"], "output"),
        (["previw"], "previw"),
        (["cutout", "phantom://image", "-o", "a.png"], "a volume must be written to a .npy, .npz, .tif"),
        (["cutout", "phantom://image", "--z", "5", "-o", "a.npy"], "--z must be first:end"),
        (
            ["cutout", "phantom://image", "--z", "5:999", "-o", "a.npy"],
            "first < end <= 720, got '5:999'",
        ),
        (["cutout", "phantom://image", "--cube", "A-CTZ", "-o", "a.npy"], "did you mean 'A-CTX'"),
        (["cutout", "phantom://image", "--cube", "A-CTX", "--y", "1:2", "-o", "a.npy"], "got both"),
        (
            ["interpolate", "phantom://image", "--slices", "0", "900", "-o", "a.npy"],
            "--slices must lie within",
        ),
        (["correlation", "roi-c1", "--furthest", "0", "-o", "a.png"], "within [1, 269]"),
        (
            ["correlation", "roi-c1", "--furthest", "270", "-o", "a.png"],
            "--furthest must lie within [1, 269]",
        ),
        (["correlation", "roi-c1", "--threshold", "2", "-o", "a.png"], "-1 to 1, got 2.0"),
        (["correlation", "roi-c1", "-o", "a.pdf"], "a picture must be written to a .png, got 'a.pdf'"),
        (["serve", "phantom://image"], "a channel is given as collection/experiment/channel=URI"),
        (["serve", "--port", "99999"], "port must lie within [0, 65536), got 99999"),
        (["serve", "a/b=phantom://image"], "a channel is named collection/experiment/channel"),
        (["cache", "clear", "bossdb://a/b/c"], "holds nothing of bossdb://a/b/c"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(shell: Any, arguments: list[str], text: str) -> None:
    status, out, err = shell(*arguments)
    assert status == 2
    assert out == ""
    assert err.startswith("mtneuro-data: error: ")
    assert err.count("\n") == 1
    assert text in err


@pytest.mark.parametrize(
    ("command", "output"),
    [
        (["cutout", "absent.npy"], "a.npy"),
        (["interpolate", "absent.npy", "--slices", "0", "2"], "a.tif"),
        (["preview", "absent.json"], "a.png"),
        (["correlation", "absent.json"], "a.png"),
        (["export", "roi-c1", "--split", "test"], "a.npz"),
        (["export", "roi-c1", "--split", "test", "--format", "tif"], "folder"),
        (["export", "roi-c1", "--split", "test", "--format", "tif"], ""),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_anything_is_read(
    shell: Any, tmp_path: Path, command: list[str], output: str
) -> None:
    (tmp_path / "file").write_text("")
    status, _, err = shell(*command, "-o", tmp_path / "file" / output)
    assert status == 2
    assert f"{tmp_path / 'file'} is not a folder" in err


def test_a_folder_in_a_files_place_is_refused_before_anything_is_read(shell: Any, tmp_path: Path) -> None:
    (tmp_path / "a.npy").mkdir()
    status, _, err = shell("cutout", "absent.npy", "-o", tmp_path / "a.npy")
    assert (status, "only a file may be replaced, and" in err) == (2, True)


def test_a_traceback_is_shown_on_request(shell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTNEURO_TRACEBACK", "1")
    with pytest.raises(ValueError, match="the task must be one of"):
        shell("tasks", "roi-c9")


def test_an_interrupt_is_one_line_and_status_130(shell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mtneuro_data.paper.task_names", interrupted)
    status, _, err = shell("tasks")
    assert (status, err.count("\n")) == (130, 1)
