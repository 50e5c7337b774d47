import pytest

from mtneuro_suite.plan.plan import plan_of
from mtneuro_suite.preset.model import Preset, read_preset
from mtneuro_suite.preset.overrides import with_values


@pytest.fixture
def demo() -> Preset:
    return read_preset("demo")


def test_a_method_that_is_drawn_must_be_trained(demo):
    with pytest.raises(ValueError, match=r"task3.umap_method must be one of .*got 'byol'"):
        plan_of(with_values(demo, ['task1.methods=["pca"]', "task1.per_method={}"]))


def test_too_few_slices_for_the_cross_validation_are_refused(demo):
    with pytest.raises(ValueError, match="gap of 10"):
        plan_of(with_values(demo, ["task3.z_step=3000"]))


def test_every_encoder_is_read_out_on_the_features_that_are_measured_once(demo):
    plan = plan_of(demo)
    read = {(run.step.model, run.step.task, run.step.seed) for run in plan.semantics}
    assert len(read) == len(plan.semantics) == len(plan.encoders)
    assert plan.features is not None
    assert {need.id for run in plan.semantics for need in run.needs["features"]} == {plan.features.id}


def test_the_drawn_method_is_drawn_once_for_each_training_set(demo):
    drawn = plan_of(demo).umap
    assert [run.title for run in drawn] == ["UMAP of byol from roi-c1", "UMAP of byol from roi-c3[B]"]


def test_several_methods_are_drawn_in_one_report():
    changes = ["task2=none", "seeds=[1]", 'task1.methods=["byol", "myow-m"]', "task1.rows={}"]
    drawn = plan_of(with_values(read_preset("paper"), changes)).umap
    assert [run.title for run in drawn] == [
        f"UMAP of {method} from {task}" for method in ("myow-m", "byol") for task in ("roi-c1", "roi-c3[B]")
    ]


def test_encoders_of_further_resolutions_are_not_read_out(demo):
    plan = plan_of(with_values(demo, ["task1.resolutions=[2]"]))
    assert {run.step.task for run in plan.semantics} == {"roi-c1", "roi-c3[B]"}


def test_the_original_preset_measures_and_embeds_as_the_authors_code():
    plan = plan_of(with_values(read_preset("original"), ["task2=none"]))
    assert plan.features is not None
    assert (plan.features.step.definition, plan.features.step.view) == ("original", "corners")
    read = {(run.step.view, run.step.downsample, run.step.normalised) for run in plan.semantics}
    assert read == {("corners", 2, False)}
    assert {run.step.normalised for run in plan_of(read_preset("smoke")).semantics} == {True}


@pytest.mark.parametrize(
    ("extra", "trained_in"),
    [('"D"', ["roi-c3"]), ('["C"]', ["roi-c3[C]"]), ('["B", "D"]', ["roi-c3[B]", "roi-c3"])],
)
def test_the_encoders_are_those_of_task_1_whatever_it_added_to_training(demo, extra, trained_in):
    plan = plan_of(with_values(demo, [f"task1.extra={extra}"]))
    read = dict.fromkeys(run.step.task for run in plan.semantics)
    assert list(read) == ["roi-c1", *trained_in]
    assert [run.title for run in plan.umap] == [f"UMAP of byol from {task}" for task in read]


def test_runs_of_the_earlier_choice_keep_their_keys(demo):
    """Results of set D, the default until the authors' choice was known, are found again."""
    runs = plan_of(with_values(demo, ["task1.extra=D"]))
    assert {run.step.task for run in runs.semantics} == {"roi-c1", "roi-c3"}
    assert {role for run in runs.regions for role in run.needs if role.startswith("test")} == {
        "test roi-c1", "test roi-c2", "test roi-c3",
    }  # fmt: skip
    assert {run.step.training_set for run in runs.regions} == {"roi-c1:train+val", "roi-c3:train+val"}
