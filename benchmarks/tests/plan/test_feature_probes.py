from pathlib import Path

import pytest

from mtneuro_suite.plan.plan import Plan, plan_of
from mtneuro_suite.preset.model import read_preset
from mtneuro_suite.preset.overrides import with_values

WIDE = str(Path(__file__).parents[1] / "wide.toml")

BOTH = 'task3.probes=["linear", "knn"]'


def plan(*changes: str, preset: str = "smoke") -> Plan:
    return plan_of(with_values(read_preset(preset), changes))


def ids(runs) -> set[str]:
    return {run.id for run in runs}


def test_the_papers_probe_is_the_default_and_has_no_run_of_its_own():
    assert plan().feature_probes == ()
    assert plan("task3.probes=linear").feature_probes == ()


def test_each_encoder_that_is_read_out_is_probed_and_no_other_run_changes():
    made, before = plan(BOTH, "task3.neighbours=7"), plan()
    assert [run.needs["semantics"] for run in made.feature_probes] == [(run,) for run in made.semantics]
    for probed, read in zip(made.feature_probes, made.semantics, strict=True):
        assert probed.needs["features"] == read.needs["features"]
        assert (probed.step.model, probed.step.seed) == (read.step.model, read.step.seed)
        assert (probed.step.neighbours, probed.step.depth) == (7, 1)
    assert ids(before.runs) == ids(made.runs) - ids(made.feature_probes)
    assert ids(made.feature_probes) <= ids(made.runs_by_table()["Table 3"])
    assert ids(made.feature_probes[1:2]) <= ids(made.runs_of(["byol"]))


def test_clouds_of_points_and_subvolumes_are_probed_as_deep_as_they_are_read_out():
    changes = ("task1.points.labels=truth", 'task3.encoders=["roi-c1", "roi-c1-3d"]')
    made = plan(BOTH, *changes, preset=WIDE)
    probed = {(run.step.model, run.step.task, run.step.depth) for run in made.feature_probes}
    assert {("points", "roi-c1", 1), ("counts", "roi-c1", 1), ("byol", "roi-c1-3d", 8)} <= probed
    assert len(probed) == len(made.semantics) + len(made.point_semantics)


@pytest.mark.parametrize("change", ['task3.probes=["attentive"]', "task3.probes=[]", "task3.neighbours=0"])
def test_wrong_values_are_refused(change):
    with pytest.raises(ValueError, match=change.partition("=")[0]) as refused:
        plan(change)
    assert "\n" not in str(refused.value)
