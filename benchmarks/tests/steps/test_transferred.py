import json
from typing import Any

import numpy as np
import pytest
from mtneuro_seg import TrainSettings

from mtneuro_suite.steps import Segmenter, Transferred

SETTINGS = TrainSettings(
    model="unet", classes=2, filters=4, levels=2, steps=40, batch_size=4, learning_rate=0.01, device="cpu"
)


@pytest.fixture
def squares():
    """Images of a bright square on a dark ground, and their masks."""
    masks = np.zeros((8, 32, 32), np.uint8)
    for i, mask in enumerate(masks):
        mask[4 + i : 16 + i, 6 + i : 20 + i] = 1
    noise = np.random.default_rng(0).normal(0, 6, masks.shape)
    return (60 + 120 * masks + noise).clip(0, 255).astype(np.uint8), masks


def test_a_network_is_scored_elsewhere_with_the_weights_of_the_run_that_trained_it(
    squares, arrays_folder, tmp_path
):
    images, masks = squares
    names = ("background", "cell")
    home = arrays_folder("home", images, masks=masks, class_names=names)
    away = arrays_folder("away", 255 - images, masks=masks, class_names=names)
    key: dict[str, Any] = {"model": "unet", "training_set": "mine:train", "seed": 1}
    trainer = Segmenter(**key, task="mine", test_set="mine:test", train=SETTINGS)
    folder = tmp_path / "trained"
    folder.mkdir()
    trained = trainer.run({"train": [home], "test": [home]}, folder, lambda *_: None)
    (folder / "result.json").write_text(json.dumps({"settings": trainer.model_dump(mode="json")}), "utf-8")
    scores = {}
    for place, test in (("home", home), ("away", away)):
        out = tmp_path / f"on {place}"
        out.mkdir()
        moved = Transferred(**key, task=f"mine on {place}", test_set=f"mine on {place}:test")
        outcome = moved.run({"network": [folder], "test": [test]}, out, lambda *_: None)
        rows = [row for row in outcome.rows if not row.cube]
        assert {(row.task, row.test_set, row.training_set, row.n) for row in rows} == {
            (f"mine on {place}", f"mine on {place}:test", "mine:train", 8)
        }
        scores[place] = {(row.metric, row.class_name): row.value for row in rows}
    whole = [row for row in trained.rows if not row.cube]
    assert scores["home"] == {(row.metric, row.class_name): row.value for row in whole}
    assert scores["home"]["f1", "cell"] > 0.9
    assert scores["away"]["f1", "cell"] < 0.5
