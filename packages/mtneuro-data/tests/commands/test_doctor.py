from typing import Any

import pytest


def test_the_doctor_fails_without_a_network(shell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERN_HOST", "127.0.0.1:9")
    monkeypatch.setenv("INTERN_PROTOCOL", "http")
    status, out, _ = shell("doctor")
    assert status == 1
    assert [line.split()[0] for line in out.splitlines()] == ["ok", "FAIL"]
