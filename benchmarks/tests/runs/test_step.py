from typing import ClassVar

import pytest
from pydantic import ValidationError

from mtneuro_suite.runs.step import Outcome, Step


class Plain(Step):
    """Does nothing."""

    kind: ClassVar = "plain"
    neighbours: int = 5

    def run(self, roles, out, progress):
        return Outcome()


def test_a_step_that_says_nothing_else_trains_on_the_cpu_and_chooses_no_modules():
    assert (Plain().device, Plain().executed_modules()) == ("cpu", ())


def test_an_unknown_setting_of_a_step_is_refused_with_the_nearest():
    with pytest.raises(ValidationError, match=r"got 'neighbors'; did you mean 'neighbours'"):
        Plain.model_validate({"neighbors": 5})


def test_a_step_without_work_cannot_be_made():
    class Idle(Step):
        kind: ClassVar = "idle"

    with pytest.raises(TypeError, match="run"):
        Idle()  # pyright: ignore[reportAbstractUsage]


def test_outcomes_share_no_rows(row):
    one, other = Outcome(), Outcome()
    one.rows.append(row("byol", 1, 0.5))
    assert other.rows == []
