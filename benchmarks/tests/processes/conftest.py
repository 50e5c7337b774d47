"""The suite as a process, and what it gives when nothing stops it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Suite = Callable[..., "subprocess.Popen[str]"]

_TESTS = Path(__file__).parent


def _command(output: Path, *arguments: str) -> list[str]:
    command = [sys.executable, str(_TESTS.parent.parent / "run_all.py")]
    return [*command, "--preset", str(_TESTS / "small.toml"), "--output", str(output), "--tables", *arguments]


def _start(output: Path, *arguments: str, **options: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        _command(output, *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,  # pyright: ignore[reportCallIssue, reportArgumentType]
    )


@pytest.fixture
def suite_command() -> Callable[..., list[str]]:
    """Returns the words that start the suite on a small preset."""
    return _command


@pytest.fixture
def suite() -> Iterator[Suite]:
    """Starts the suite on a small preset, in a session of its own; what is left of it is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(output: Path, *arguments: str, **options: object) -> "subprocess.Popen[str]":
        started.append(_start(output, *arguments, **options))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture(scope="session")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The tables of the small preset, from one worker that nothing stopped."""
    output = tmp_path_factory.mktemp("uninterrupted")
    process = _start(output, "--workers", "1")
    _, err = process.communicate()
    assert process.returncode == 0, err
    return (output / "small" / "results.csv").read_bytes()
