from pathlib import Path

import pytest
from mtneuro_data import builtin_task

from mtneuro_suite.plan.plan import Plan, plan_of
from mtneuro_suite.preset.model import Preset, read_preset
from mtneuro_suite.preset.overrides import with_tasks, with_values
from mtneuro_suite.report.tables import all_tables
from mtneuro_suite.steps import Arrays, Encoder

WIDE = str(Path(__file__).parents[1] / "wide.toml")


@pytest.fixture
def wide() -> Preset:
    return read_preset(WIDE)


@pytest.fixture
def one_region(task_file):
    """Write a task of the paper's with one region, whose images have no labels of it."""

    def written(builtin, **changes):
        cubes = {
            name: cube.model_copy(update={"region": "neuropil"})
            for name, cube in builtin_task(builtin).cubes.items()
        }
        labels = {"annotation": None, "roi_map": {}} if builtin.startswith("roi") else {}
        return task_file(builtin, regions=("neuropil",), cubes=cubes, **labels, **changes)

    return written


def steps_and_factors(plan: Plan) -> set[tuple[int, int]]:
    """Return step and reduction of everything that a plan reads."""
    tasks = [run.step.task for run in plan.runs if isinstance(run.step, Arrays)]
    return {(task.z_step, task.downsample) for task in tasks}


def test_own_tasks_take_the_place_of_the_papers(task_file):
    files = [
        task_file("roi-c1", name="layers"),
        task_file("seg-2d-3class", name="somata", class_names=("background", "vessel", "soma")),
        task_file("semantics", name="counted"),
    ]
    plan = plan_of(with_tasks(read_preset(WIDE), files))
    assert [region.name for region in plan.inputs.regions] == ["layers"]
    (half,) = plan.inputs.segmentation
    assert {run.step.train.classes for run in plan.networks} == {3}
    assert plan.inputs.label_values == {"vessel": 1, "cell": 2, "axon": 3}
    assert {run.step.task for run in plan.semantics} == {"layers"}
    tables = {table.title: table for table in all_tables(plan, [])}
    assert tables["Table 1. Brain region"].columns == ("layers",)
    assert tables["Table 2. Microstructure, somata: F1"].columns == (
        "background",
        "vessel",
        "soma",
        "average",
    )
    assert not any(table.has_paper for table in tables.values())
    assert half.dimensions == 2


def test_a_kind_without_a_task_is_not_run(task_file):
    preset = with_tasks(read_preset(WIDE), [task_file("seg-3d-4class", name="deep")])
    assert (preset.task1, preset.task3) == (None, None)
    assert {run.step.model for run in plan_of(preset).segmenters} == {"unet3d"}


def test_a_semantics_task_alone_trains_the_encoders_that_it_reads_out(task_file, wide):
    plan = plan_of(with_tasks(wide, [task_file("semantics", name="em", z_step=8)]))
    rows = {"supervised", "byol", "myow", "pca", "untrained"}
    assert {run.step.model for run in plan.semantics} == rows | {"region", "mean-sd", "spectrum"}
    assert plan.regions == ()
    (byol,) = (run for run in plan.semantics if run.step.model == "byol")
    (encoder,) = byol.needs["encoder"]
    # The images are loaded once, for learning and for reading out.
    assert encoder.needs["train"] == byol.needs["samples"]
    assert byol.step.training_set == "em:all"
    titles = [table.title for table in all_tables(plan, [])]
    assert [title.split(":")[0] for title in titles] == ["Table 3. Semantics, encoders from em"] * 2


def test_a_tasks_instances_are_measured_by_their_ids(task_file, wide):
    files = [task_file("semantics", z_step=8, label_map={"*": 2, 1: 1}, instances="cell")]
    plan = plan_of(with_tasks(wide, files))
    assert plan.features is not None
    assert plan.features.step.instances == "cell"
    steps = [run.step for run in plan.features.needs["samples"]]
    assert {step.task.instances for step in steps if isinstance(step, Arrays)} == {"cell"}


