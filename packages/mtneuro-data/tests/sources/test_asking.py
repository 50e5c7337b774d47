"""The other end of the process that reads."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtneuro_data import open_volume
from mtneuro_data._shared import extras
from mtneuro_data.sources import asking


def test_a_missing_tensorstore_is_told_with_the_extra(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    for uri in (f"precomputed://{written}/raw8", "s3://bucket/a.zarr", "gs://bucket/a", written / "a.n5"):
        with pytest.raises(
            ValueError, match=r"needs the package 'tensorstore': pip install 'mtneuro-data\[cloud\]'"
        ):
            open_volume(uri)


def test_this_process_never_loads_tensorstore(written: Path) -> None:
    code = (
        "import sys, mtneuro_data; mtneuro_data.open_volume(sys.argv[1])[0:1, 0:1, 0:1]\n"
        "print('tensorstore' in sys.modules)"
    )
    done = [sys.executable, "-W", "error", "-c", code, str(written / "raw8")]
    run = subprocess.run(done, capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("False\n", "")


def test_a_process_that_was_killed_is_started_again(written: Path, truth: dict[str, np.ndarray]) -> None:
    volume = open_volume(written / "raw8")
    volume[0:1, 0:1, 0:1]
    asked = asking._Own.asked
    assert asked is not None
    os.kill(asked._process.pid, signal.SIGKILL)
    asked._process.wait()
    asked._ended.wait(10)
    np.testing.assert_array_equal(volume[0:9, 0:9, 0:9], truth["raw8"][:9, :9, :9])


def test_it_ends_with_the_process_that_started_it(written: Path) -> None:
    code = (
        "import os, sys, mtneuro_data; from mtneuro_data.sources import asking\n"
        "mtneuro_data.open_volume(sys.argv[1])[0:1, 0:1, 0:1]\n"
        "print(asking._Own.asked._process.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    run = subprocess.run([sys.executable, "-c", code, str(written / "raw8")], capture_output=True, text=True)
    pid = int(run.stdout)
    for _ in range(200):
        try:
            # A process that has ended, and that nobody waits for, is a zombie at most.
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return
        if state == "Z":
            return
        time.sleep(0.05)
    raise AssertionError(f"{pid} is still there")


def test_certificates_and_time_outs_are_those_of_the_user_where_there_are_any(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "TENSORSTORE_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    assert Path(asking._environment()["TENSORSTORE_CA_BUNDLE"]).is_file()
    monkeypatch.setenv("SSL_CERT_FILE", "mine.pem")
    assert asking._environment()["TENSORSTORE_CA_BUNDLE"] == "mine.pem"
    monkeypatch.setenv("TENSORSTORE_CURL_LOW_SPEED_TIME_SECONDS", "5")
    assert asking._environment()["TENSORSTORE_CURL_LOW_SPEED_TIME_SECONDS"] == "5"


def test_an_unknown_question_is_an_error_and_not_the_end(written: Path) -> None:
    question: dict[str, Any] = {"do": "nothing"}
    for _ in range(2):
        with pytest.raises(asking.StoreError, match="_nothing"):
            asking.answered(question, seconds=20)
