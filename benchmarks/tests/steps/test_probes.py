import json

import numpy as np
import pytest
from mtneuro_ssl import TrainSettings

from mtneuro_suite.steps import Encoder, Probes
from mtneuro_suite.steps.embedder import Samples
from mtneuro_suite.steps.probes import VECTORS_ALONE

FACTORY = "examples.tiny_encoder:encoder"


def ignored(done, total):
    pass


@pytest.fixture
def roles(arrays_folder, dark_and_bright, tmp_path):
    """Write the roles of a run on an encoder of these settings: dark and bright images, two regions."""

    def write(**settings):
        folder = tmp_path / "encoder"
        images, region = dark_and_bright
        known = arrays_folder("all", np.tile(images, (1, 2, 2)), region=region)
        step = Encoder(train=TrainSettings(device="cpu", **settings))
        step.run({"train": [known]}, folder, ignored)
        (folder / "result.json").write_text(json.dumps({"settings": step.model_dump(mode="json")}))
        return {"encoder": [folder], "train": [known], "test roi-c1": [known]}

    return write


def probes(**changes) -> Probes:
    values = {
        "model": "mine",
        "seed": 1,
        "training_set": "t",
        "neighbours": 3,
        "probes": ("knn", "attentive"),
    }
    return Probes.model_validate(values | changes)


def test_each_probe_has_its_accuracy_on_corners(roles, tmp_path):
    given = roles(method="untrained", encoder=FACTORY, latent_dim=None)
    outcome = probes().run(given, tmp_path, ignored)
    found = {row.metric: row for row in outcome.rows}
    assert set(found) == {
        f"{metric}_corners_{probe}"
        for metric in ("accuracy", "balanced_accuracy")
        for probe in ("knn", "attentive")
    }
    # Dark and bright are told apart by any.
    assert [row.value for row in outcome.rows] == [1.0] * 4
    assert {(row.model, row.task, row.test_set, row.n) for row in outcome.rows} == {
        ("mine", "roi-c1", "roi-c1:test", 48)
    }
    assert np.trace(outcome.extra["confusion roi-c1 knn"]) == 48


def test_what_has_no_feature_maps_has_neighbours_and_an_empty_cell(roles, tmp_path):
    outcome = probes().run(roles(method="pca", components=2), tmp_path, ignored)
    found = {row.metric: (row.value, row.note) for row in outcome.rows}
    assert found["accuracy_corners_knn"] == (1.0, "")
    assert found["accuracy_corners_attentive"] == (None, "no feature maps")
    assert "got one of 'pca'" in outcome.extra["no feature maps"]


def test_neighbours_are_asked_among_embeddings_of_a_file_whose_attentive_cell_stays_empty(
    arrays_run, given, dark_and_bright, tmp_path
):
    images, region = dark_and_bright
    train, test = arrays_run("train", images, region=region), arrays_run("test", images, region=region, z=100)
    samples = [Samples(folders=[folder], view="corners") for folder in (train, test)]
    # What tells the regions apart is in the embeddings alone: of the tests they say the opposite.
    told = np.concatenate([samples[0].arrays.region, 1 - samples[1].arrays.region])
    names = np.concatenate([one.names for one in samples])
    order = np.random.default_rng(0).permutation(len(names))
    folder = given((told[:, None] * 2 + np.array([[-1.0, 3.0]]))[order], names[order])
    roles = {"encoder": [folder], "train": [train], "test same": [train], "test other": [test]}
    outcome = probes().run(roles, tmp_path, ignored)
    found = {(row.task, row.metric): row for row in outcome.rows}
    assert [found[task, "accuracy_corners_knn"].value for task in ("same", "other")] == [1, 0]
    empty = found["other", "accuracy_corners_attentive"]
    assert (empty.value, empty.note) == (None, "no feature maps")
    assert outcome.extra["no feature maps"] == VECTORS_ALONE


def test_it_computes_where_the_preset_says():
    assert probes(place="cuda").device == "cuda"