def test_semantics_and_segmentation_need_no_region_task(task_file, wide):
    files = [task_file("semantics", name="em", z_step=8), task_file("seg-2d-3class", name="net")]
    plan = plan_of(with_tasks(wide, files))
    assert (plan.regions, bool(plan.semantics), bool(plan.segmenters)) == ((), True, True)


def test_one_region_leaves_a_presets_classifiers_out(one_region, wide):
    preset = with_tasks(wide, [one_region("semantics", z_step=8)])
    assert preset.task1
    assert preset.task1.methods == ("byol", "myow", "pca", "untrained")
    assert "supervised" not in preset.task1.per_method


@pytest.mark.parametrize("kind", ["semantics", "roi-c1"])
@pytest.mark.parametrize("method", ["supervised", "supervised+mixup"])
def test_a_classifier_of_one_region_is_refused_before_any_run(one_region, wide, kind, method):
    preset = with_tasks(wide, [one_region(kind, z_step=8)])
    with pytest.raises(
        ValueError, match=r"must have at least 2 regions to tell apart.*\[\"byol\"\]"
    ) as refused:
        plan_of(with_values(preset, [f'task1.methods=["{method}", "byol"]']))
    assert repr(method) in str(refused.value)


def test_encoders_of_one_region_are_trained_and_not_scored(one_region, wide):
    plan = plan_of(with_tasks(wide, [one_region("roi-c1", z_step=8)]))
    assert plan.regions == ()
    assert {run.step.train.method for run in plan.runs if isinstance(run.step, Encoder)} == {
        "byol",
        "myow",
        "pca",
        "untrained",
    }
    assert all_tables(plan, []) == []


def test_a_tasks_own_reduction_and_step_stand_before_a_presets(task_file, wide):
    own = {"z_step": 9, "downsample": 2}
    files = [task_file(name, **own) for name in ("roi-c1", "seg-2d-3class", "semantics")]
    preset = with_tasks(wide, files)
    assert steps_and_factors(plan_of(preset)) == {(9, 2)}
    changes = ["task1.z_step=7", "task1.downsample=4", "task2.test_z_step=5", "task3.z_step=3"]
    assert steps_and_factors(plan_of(with_values(preset, changes))) == {
        (7, 4),
        (9, 4),
        (9, 2),
        (5, 2),
        (3, 2),
    }


@pytest.mark.parametrize(("learnt", "read", "more"), [(4, 1, 4), (4, 2, 2), (2, 2, 1), (1, 4, 1)])
def test_what_is_read_out_is_reduced_as_what_was_learnt_from(task_file, wide, learnt, read, more):
    files = [
        task_file("roi-c1", z_step=9, downsample=learnt),
        task_file("semantics", z_step=9, downsample=read),
    ]
    assert {run.step.downsample for run in plan_of(with_tasks(wide, files)).semantics} == {more}


def test_a_preset_of_tasks_may_set_reduction_and_step_itself(task_file, wide):
    preset = with_tasks(wide, [task_file("roi-c1", z_step=9)]).model_dump(exclude_unset=True)
    preset["task1"] |= {"z_step": 6}
    assert steps_and_factors(plan_of(Preset.model_validate(preset))) == {(6, 1), (9, 1)}


EM = ("background", "membrane", "mitochondrion")


def test_a_tasks_classes_are_the_columns_of_its_tables(task_file, wide):
    features = ("membrane_density", "membrane_length_density", "mitochondrion_count")
    files = [
        task_file(
            "semantics", name="em", z_step=8, class_names=EM, label_map={1: 1, 2: 2}, features=features
        ),
        task_file("seg-2d-3class", name="organelles", class_names=EM),
    ]
    plan = plan_of(with_tasks(wide, files))
    assert plan.inputs.label_values == {"membrane": 1, "mitochondrion": 2}
    assert plan.features
    assert plan.features.step.features == features
    tables = {table.title: table for table in all_tables(plan, [])}
    assert tables["Table 2. Microstructure, organelles: F1"].columns == (*EM, "average")
    (table, _) = (table for title, table in tables.items() if title.startswith("Table 3"))
    assert table.columns == ("membrane density", "membrane length density", "mitochondrion count")
    assert all(cell.ours == "–" for _, cells in table.rows for cell in cells)


