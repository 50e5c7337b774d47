import numpy as np

from mtneuro_suite.steps import PointRegions
from mtneuro_suite.steps.regions import TEST


def scored(clouds_folder, **roles):
    """Score on new clouds, and on these with wrong regions."""
    told = []
    tests = {
        f"{TEST}new": [clouds_folder("new", z=50)],
        f"{TEST}swapped": [clouds_folder("s", z=50, swapped=True)],
    }
    outcome = PointRegions(model="mine", seed=1, training_set="mine:train").run(
        {**roles, **tests}, roles["train"][0], lambda *progress: told.append(progress)
    )
    assert told == [(1, 2), (2, 2)]
    return outcome, {(row.task, row.metric): (row.value, row.n) for row in outcome.rows if not row.cube}


def check(outcome, values, *, view: str) -> None:
    n = 24 if view == "whole" else 96
    assert values["new", f"accuracy_{view}"] == (1, n)
    assert values["swapped", f"accuracy_{view}"] == (0, n)
    assert values["new", f"balanced_accuracy_{view}"] == (1, n)
    assert outcome.extra[f"confusion swapped {view}"] == [[0, n // 2], [n // 2, 0]]


def test_an_encoder_classifies_whole_images_and_corners(clouds_folder, point_encoder, tmp_path):
    outcome, values = scored(clouds_folder, encoder=[point_encoder], train=[tmp_path / "train"])
    check(outcome, values, view="whole")
    assert len(values) == 8
    assert {row.training_set for row in outcome.rows if not row.cube} == {"mine:train"}
    assert tuple(outcome.extra["region_names"]) == ("CTX", "VP")


def test_without_an_encoder_the_numbers_of_points_tell_regions_apart(clouds_folder):
    outcome, values = scored(clouds_folder, train=[clouds_folder("train")])
    for view in ("whole", "corners"):
        check(outcome, values, view=view)
    assert np.sum(outcome.extra["confusion new corners"]) == 96
