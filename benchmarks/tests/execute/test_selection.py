import pytest

from mtneuro_suite.execute.attempt import Attempt
from mtneuro_suite.execute.selection import named_runs, repeat_command, to_do, with_costs
from mtneuro_suite.runs.run import Run
from mtneuro_suite.runs.store import Store
from mtneuro_suite.steps import Features, Umap


def two():
    read = Run(step=Features(view="whole", label_values={}), title="features")
    return [
        read,
        *(
            Run(step=Umap(model="x", neighbours=2, seed=n), title=f"{n}", needs={"read": (read,)})
            for n in (1, 2)
        ),
    ]


def test_a_named_run_comes_with_what_it_needs():
    data, first, second = two()
    assert named_runs([data, first, second], [second.id]) == [data, second]
    assert named_runs([data, first, second], []) == [data, first, second]


def test_an_unknown_name_is_refused_with_the_nearest():
    _, first, _ = runs = two()
    with pytest.raises(ValueError, match=f"got '{first.id[:-1]}'; did you mean '{first.id}'"):
        named_runs(runs, [first.id[:-1]])


def test_other_costs_leave_names_and_what_is_replaced_as_they_are():
    _, first, second = two()
    attempts = [Attempt(first, replace=3), Attempt(second)]
    changed = with_costs(attempts, {first.id: 7.0, second.id: 0.5})
    assert [attempt.run.cost for attempt in changed] == [7.0, 0.5]
    assert [(attempt.run.id, attempt.replace) for attempt in changed] == [(first.id, 3), (second.id, None)]


def test_force_is_for_the_named_runs_and_not_for_what_they_need(tmp_path):
    data, first, second = runs = two()
    store = Store(tmp_path)
    for run in (data, first):
        store.start(run)
        store.finish(run, [], extra={}, seconds=0)
    assert to_do(runs, store) == [Attempt(second)]
    forced = Attempt(first, replace=store.stamp(first))
    assert to_do(runs, store, named=[first.id], force=True) == [forced, Attempt(second)]
    replaced = {attempt.run.id for attempt in to_do(runs, store, force=True) if attempt.replace}
    assert replaced == {data.id, first.id}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--only", "a", "b", "--preset", "my preset"],
        ["--preset", "my preset", "--force", "--only=a"],
        ["--retry", "--preset", "my preset"],
    ],
)
def test_the_command_that_repeats_a_run_keeps_all_else(arguments):
    options = "--preset 'my preset' --only encoder-1"
    installed = repeat_command(["/opt/bin/mtneuro", "run", *arguments], "encoder-1")
    assert installed == f"mtneuro run {options}"
    script = repeat_command(["benchmarks/run_all.py", *arguments], "encoder-1")
    assert script == f"uv run benchmarks/run_all.py {options}"
