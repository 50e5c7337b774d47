"""The model card: what it says of data and scores."""

import pytest
from mtneuro_seg import TrainSettings
from mtneuro_seg.model_card import model_card

ROWS = [
    {"epoch": epoch, "step": 2 * epoch, "loss": 1.0, "val_loss": 1.0, "val_iou": iou, "val_f1": iou}
    for epoch, iou in ((1, 0.25), (2, 0.75), (3, 0.5))
]


@pytest.mark.parametrize(
    ("keep", "told"), [("last", "epoch 3: mean IoU 0.500"), ("best", "epoch 2: mean IoU 0.750")]
)
def test_the_scores_are_those_of_the_epoch_that_was_kept(keep, told):
    settings = TrainSettings.model_validate({"classes": 2, "keep": keep})
    card = model_card(settings, class_names=["none", "cells"], history=ROWS, provenance={})
    assert f"- Validation, {told}" in card


@pytest.mark.parametrize("key", ["digest", "blake2b"])
def test_data_are_named_by_the_hash_of_this_or_an_earlier_version(key):
    data = {"images": {"shape": [8, 16, 16], "dtype": "uint8", key: "0123abcd"}}
    card = model_card(
        TrainSettings(classes=2), class_names=["none", "cells"], history=[], provenance={"data": data}
    )
    assert "- images: 8 x 16 x 16 uint8, digest `0123abcd`" in card
