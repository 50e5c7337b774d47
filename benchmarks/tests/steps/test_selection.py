import json
from typing import Any

import numpy as np
import pytest

from mtneuro_suite.steps import Selection

KEY: dict[str, Any] = {
    "model": "unet",
    "task": "t",
    "training_set": "t:train",
    "test_set": "t:test",
    "seed": 1,
}


@pytest.fixture
def candidates(tmp_path):
    """Folders of three trainings with their scores on validation; the second is best by mean IoU alone."""
    folders = []
    for name, f1, iou, rate in (("a", 0.9, 0.5, 0.1), ("b", 0.2, 0.7, 0.01), ("c", 0.8, 0.6, 0.001)):
        folder = tmp_path / name
        folder.mkdir()
        rows = [
            {"metric": metric, "class_name": label, "value": value}
            for metric, label, value in (
                ("f1", "average", f1),
                ("iou", "cell", 1 - iou),
                ("iou", "average", iou),
            )
        ]
        settings = {
            "model": f"unet {name}",
            "train": {"model": "unet", "learning_rate": rate, "batch_size": 4},
        }
        (folder / "result.json").write_text(json.dumps({"rows": rows, "settings": settings}))
        folders.append(folder)
    return folders


def test_the_network_with_the_highest_mean_iou_on_validation_is_scored_on_test(
    candidates, arrays_folder, tmp_path, monkeypatch, unchecked
):
    masks = np.zeros((3, 16, 16), np.uint8)
    masks[:, :4] = 1
    test = arrays_folder("test", masks, masks=masks, class_names=("background", "cell"))
    monkeypatch.setattr("mtneuro_seg.load_model", lambda folder, trusted: folder)
    # Only the best of the three predicts without an error.
    monkeypatch.setattr(
        "mtneuro_seg.predict", lambda model, images: masks if model == candidates[1] / "model" else 1 - masks
    )
    step = Selection(**KEY)
    outcome = step.run({"candidates": candidates, "test": [test]}, tmp_path, lambda done, total: None)
    assert outcome.extra["chosen"] == "unet b"
    assert outcome.extra["validation"] == {"unet a": 0.5, "unet b": 0.7, "unet c": 0.6}
    found = {(row.metric, row.class_name): (row.value, row.n) for row in outcome.rows}
    assert found["iou", "average"] == (1.0, 3)
    assert found["learning_rate", ""] == (0.01, 3)
    assert found["batch_size", ""] == (4, 3)