def test_classes_without_a_word_on_features_have_four_each(task_file, wide):
    file = task_file("semantics", name="em", z_step=8, class_names=EM, label_map={1: 1, 2: 2})
    features = plan_of(with_tasks(wide, [file])).inputs.features
    assert features[:4] == ("membrane_density", "membrane_count", "membrane_size", "membrane_distance")
    assert len(features) == 8


def test_the_papers_classes_have_the_papers_features_and_none_that_is_not_there(task_file, wide):
    names = ("background", "vessel", "cell")
    file = task_file("semantics", name="two", z_step=8, class_names=names, label_map={1: 1, 2: 2})
    features = plan_of(with_tasks(wide, [file])).inputs.features
    assert features == ("vessel_density", "cell_count", "cell_size", "nearest_neighbour_distance")


def test_a_feature_of_no_class_is_refused_before_any_run(task_file, wide):
    file = task_file(
        "semantics", name="em", class_names=EM, label_map={1: 1, 2: 2}, features=["vessel_density"]
    )
    with pytest.raises(ValueError, match=r"task 'em': a feature must be .*got 'vessel_density'"):
        plan_of(with_tasks(wide, [file]))


def test_a_task_that_is_called_as_one_of_the_papers_is_not_set_beside_it(task_file, wide):
    files = [
        task_file("roi-c1", z_step=9),
        task_file("semantics", z_step=9),
        task_file("seg-2d-3class", name="3class"),
    ]
    tables = all_tables(plan_of(with_tasks(wide, files)), [])
    assert not any(table.has_paper for table in tables)
    assert "Table 2. Microstructure, 3class: F1" in {table.title for table in tables}


def test_a_task_of_subvolumes_is_read_out_on_subvolumes_of_the_same_depth(task_file, wide):
    files = [
        task_file("roi-c1-3d", name="deep", depth=4, z_step=5, downsample=4),
        task_file("semantics", name="counted", z_step=8, downsample=2),
    ]
    preset = with_tasks(wide, files)
    assert preset.task1 is not None
    # The preset's own steps and its choice of methods are for the paper's tasks.
    assert preset.task1.subvolumes.methods is None
    plan = plan_of(preset)
    rows = {"supervised", "byol", "myow", "pca", "untrained"}
    assert {run.step.model for run in plan.semantics} == rows | {"region", "mean-sd", "spectrum"}
    assert {run.step.train.depth for run in plan.encoders} == {4}
    assert {run.step.train.steps for run in plan.encoders} == {6}
    read = [need.step for run in plan.semantics for need in run.needs["samples"]]
    assert {(one.task.depth, one.task.z_step) for one in read if isinstance(one, Arrays)} == {(4, 2)}
    (region,) = plan.inputs.regions
    assert {task.z_step for task in (*region.train, *region.test)} == {5}
    (table, _) = (table for table in all_tables(plan, []) if table.title.startswith("Table 3"))
    assert any("subvolumes of 4 slices" in note for note in table.notes)


def test_a_semantics_task_of_subvolumes_trains_encoders_of_them(task_file, wide):
    plan = plan_of(with_tasks(wide, [task_file("semantics", name="em", depth=8)]))
    (byol,) = (run for run in plan.semantics if run.step.model == "byol")
    (encoder,) = byol.needs["encoder"]
    assert encoder.needs["train"] == byol.needs["samples"]
    assert isinstance(encoder.step, Encoder)
    assert encoder.step.train.depth == 8
