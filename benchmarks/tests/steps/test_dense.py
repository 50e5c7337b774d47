import json
from typing import Any

import numpy as np
import pytest
from mtneuro_ssl import PixelProbeSettings, TrainSettings, load_model, load_pixel_probe

from mtneuro_suite.steps import Dense, Encoder

KEY: dict[str, Any] = {
    "model": "mine, linear",
    "task": "t",
    "training_set": "t:train",
    "test_set": "t:test",
    "seed": 1,
    "frozen": "mine",
}
FACTORY = "examples.tiny_encoder:encoder"


def ignored(done, total):
    pass


@pytest.fixture
def encoder_run(arrays_folder, tmp_path):
    """Write the folder of a run that trained an encoder, with its result file."""

    def write(**settings):
        folder = tmp_path / "encoder"
        step = Encoder(train=TrainSettings(device="cpu", **settings))
        images = np.random.default_rng(0).integers(0, 256, (8, 32, 32), np.uint8)
        step.run({"train": [arrays_folder("of encoder", images)]}, folder, ignored)
        (folder / "result.json").write_text(json.dumps({"settings": step.model_dump(mode="json")}))
        return folder

    return write


@pytest.fixture
def halves(arrays_folder):
    """Images with a bright half, which is of the class cell, for training and test."""
    masks = np.zeros((6, 32, 32), np.uint8)
    masks[:, :, 16:] = 2
    images = np.random.default_rng(0).normal(80 + 50 * masks, 10).clip(0, 255)
    masks[:, :3] = 255
    about = {"class_names": ("background", "vessel", "cell")}
    return {
        name: [arrays_folder(name, images[part], masks=masks[part], **about)]
        for name, part in (("train", slice(4)), ("test", slice(4, 6)))
    }


def test_a_head_on_a_frozen_encoder_is_scored_and_kept_as_networks_are(encoder_run, halves, tmp_path):
    folder = encoder_run(method="untrained", encoder=FACTORY, latent_dim=None)
    out = tmp_path / "out"
    out.mkdir()
    step = Dense(**KEY, probe=PixelProbeSettings())
    outcome = step.run({"encoder": [folder], **halves}, out, ignored)
    found = {(row.metric, row.class_name): row for row in outcome.rows}
    assert (found["iou", "cell"].value or 0) > 0.8
    assert found["iou", "vessel"].note == "no such pixel in the truth or the prediction"
    assert {row.model for row in outcome.rows} == {"mine, linear"}
    assert outcome.extra["images"] == 4
    assert outcome.extra["converged"]
    model = load_model(folder / "model", trusted=[FACTORY])
    probe = load_pixel_probe(out / "model", model)
    with np.load(out / "examples.npz") as kept:
        assert np.array_equal(kept["prediction"], probe.predict(kept["images"]))
    assert (out / "model" / "history.csv").is_file()


def test_an_encoder_without_feature_maps_has_empty_scores_that_say_so(encoder_run, halves, tmp_path):
    folder = encoder_run(method="pca", components=2)
    outcome = Dense(**KEY, probe=PixelProbeSettings()).run({"encoder": [folder], **halves}, tmp_path, ignored)
    assert {(row.value, row.note) for row in outcome.rows} == {(None, "no feature maps")}
    assert ("f1", "average") in {(row.metric, row.class_name) for row in outcome.rows}
    assert "got one of 'pca'" in outcome.extra["no feature maps"]


def test_it_computes_where_the_preset_says():
    assert Dense(**KEY, probe=PixelProbeSettings(), place="cuda").device == "cuda"
