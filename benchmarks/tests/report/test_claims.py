from typing import Any

import pytest

from mtneuro_suite.plan.plan import plan_of
from mtneuro_suite.preset.model import read_preset
from mtneuro_suite.preset.overrides import with_values
from mtneuro_suite.report.claims import claims
from mtneuro_suite.runs.row import Row

A = ("A-CTX", "A-STR", "A-VP", "A-ZI")
CD = ("C-CTX", "C-STR", "C-VP", "C-ZI", "D-CTX", "D-STR", "D-VP", "D-ZI")
WOBBLE = (-0.02, 0.02, 0.01, -0.01, 0.02, -0.01, 0.01, -0.02)


@pytest.fixture(scope="module")
def plan():
    changes = ['task1.methods=["supervised", "byol", "myow", "pca", "untrained"]', "seeds=[1, 2]"]
    tasks = ['task1.tasks=["roi-c1", "roi-c2", "roi-c3"]', 'task3.encoders=["roi-c1"]']
    return plan_of(with_values(read_preset("smoke"), [*changes, *tasks]))


def row(model: str, task: str, value: float, **others: Any) -> Row:
    metric = "accuracy_whole" if model == "supervised" else "accuracy_corners"
    key: dict[str, Any] = {"training_set": "t", "test_set": "t:test", "seed": 1, "n": 40, "metric": metric}
    values: dict[str, Any] = {**key, "model": model, "task": task, "value": value, **others}
    return Row(**values)


def scored(model, *, c1=0.9, c2=0.7, c3=0.85, tilt=3.0, seeds=(1, 2)) -> list[Row]:
    """Return the accuracies of a row in each cube; cubes differ more than rows and seeds do."""
    return [
        row(
            model,
            task,
            value + tilt * (1.2 if task == "roi-c3[B]" else 1) * by + 0.01 * seed * (1 + by),
            cube=cube,
            seed=seed,
        )
        for task, value, cubes in (("roi-c1", c1, A), ("roi-c2[B]", c2, CD), ("roi-c3[B]", c3, CD))
        for cube, by in zip(cubes, WOBBLE, strict=False)
        for seed in seeds
    ]


def told(plan: Any, rows: list[Row]) -> dict[str, Any]:
    return {claim.text.split()[0]: claim for claim in claims(plan, rows)}


def test_each_claim_has_its_verdict_with_numbers_and_interval(plan):
    rows = [
        *scored("byol"),
        *scored("myow"),
        *scored("supervised", c3=0.7, tilt=2.5),
        *scored("pca", c1=0.5, tilt=2.0, seeds=(1,)),
    ]
    found = told(plan, rows)
    assert [*found] == ["Regions", "Self-supervised"]
    by_text = {claim.text: claim for claim in claims(plan, rows)}
    shift, labels, components = by_text.values()
    assert (shift.verdict, labels.verdict) == ("reproduced", "reproduced")
    assert shift.numbers.startswith("BYOL, MYOW and Supervised: ROI-C1 against ROI-C2 .9")
    assert "; ROI-C3 against ROI-C2 .8" in shift.numbers
    assert labels.numbers.startswith("BYOL and MYOW against Supervised in ROI-C3: .8")
    assert "difference .15 [" in labels.numbers
    assert labels.numbers.endswith("over 8 cubes and 2 seeds")
    # PCA has one seed, which stands beside both.
    assert components.numbers.startswith("BYOL and MYOW against PCA in ROI-C1, ROI-C2 and ROI-C3: ")
    assert components.numbers.endswith("over 12 cubes and 2 seeds")


def test_the_other_way_round_it_is_not_reproduced_and_between_not_resolved(plan):
    worse = told(plan, [*scored("byol", c1=0.4, c3=0.5), *scored("supervised", c1=0.4, c3=0.7, tilt=2.5)])
    assert (worse["Regions"].verdict, worse["Self-supervised"].verdict) == ("not reproduced",) * 2
    same = told(plan, [*scored("byol", c2=0.88, c3=0.88), *scored("supervised", c2=0.88, c3=0.88)])
    assert same["Regions"].verdict == "not resolved"
    # Of what does not vary, nothing is known.
    assert same["Self-supervised"].verdict == "not resolved"


@pytest.mark.parametrize(
    ("lows", "verdict"),
    [((0.1, 0.2), "reproduced"), ((0.1, -0.2), "not resolved"), ((-0.5, -0.6), "not reproduced")],
)
def test_features_are_read_where_their_intervals_lie_above_0(plan, lows, verdict):
    rows = [
        row(
            "byol",
            "roi-c1",
            low + 0.1,
            seed=seed,
            metric="r2_cross_validated",
            class_name=name,
            low=low,
            high=low + 0.3,
        )
        for name, low in zip(("cell_count", "cell_size"), lows, strict=True)
        for seed in (1, 2)
    ]
    (claim,) = claims(plan, rows)
    assert claim.verdict == verdict
    assert "cell count" in claim.numbers
    assert str(claim).startswith(
        f"Semantic features are read off frozen embeddings (R2 above 0, cross-validated): {verdict}. BYOL "
    )


def test_claims_are_told_of_rows_that_were_run_alone(plan, task_file):
    assert claims(plan, []) == []
    assert [*told(plan, scored("byol"))] == ["Regions"]
    without = plan_of(with_values(plan.preset, ['task1.tasks=["roi-c1", "roi-c2"]']))
    (claim,) = claims(without, scored("byol"))
    assert "ROI-C3" not in claim.text
    own = plan_of(with_values(read_preset("smoke"), ['task1.tasks=["roi-c1"]', "task3=none"]))
    assert claims(own, scored("byol")) == []
