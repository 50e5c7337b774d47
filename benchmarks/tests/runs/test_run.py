from dataclasses import replace

import numpy as np

from mtneuro_suite.runs import run as run_module
from mtneuro_suite.runs.run import Run, source_digest, with_needs
from mtneuro_suite.runs.store import forget_peak_memory, peak_memory_kib


def example(**changes):
    data = Run(kind="arrays", title="images", settings={"z": [110, 380]})
    return replace(
        Run(kind="encoder", title="byol", settings={"seed": 1, "lr": 0.03}, needs=(data,)), **changes
    )


def test_an_identity_does_not_depend_on_title_cost_or_key_order():
    same = example(title="another", cost=99.0, settings={"lr": 0.03, "seed": 1})
    assert same.id == example().id


def test_an_identity_depends_on_settings_seed_and_what_it_reads():
    other_data = Run(kind="arrays", title="images", settings={"z": [110, 379]})
    ids = {
        example().id,
        example(settings={"seed": 2, "lr": 0.03}).id,
        example(settings={"seed": 1, "lr": 0.031}).id,
        example(needs=(other_data,)).id,
    }
    assert len(ids) == 4


def test_an_edit_of_a_package_renames_its_runs_and_no_other(monkeypatch):
    before = example()
    data = before.needs[0]
    encoder_id, data_id = before.id, data.id
    monkeypatch.setattr(
        run_module, "source_digest", lambda name: "edited" if name == "mtneuro_ssl" else source_digest(name)
    )
    after = example()
    assert after.id != encoder_id
    assert after.needs[0].id == data_id


def test_needs_come_first_and_once():
    first, second = example(), example(settings={"seed": 2})
    ordered = with_needs([first, second])
    assert [run.kind for run in ordered] == ["arrays", "encoder", "encoder"]


def test_a_runs_peak_of_memory_is_its_own():
    np.ones(2**25).sum()
    before = peak_memory_kib()
    forget_peak_memory()
    assert peak_memory_kib() < before - 2**17
