from pathlib import Path
from typing import Any

import numpy as np
import pytest


def test_the_doctor_fails_without_a_network(shell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERN_HOST", "127.0.0.1:9")
    monkeypatch.setenv("INTERN_PROTOCOL", "http")
    status, out, _ = shell("doctor")
    assert status == 1
    assert [line.split()[0] for line in out.splitlines()] == ["ok", "FAIL"]


def test_the_doctor_checks_the_volume_that_is_named(shell: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((1, 4, 6), np.uint8))
    status, out, _ = shell("doctor", tmp_path / "a.npy")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()] == ["ok"] * 4
    assert shell("doctor", tmp_path / "absent.npy")[0] == 1
