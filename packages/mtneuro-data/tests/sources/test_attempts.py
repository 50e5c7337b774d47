from typing import Any

import pytest
from mtneuro_data.sources import attempts
from mtneuro_data.sources.attempts import Attempts


def asked(failures: list[Exception], **settings: Any) -> tuple[Any, int]:
    """Ask what fails in a given way and then answers; return the answer and the number of attempts."""
    count = [0]

    def request() -> str:
        count[0] += 1
        if failures:
            raise failures.pop(0)
        return "answer"

    rules: dict[str, Any] = {
        "final": lambda error: error if isinstance(error, KeyError) else None,
        "given_up": lambda error, n: OSError(f"{error} after {n}"),
        "unreached": lambda error: isinstance(error, ConnectionError),
        "first_pause_s": 0.001,
    }
    return Attempts(**rules | settings).answer(request, told="it"), count[0]


def test_a_temporary_failure_is_tried_again() -> None:
    assert asked([ValueError("a"), ValueError("b")]) == ("answer", 3)


@pytest.mark.parametrize(
    ("failures", "settings", "kind", "text"),
    [
        ([KeyError("a")], {}, KeyError, "a"),
        ([ValueError("a")] * 9, {"attempts": 3}, OSError, "a after 3"),
        ([ConnectionError("a")] * 9, {}, OSError, "a after 2"),
    ],
)
def test_a_lasting_failure_is_an_error(failures: Any, settings: Any, kind: type, text: str) -> None:
    with pytest.raises(kind, match=text):
        asked(list(failures), **settings)


def test_pauses_grow_and_the_asked_waiting_time_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(attempts.time, "sleep", slept.append)
    asked([ValueError()] * 5, first_pause_s=1, asked_to_wait_s=lambda _: 100.0)
    assert all(
        100 + 0.5 * base <= pause <= 100 + 1.5 * base
        for pause, base in zip(slept, (1, 2, 4, 8, 16), strict=True)
    )
