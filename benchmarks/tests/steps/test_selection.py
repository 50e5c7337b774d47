import json
from typing import Any

import pytest

from mtneuro_suite.steps import Selection

KEY: dict[str, Any] = {
    "model": "unet",
    "task": "t",
    "training_set": "t:train",
    "test_set": "t:val",
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


def test_the_network_with_the_highest_mean_iou_on_validation_is_chosen(candidates, tmp_path):
    outcome = Selection(**KEY).run({"candidates": candidates}, tmp_path, lambda done, total: None)
    assert outcome.extra["chosen"] == "unet b"
    assert outcome.extra["validation"] == {"unet a": 0.5, "unet b": 0.7, "unet c": 0.6}
    assert outcome.extra["settings"] == {"model": "unet", "learning_rate": 0.01, "batch_size": 4}
    found = {row.metric: (row.value, row.n) for row in outcome.rows}
    assert found == {"learning_rate": (0.01, 3), "batch_size": (4, 3)}
