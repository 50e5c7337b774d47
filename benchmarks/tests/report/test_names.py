import pytest

from mtneuro_suite.report.names import best_mixup
from mtneuro_suite.runs.row import Row


def row(model, value, *, task="roi-c1", metric="accuracy_whole"):
    return Row(
        task=task,
        training_set="train",
        test_set=f"{task}:test",
        model=model,
        seed=1,
        metric=metric,
        class_name="",
        value=value,
        n=1,
    )


WEAK, STRONG = "supervised+mixup p=0.1", "supervised+mixup p=0.5"


def test_the_best_mixup_is_that_of_the_highest_mean_in_the_first_task():
    rows = [row(WEAK, 0.7), row(WEAK, 0.5), row(STRONG, 0.65), row(WEAK, 0.9, task="roi-c2")]
    assert best_mixup(rows) == STRONG


@pytest.mark.parametrize("rows", [[], [row("byol", 0.9)], [row(WEAK, None)], [row(WEAK, 0.5, metric="f1")]])
def test_without_a_result_of_mixup_there_is_no_best(rows):
    assert best_mixup(rows) is None
