import itertools

import numpy as np
import pytest

from mtneuro_suite.plan.plan import plan_of
from mtneuro_suite.plan.real_sample import COLUMNS_TASK, region_task, segmentation_task, semantics_task
from mtneuro_suite.preset.model import read_preset
from mtneuro_suite.preset.overrides import with_values
from mtneuro_suite.steps import Arrays


@pytest.fixture(scope="module")
def tiles(real_data):
    task = region_task(real_data)
    names = {split: [name for part in parts for name in part.cubes] for split, parts in task.splits.items()}
    return task, names


def test_no_training_tile_shares_a_pixel_with_a_test_tile(tiles):
    task, names = tiles
    for one, other in itertools.product(names["train"], names["test"]):
        a, b = task.cubes[one], task.cubes[other]
        apart = any(p[1] <= q[0] or q[1] <= p[0] for p, q in ((a.y, b.y), (a.x, b.x)))
        assert apart, (one, other)


def test_training_is_about_set_a_and_testing_on_the_rest_of_the_slice(tiles):
    task, names = tiles
    assert {name[0] for name in names["train"]} == {"A"}
    assert {name[0] for name in names["test"]} == {"B", "C", "D", "r"}
    sets = [name for name in names["test"] if name[0] != "r"]
    assert len(sets) == 12
    assert len(names["test"]) - len(sets) > 10
    assert len({name.partition("@")[0] for name in names["test"]}) == len(names["test"])
    for one, other in itertools.combinations(names["test"], 2):
        a, b = task.cubes[one], task.cubes[other]
        assert any(p[1] <= q[0] or q[1] <= p[0] for p, q in ((a.y, b.y), (a.x, b.x))), (one, other)


def test_columns_of_the_cutout_share_no_pixel_and_each_is_learnt_from_or_scored(tmp_path):
    learnt, scored = (semantics_task(tmp_path, held_out=held_out) for held_out in (False, True))
    assert (len(learnt.cubes), len(scored.cubes)) == (8, 8)
    seen = np.zeros((200, 200), int)
    for cube in (*learnt.cubes.values(), *scored.cubes.values()):
        seen[slice(*cube.y), slice(*cube.x)] += 1
    assert seen.max() == 1
    assert seen.sum() == 192**2
    assert {part.z for task in (learnt, scored) for part in task.splits["all"]} == {(0, 100)}


def test_encoders_and_readouts_of_the_cutout_learn_from_other_columns_than_are_scored(real_data):
    preset = with_values(read_preset("real-sample"), ["task2=none"])
    plan = plan_of(preset, data=real_data)
    learnt = {*semantics_task(real_data.resolve(), held_out=False).cubes}

    def cubes(runs):
        return {name for run in runs if isinstance(run.step, Arrays) for name in run.step.task.cubes}

    for run in plan.semantics:
        assert cubes(run.needs["learnt"]) == learnt
        assert len(cubes(run.needs["samples"])) == 8
        assert not cubes(run.needs["samples"]) & learnt
    assert {run.step.task for run in plan.semantics} == {COLUMNS_TASK}
    # The cutout is of one region, which tells nothing apart.
    assert {run.step.model for run in plan.semantics} == {
        "byol",
        "myow",
        "pca",
        "untrained",
        "mean-sd",
        "spectrum",
    }
    assert all(cubes(run.needs["encoder"][0].needs["train"]) == learnt for run in plan.semantics)
    assert "supervised" in {run.step.model for run in plan.regions}


def test_every_region_is_in_both_splits(tiles):
    task, names = tiles
    for split in ("train", "test"):
        counts = {
            region: sum(task.cubes[n].region == region for n in names[split]) for region in task.regions
        }
        assert min(counts.values()) >= 5, counts


def test_the_cutout_is_split_in_z_with_a_gap(real_data):
    task = segmentation_task(real_data, depth=1)
    train, test = task.splits["train"][0], task.splits["test"][0]
    assert test.z[0] - train.z[1] >= 10


@pytest.mark.parametrize("content", ["{", "{}", "[]", '{"roi_polygons_z309_xy": {"CTX": 3}}'])
def test_a_damaged_calibration_is_refused_by_name(tmp_path, content):
    (tmp_path / "prasad2020").mkdir()
    path = tmp_path / "prasad2020" / "calibration.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"calibration\.json must hold roi_polygons_z309_xy"):
        region_task(tmp_path)
