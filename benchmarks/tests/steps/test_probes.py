import json

import numpy as np
import pytest
from mtneuro_ssl import TrainSettings

from mtneuro_suite.steps import Encoder, Probes

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


def test_it_computes_where_the_preset_says():
    assert probes(place="cuda").device == "cuda"
