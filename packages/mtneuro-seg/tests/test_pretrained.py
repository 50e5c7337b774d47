"""A model goes to the hub and comes back the same, and nothing that a repository names is imported."""

import json

import numpy as np
import pytest
from mtneuro_seg import TrainSettings, predict
from mtneuro_seg.model import Model, build_network
from mtneuro_seg.pretrained import from_pretrained, push_to_hub

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 16, 16), dtype=np.uint8)


def small() -> Model:
    settings = TrainSettings(filters=2, levels=2, classes=3, image_type="uint8")
    row = {"epoch": 0, "step": 2, "loss": 1.0, "val_loss": 1.0, "val_iou": 0.25, "val_f1": 0.5}
    return Model(
        network=build_network(settings).eval(),
        settings=settings,
        class_names=("background", "vessels", "cells"),
        history=(row,),
    )


def test_a_model_comes_back_as_it_was_pushed(hub, tmp_path):
    model = small()
    done = push_to_hub(model, "owner/name", licence="mit", datasets=["owner/images"])
    fields = hub.repositories["owner/name"][-1]["README.md"].decode().split("---")[1]
    for line in (
        "license: mit",
        "- owner/images",
        "- mean_iou",
        "pipeline_tag: image-segmentation",
        "value: 0.25",
    ):
        assert line in fields
    for name in ("owner/name", "owner/name@main", str(done.place)):
        again = from_pretrained(name)
        np.testing.assert_array_equal(predict(again, IMAGES), predict(model, IMAGES))
        assert again.history == model.history
    model.save(tmp_path / "model")
    assert from_pretrained(tmp_path / "model").class_names == model.class_names
    assert push_to_hub(tmp_path / "model", "owner/other", licence="mit").place.digest == done.place.digest


def test_what_a_repository_names_is_not_imported(hub, planted):
    push_to_hub(small(), "owner/name", licence="mit")
    config = json.loads(hub.repositories["owner/name"][-1]["config.json"])
    config["settings"]["model"] = "planted.nets:make"
    hub.add("owner/name", config_json=json.dumps(config).encode(), nets_py=b"raise SystemExit")
    with pytest.raises(ValueError, match=r"names 'planted\.nets:make', code that would be imported"):
        from_pretrained("owner/name")
    assert not planted()


def test_another_models_folder_is_refused(hub, tmp_path):
    hub.add("owner/name", config_json=b'{"kind": "network", "format_version": 1}', model_safetensors=b"")
    with pytest.raises(ValueError, match=r"config\.json must be of kind .* got kind 'network'"):
        from_pretrained("owner/name")
    with pytest.raises(FileNotFoundError, match="a model folder must hold"):
        push_to_hub(tmp_path, "owner/other", licence="mit")
