from dataclasses import replace

from mtneuro_suite.runs.run import Run, seconds_ahead, with_needs
from mtneuro_suite.steps import Features, Umap


def example(**changes):
    read = Run(step=Features(view="whole", label_values={"cell": 2}), title="features")
    drawn = Run(step=Umap(model="byol", neighbours=9, seed=1), title="UMAP", needs={"read": (read,)})
    return replace(drawn, **changes)


def test_a_name_does_not_depend_on_title_or_cost():
    assert example(title="another", cost=99.0).id == example().id


def test_a_name_depends_on_settings_on_what_is_read_and_on_its_role():
    other = Run(step=Features(view="corners", label_values={"cell": 2}), title="features")
    ids = {
        example().id,
        example(step=Umap(model="byol", neighbours=9, seed=2)).id,
        example(step=Umap(model="byol", neighbours=8, seed=1)).id,
        example(needs={"read": (other,)}).id,
        example(needs={"another": example().needs["read"]}).id,
        example(needs={}).id,
    }
    assert len(ids) == 6


def test_a_name_begins_with_its_kind():
    assert example().id.startswith("umap-")


def test_needs_come_first_and_once():
    ordered = with_needs([example(), example(step=Umap(model="byol", neighbours=9, seed=2))])
    assert [run.step.kind for run in ordered] == ["features", "umap", "umap"]


def test_a_chain_is_no_shorter_for_more_processes():
    a = Run(step=Umap(model="a", neighbours=2, seed=1), title="a")
    b = Run(step=Umap(model="b", neighbours=2, seed=1), title="b", needs={"semantics": (a,)})
    c = Run(step=Umap(model="c", neighbours=2, seed=1), title="c")
    assert max(seconds_ahead([a, b, c], {a.id: 2.0, b.id: 3.0, c.id: 4.0}).values()) == 5.0
