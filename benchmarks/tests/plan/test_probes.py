import numpy as np
import pytest

from mtneuro_suite.plan.asked import asked_samples
from mtneuro_suite.plan.plan import Plan, plan_of
from mtneuro_suite.preset.model import read_preset
from mtneuro_suite.preset.overrides import with_own_row, with_values
from mtneuro_suite.steps import GivenEmbeddings

ALL = 'task1.probes=["linear", "knn", "attentive"]'


def plan(*changes: str) -> Plan:
    return plan_of(with_values(read_preset("smoke"), changes))


def ids(runs) -> set[str]:
    return {run.id for run in runs}


def test_the_papers_probe_is_the_default_and_has_no_run_of_its_own():
    assert plan().probes == ()
    assert plan('task1.probes=["linear"]').probes == ()


def test_each_encoder_is_probed_where_it_is_scored_and_no_other_run_changes():
    made, before = plan(ALL, "task1.neighbours=7"), plan()
    assert [(run.step.model, run.step.seed) for run in made.probes] == [
        (run.step.model, run.step.seed) for run in made.regions
    ]
    for probed, scored in zip(made.probes, made.regions, strict=True):
        assert dict(probed.needs) == dict(scored.needs)
        assert (probed.step.probes, probed.step.neighbours) == (("knn", "attentive"), 7)
    assert ids(before.runs) == ids(made.runs) - ids(made.probes)
    assert ids(made.probes) <= ids(made.runs_by_table()["Table 1"])
    assert ids(made.probes[1:2]) <= ids(made.runs_of(["byol"]))


def test_a_file_of_embeddings_is_probed_where_it_is_scored(tmp_path):
    preset = with_values(read_preset("smoke"), [ALL, "task2=none", "task3=none"])
    names = np.concatenate([one.names for one in asked_samples(plan_of(preset).runs)])
    np.savez(
        tmp_path / "mine.npz",
        embeddings=np.random.default_rng(0).normal(size=(len(names), 3)),
        sample_id=names,
    )
    preset, own = with_own_row(preset, embeddings=[str(tmp_path / "mine.npz")])
    made = plan_of(preset)
    (probed,), (scored,) = (
        [run for run in runs if run.step.model == "mine"] for runs in (made.probes, made.regions)
    )
    assert dict(probed.needs) == dict(scored.needs)
    assert isinstance(probed.needs["encoder"][0].step, GivenEmbeddings)
    assert probed.id in ids(made.runs_of(own))


@pytest.mark.parametrize("change", ['task1.probes=["mlp"]', "task1.probes=[]", "task1.neighbours=0"])
def test_wrong_values_are_refused(change):
    with pytest.raises(ValueError, match=change.partition("=")[0]):
        plan(change)
