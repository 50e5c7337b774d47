import logging

import numpy as np
import pytest

from mtneuro_suite.plan.asked import asked_samples
from mtneuro_suite.plan.plan import plan_of
from mtneuro_suite.preset.model import Preset, read_preset
from mtneuro_suite.preset.overrides import with_own_row, with_values

CHANGES = ("task2=none", 'task1.methods=["byol"]')
rng = np.random.default_rng(0)


def names_of(preset: Preset) -> np.ndarray:
    return np.concatenate([one.names for one in asked_samples(plan_of(preset).runs)])


@pytest.fixture(scope="module")
def smoke() -> Preset:
    return with_values(read_preset("smoke"), CHANGES)


@pytest.fixture(scope="module")
def names(smoke) -> np.ndarray:
    return names_of(smoke)


@pytest.fixture
def planned(smoke, tmp_path):
    """Plan a preset with a file of embeddings, and return the runs of its row."""

    def plan(names, embeddings=None, preset=smoke):
        file = tmp_path / "mine.npz"
        vectors = rng.normal(size=(len(names), 3)) if embeddings is None else embeddings
        np.savez(file, embeddings=vectors, sample_id=names)
        preset, own = with_own_row(preset, embeddings=[str(file)])
        return plan_of(preset).runs_of(own)

    return plan


WRONG = [
    (lambda names: names[:-3], r"must have all 416 samples .*lacks 3, the first 'A-ZI/z.*--export-images"),
    (lambda names: [*names, "B/z0@x4-12"], r"got 1 more, the first 'B/z0@x4-12'; leave them out, or"),
    (lambda names: [f"img_{i}" for i in range(416)], r"must name the 416 samples .*others, such as 'img_0'"),
    (lambda names: [name.partition("@")[0] for name in names[:16]], r"such as 'A-CTX/z110/tl'; --export"),
    (lambda names: [names[0], *names[:-1]], r"must name each sample once, got 1 of them more than once"),
]


def test_a_file_fills_a_row_of_both_tables_without_an_encoder(planned, names):
    kinds = [run.step.kind for run in planned(names[::-1])]
    assert {*kinds} == {"embeddings", "arrays", "regions", "features", "semantics", "umap"}
    assert kinds.count("embeddings") == 1


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_a_file_of_other_samples_is_refused_with_their_number_and_the_first(planned, names, change, message):
    with pytest.raises(ValueError, match=message) as refused:
        planned(np.array(change(names)))
    assert "\n" not in str(refused.value)


def test_constant_features_are_told_and_nothing_but_constants_is_refused(planned, names, caplog):
    vectors = rng.normal(size=(len(names), 4))
    vectors[:, 2] = 7
    with caplog.at_level(logging.WARNING):
        planned(names, vectors)
    assert "1 of 4 features are the same for all samples, the first in place 2" in caplog.text
    with pytest.raises(ValueError, match=r"must tell samples apart, got one embedding for all of its 2 feat"):
        planned(names, np.ones((len(names), 2)))


@pytest.fixture(scope="module")
def deep() -> Preset:
    changes = (
        'task1.tasks=["roi-c1", "roi-c1-3d"]',
        "task1.subvolumes.z_step=4",
        "task1.settings.batch_size=2",
    )
    return with_values(read_preset("smoke"), [*CHANGES, *changes])


@pytest.mark.parametrize("depth", [1, 8])
def test_a_file_of_images_or_of_subvolumes_alone_fills_their_columns(planned, deep, depth):
    names = names_of(deep)
    some = names[np.array([("x4z8-" in name) == (depth == 8) for name in names.tolist()])]
    sets = {run.step.training_set for run in planned(some, preset=deep) if run.step.kind == "regions"}
    assert sets == {"roi-c1:train+val" if depth == 1 else "roi-c1-3d:train+val"}
    # Some subvolumes are not enough.
    if depth == 8:
        with pytest.raises(ValueError, match=r"lacks 1, the first 'A-CTX/z\d+/tl@x4z8-"):
            planned(names[names != some[0]], preset=deep)


def test_a_row_of_a_preset_names_its_file_and_nothing_else(smoke, names, tmp_path):
    file = tmp_path / "mine.npz"
    np.savez(file, embeddings=rng.normal(size=(len(names), 2)), sample_id=names)
    values = smoke.model_dump()
    values["task1"]["rows"] = {"My model": {"embeddings": str(file)}}
    preset = Preset.model_validate(values)
    assert "My model" in {run.step.model for run in plan_of(preset).regions}
    values["task1"]["rows"]["My model"]["steps"] = 3
    with pytest.raises(ValueError, match=r"rows.My model: a file of embeddings takes no other setting"):
        Preset.model_validate(values)
    segmentation = {"name": "x", "description": "", "task2": {"rows": {"mine": {"embeddings": str(file)}}}}
    with pytest.raises(ValueError, match=r"rows.mine: embeddings are of Tasks 1 and 3, put them into task1"):
        Preset.model_validate(segmentation)
