from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_ind, ttest_rel

from mtneuro_suite.plan.plan import plan_of
from mtneuro_suite.preset.model import read_preset
from mtneuro_suite.preset.overrides import with_values
from mtneuro_suite.report.findings import findings, paired_over_cubes, unpaired_over_cubes
from mtneuro_suite.runs.row import Row

A = {"A-CTX": 0.95, "A-STR": 0.9, "A-VP": 1.0, "A-ZI": 0.92}
CD = {"C-CTX": 0.71, "C-STR": 0.6, "C-VP": 0.8, "D-CTX": 0.66, "D-STR": 0.7, "D-VP": 0.62}


@pytest.fixture(scope="module")
def demo():
    return plan_of(read_preset("demo"))


def row(model: str, task: str, value: float, **others: Any) -> Row:
    key: dict[str, Any] = {
        "training_set": "t",
        "test_set": "t:test",
        "seed": 1,
        "n": 40,
        "metric": "accuracy_corners",
    }
    values: dict[str, Any] = {**key, "model": model, "task": task, "value": value, **others}
    return Row(**values)


def of_cubes(model: str, task: str, cubes: dict[str, float], less: float = 0.0, **others: Any) -> list[Row]:
    shift = np.linspace(0.8, 1.2, len(cubes)) * less
    return [
        row(model, task, value - by, cube=cube, **others)
        for (cube, value), by in zip(cubes.items(), shift.tolist(), strict=True)
    ]


def test_intervals_are_students_of_pairs_and_welchs_of_others():
    rng = np.random.default_rng(0)
    first, second = ({str(i): float(v) for i, v in enumerate(rng.normal(size=6))} for _ in range(2))
    one, another = (list(cubes.values()) for cubes in (first, second))
    found, other = paired_over_cubes(first, second), unpaired_over_cubes(first, second)
    assert found is not None
    assert other is not None
    paired = ttest_rel(one, another).confidence_interval(0.95)
    assert found.ends == pytest.approx((paired.low, paired.high))
    welch = ttest_ind(one, another, equal_var=False).confidence_interval(0.95)
    assert other.ends == pytest.approx((welch.low, welch.high))


def test_too_few_cubes_or_none_that_vary_resolve_nothing():
    two = paired_over_cubes({"A": 1.0, "B": 0.9}, {"A": 0.5, "B": 0.1})
    alike = paired_over_cubes({"A": 1.0, "B": 1.0, "C": 1.0}, {"A": 0.5, "B": 0.5, "C": 0.5})
    assert two is not None
    assert alike is not None
    assert [(one.ends, one.resolved) for one in (two, alike)] == [(None, False)] * 2
    assert paired_over_cubes({"A": 1.0}, {"B": 1.0}) is unpaired_over_cubes({}, {"B": 1.0}) is None


def test_each_sentence_has_its_numbers_and_its_interval(demo):
    rows = [
        *of_cubes("byol", "roi-c1", A),
        *of_cubes("byol", "roi-c2[B]", CD),
        *of_cubes("untrained", "roi-c1", A, 0.1),
        *of_cubes("untrained", "roi-c2[B]", CD, 0.1),
        *of_cubes("supervised", "roi-c1", {name: A[name] for name in reversed(A)}, metric="accuracy_whole"),
        row("unet", "seg-2d-3class", 0.6, metric="f1", class_name="average", low=0.5, high=0.7),
        row("unet", "seg-2d-3class", 0.3, metric="f1", class_name="vessel", low=0.1, high=0.5),
        row("unet", "seg-2d-3class", 0.9, metric="f1", class_name="background"),
    ]
    within = {"metric": "r2_cross_validated_within", "test_set": "semantics:all"}
    rows += [
        row("byol", "roi-c1", 0.4, class_name="cell_count", low=0.2, high=0.5, **within),
        row("byol", "roi-c1", 0.1, class_name="cell_size", low=-0.2, high=0.3, **within),
    ]
    told = findings(demo, rows)
    assert len(told) == 5
    assert told[0].startswith("BYOL reads the region better than an untrained encoder in ROI-C1 and ROI-C2: ")
    assert told[0].endswith("over 10 cubes.")
    assert told[1].startswith("Not resolved: whether BYOL reads the region better or worse than Supervised")
    assert told[2].startswith("BYOL reads ROI-C2 worse than ROI-C1: .68 against .94, difference -.26 [")
    assert (
        told[3] == "2D U-Net finds structures with a mean F1 of .60 [.50, .70], and vessel worst of all: "
        ".30 [.10, .50]."
    )
    assert (
        told[4]
        == "Within regions BYOL tells cell count .40 [.20, .50] (R2); not resolved within regions: cell size."
    )


def test_a_worse_learner_is_told_as_plainly(demo):
    rows = [*of_cubes("byol", "roi-c2[B]", CD, 0.2), *of_cubes("untrained", "roi-c2[B]", CD)]
    (told,) = findings(demo, rows)
    assert told.startswith("BYOL reads the region worse than an untrained encoder")


def test_seeds_are_averaged_in_each_cube(demo):
    rows = [*of_cubes("byol", "roi-c1", A, 0.3), *of_cubes("untrained", "roi-c1", A, 0.1)]
    doubled = [replace(one, seed=2, value=(one.value or 0) + 0.2) for one in rows if one.model == "byol"]
    told = findings(demo, [*rows, *doubled])[0]
    assert told.startswith(
        "BYOL reads the region worse than an untrained encoder in ROI-C1 and ROI-C2: .74 against .84"
    )


def test_floors_and_other_sub_tasks_are_told_of_where_there_is_room(demo):
    rows = [*of_cubes("byol", "roi-c1", A), *of_cubes("spectrum", "roi-c1", A, 0.2)]
    assert findings(demo, rows)[0].startswith(
        "BYOL reads the region better than the power spectrum in ROI-C1"
    )


def test_without_results_or_without_what_learns_nothing_is_found(demo):
    assert findings(demo, []) == []
    classical = plan_of(with_values(read_preset("smoke"), ['task1.methods=["pca"]', "task3=none"]))
    assert findings(classical, of_cubes("pca", "roi-c1", A)) == []
