"""bf16 is used where its labels are those of fp32, and refused elsewhere."""

import numpy as np
import pytest
import torch
from mtneuro_seg import Model, SweepSettings, TrainSettings, predict_volume, swept_labels
from mtneuro_seg.volume.half_precision import label_agreement

HALF = SweepSettings(window=(16, 16), precision="bf16-mixed")


def threshold(at: float, *, noise: float = 0.0) -> Model:
    """Return a model that labels voxels brighter than ``at``; with noise, by the least of margins."""
    settings = TrainSettings(model="somebodys.nets:threshold", classes=2, mean=0.0, sd=1.0)
    network = torch.nn.Conv2d(1, 2, 1)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([1.0, 1.0 + noise if noise else 2.0]).reshape(2, 1, 1, 1))
        network.bias.copy_(torch.tensor([0.0, -at / 255 * (noise or 1.0)]))  # pyright: ignore[reportOptionalMemberAccess]
    return Model(network=network.eval(), settings=settings, class_names=("dark", "bright"))


def volume(*values: int) -> np.ndarray:
    return np.random.default_rng(0).choice(np.array(values, np.uint8), size=(6, 40, 33))


def test_labels_in_bf16_are_those_of_fp32_where_the_scores_lie_apart():
    model, given = threshold(128), volume(40, 220)
    assert label_agreement(model, given, sweep=HALF, device=torch.device("cpu")) == 1
    np.testing.assert_array_equal(swept_labels(model, given, sweep=HALF), given > 128)


def test_the_agreement_is_the_share_of_equal_labels():
    # bf16 keeps eight bits: 127 / 255 and 128 / 255 fall on the same side of 127.5 / 255, half of the time.
    model, given = threshold(128, noise=1e-3), volume(120, 136)
    share = label_agreement(model, given, sweep=HALF, device=torch.device("cpu"))
    assert 0.3 < share < 0.7


def test_bf16_is_refused_where_its_labels_are_others(tmp_path):
    model, given = threshold(128, noise=1e-3), volume(120, 136)
    with pytest.raises(
        ValueError, match=r"must agree .* in 99\.9% of the voxels, got .*set precision='32-true'"
    ):
        swept_labels(model, given, sweep=HALF)
    with pytest.raises(ValueError, match="must agree"):
        predict_volume(model, given, out=tmp_path / "labels.zarr", sweep=HALF)
    assert not list(tmp_path.iterdir())
    assert swept_labels(model, given, sweep=HALF.model_copy(update={"precision": "32-true"})).any()
