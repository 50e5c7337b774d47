from typing import Any

import numpy as np
from mtneuro_seg import TrainSettings

from mtneuro_suite.steps import Segmenter
from mtneuro_suite.steps.taken import Taken

KEY: dict[str, Any] = {
    "model": "mine",
    "task": "t",
    "training_set": "t:train",
    "test_set": "t:test",
    "seed": 1,
}
SETTINGS = TrainSettings(model="unet", classes=2, filters=4, levels=2, steps=1, batch_size=2, device="cpu")


def ignored(done, total):
    pass


def test_a_trained_network_taken_as_it_is_scores_what_it_did_when_it_was_trained(
    arrays_folder, dark_and_bright, tmp_path
):
    images, _ = dark_and_bright
    masks = images > 120
    folder = arrays_folder("all", images, masks=masks, class_names=("background", "cell"))
    roles = {"train": [folder], "test": [folder]}
    (tmp_path / "again").mkdir()
    trained = Segmenter(**KEY, train=SETTINGS).run(roles, tmp_path, ignored)
    assert trained.extra["images"] == len(images)
    taken = Segmenter(**KEY, train=SETTINGS, taken=Taken(folder=tmp_path / "model", digest="x"))
    again = taken.run({"test": [folder]}, tmp_path / "again", ignored)
    assert [(row.metric, row.class_name, row.value) for row in again.rows] == [
        (row.metric, row.class_name, row.value) for row in trained.rows
    ]
    with np.load(tmp_path / "examples.npz") as one, np.load(tmp_path / "again" / "examples.npz") as two:
        assert np.array_equal(one["prediction"], two["prediction"])


def test_a_segmenter_is_named_by_its_network_and_a_taken_one_needs_no_gpu(tmp_path):
    there = SETTINGS.model_copy(update={"device": "cuda"})
    step = Segmenter(**KEY, train=there)
    assert any(module.startswith("mtneuro_seg.networks") for module in step.executed_modules())
    assert step.device == "cuda"
    assert Segmenter(**KEY, train=there, taken=Taken(folder=tmp_path, digest="x")).device == "cpu"
