from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mtneuro_suite.plan.plan import plan_of
from mtneuro_suite.preset.model import read_preset
from mtneuro_suite.preset.overrides import with_values
from mtneuro_suite.report.findings import findings
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


def test_cubes_and_seeds_are_paired(demo):
    rows = [*of_cubes("byol", "roi-c1", A, 0.3), *of_cubes("untrained", "roi-c1", A, 0.1)]
    again = [replace(one, seed=2, value=(one.value or 0) + 0.2) for one in rows]
    told = findings(demo, [*rows, *again])[0]
    assert told.startswith(
        "BYOL reads the region worse than an untrained encoder in ROI-C1 and ROI-C2: .74 against .94, "
        "difference -.20 ["
    )
    assert told.endswith("over 4 cubes and 2 seeds.")
    # A seed that the other lacks is no pair.
    assert findings(demo, [*rows, *again[:4]])[0].startswith(
        "BYOL reads the region worse than an untrained encoder in ROI-C1 and ROI-C2: .64 against .84"
    )


def test_a_floor_stands_beside_every_seed(demo):
    rows = [*of_cubes("byol", "roi-c1", A), *of_cubes("spectrum", "roi-c1", A, 0.2)]
    rows += [replace(one, seed=2, value=(one.value or 0) - 0.1) for one in rows if one.model == "byol"]
    told = findings(demo, rows)[0]
    assert ".89 against .74" in told
    assert told.endswith("over 4 cubes and 2 seeds.")


def test_what_a_network_finds_is_over_its_cubes_and_seeds(demo):
    rows = [
        row("unet", "seg-2d-3class", value + by, metric="f1", class_name=name, cube=cube, seed=seed, n=100)
        for name, value in (("vessel", 0.3), ("cell", 0.7))
        for cube, by in (("A", 0.0), ("B", 0.04), ("C", 0.08))
        for seed in (1, 2)
    ]
    rows += [
        row("unet", "seg-2d-3class", value + 0.04, metric="f1", class_name=name, seed=seed)
        for name, value in (("vessel", 0.3), ("cell", 0.7), ("average", 0.5))
        for seed in (1, 2)
    ]
    (told,) = findings(demo, rows)
    assert told == (
        "2D U-Net finds structures with a mean F1 of .54 [.44, .64], and vessel worst of all: .34 [.24, .44]."
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
