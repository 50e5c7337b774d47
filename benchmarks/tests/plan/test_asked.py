from dataclasses import replace
from math import prod
from pathlib import Path

from mtneuro_suite.plan.asked import asked_samples
from mtneuro_suite.plan.plan import plan_of
from mtneuro_suite.preset.model import read_preset
from mtneuro_suite.preset.overrides import with_values

WIDE = str(Path(__file__).parents[1] / "wide.toml")


def asked(name, *changes):
    plan = plan_of(with_values(read_preset(name), ["task2=none", *changes]))
    return asked_samples(plan.runs)


def test_corners_of_table_1_and_wholes_of_table_3_are_asked_for_once():
    found = asked("smoke")
    # Three methods, two seeds: the same samples.
    assert [one.arrays.id for one in asked("smoke", "seeds=[1, 2]")] == [one.arrays.id for one in found]
    uses = {use: sum(len(one.names) for one in found if use in one.uses) for one in found for use in one.uses}
    assert uses == {
        "roi-c1:train+val": 4 * 40, "roi-c1:test": 4 * 4, "roi-c2[B]:test": 4 * 48, "semantics:all": 48,
    }  # fmt: skip
    assert {(one.view, one.downsample, one.size) for one in found} == {
        ("corners", 1, (32, 32)),
        ("whole", 4, (64, 64)),
    }
    names = [name for one in found for name in one.names.tolist()]
    assert len(set(names)) == len(names) == 416


def test_samples_that_a_readout_is_fitted_to_are_asked_for_too():
    plan = plan_of(with_values(read_preset("smoke"), ["task2=none"]))
    run, (others, *_) = plan.semantics[0], plan.regions[0].needs["train"]
    (plain,) = asked_samples([run])
    both = asked_samples([replace(run, needs={**run.needs, "learnt": (others,)})])
    assert [(one.arrays.id, one.uses) for one in both] == [
        (plain.arrays.id, ("semantics:all",)), (others.id, ("semantics:learnt",)),
    ]  # fmt: skip
    assert {(one.view, one.downsample) for one in both} == {(plain.view, plain.downsample)}


def test_one_tile_has_a_name_for_each_resolution_and_depth():
    found = asked(WIDE, 'task1.methods=["byol"]', "task1.resolutions=[2]", "task1.per_method={}")
    sizes = {one.size for one in found}
    assert sizes == {(32, 32), (64, 64), (8, 32, 32)}
    names = [name for one in found for name in one.names.tolist()]
    assert len(set(names)) == len(names)
    # The same corner at two resolutions, and as the first slice of a subvolume.
    first = [name for name in names if name.startswith("A-CTX/z110/tl@")]
    assert sorted(name.partition("@")[2].partition("-")[0] for name in first) == ["x2", "x4", "x4z8"]
    assert all(prod(one.size) for one in found)


def test_nothing_is_asked_of_task_2():
    assert asked_samples(plan_of(with_values(read_preset("smoke"), ["task1=none", "task3=none"])).runs) == []
