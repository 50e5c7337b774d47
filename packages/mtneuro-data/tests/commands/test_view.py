import signal
import subprocess
import sys
import webbrowser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

pytest.importorskip("neuroglancer", reason="needs the extra view")


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The links that a browser was asked to open; waiting ends at once, as after Ctrl-C."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    opened: list[str] = []
    monkeypatch.setattr("mtneuro_data.commands.view._wait", interrupted)
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.setenv("DISPLAY", ":0")
    return opened


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals of POSIX")
@pytest.mark.timeout(120)
def test_a_view_is_served_until_ctrl_c(tmp_path: Path) -> None:
    code = "from mtneuro_data.cli import main; main()"
    words = ["view", "phantom://image?shape=8,64,64", "--labels", "phantom://pixel_labels?shape=8,64,64"]
    running = [sys.executable, "-c", code, *words, "--no-open"]
    with subprocess.Popen(running, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        link, tunnel = (process.stdout.readline().strip() for _ in range(2))
        port = link.split(":")[2].split("/")[0]
        assert f"ssh -L {port}:127.0.0.1:{port}" in tunnel
        assert "neuroglancer" in requests.get(link, timeout=30).text
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
        assert process.stderr.read() == "mtneuro-data: stopped\n"
    with pytest.raises(requests.ConnectionError):
        requests.get(link, timeout=30)


def test_without_a_volume_the_phantom_is_shown_with_its_labels(shell: Any, stopped: list[str]) -> None:
    status, told, said = shell("view")
    assert (status, said) == (0, "mtneuro-data: stopped\n")
    assert stopped == [told.splitlines()[0]]


def test_no_browser_is_opened_where_none_is_wanted_or_can_be_seen(
    shell: Any, stopped: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = "phantom://image?shape=8,64,64"
    assert shell("view", uri, "--no-open", "--at", 1, 2, 3)[0] == 0
    assert stopped == []
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert shell("view", uri)[0] == 0
    assert (stopped == []) == (sys.platform not in ("win32", "darwin"))


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--labels", "cells.npy"), "--labels are shown over a volume: name it first"),
        (("gone.npy",), "no file or folder at gone.npy"),
        (("em.npy", "--labels", "grey.npy"), "labels must be whole numbers, got float32"),
        (("em.npy", "--at", "9", "0", "0"), "em.npy"),
        (("em.npy", "--port", "70000"), "port must lie within"),
        (("em.npy", "--host", "192.0.2.1"), "cannot listen on 192.0.2.1:0"),
    ],
)
def test_what_cannot_be_shown_is_told_in_one_line(
    shell: Any, stopped: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: Any, text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("em.npy", np.zeros((2, 8, 8), np.uint8))
    np.save("grey.npy", np.zeros((2, 8, 8), np.float32))
    status, told, said = shell("view", *words)
    assert (status, told, len(said.splitlines())) == (2, "", 1)
    assert text in said
    assert stopped == []
