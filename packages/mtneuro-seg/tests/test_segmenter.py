"""What Lightning trains: a batch computed in parts, and the loss of validation images."""

import numpy as np
import pytest
import torch
from mtneuro_seg import TrainSettings
from mtneuro_seg.losses import LOSSES
from mtneuro_seg.schedule import Schedule
from mtneuro_seg.segmenter import Segmenter

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 16, 16), dtype=np.uint8)
SPARSE = (IMAGES // 86).astype(np.uint8)
SPARSE[0] = 255
SPARSE[0, 0, 0] = 1
SPARSE[1:3, 4:] = 255
SPARSE[5] = 255


class Dropping(torch.nn.Module):
    """A network whose dropout must be drawn alike in both passes, and that counts its passes."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(1, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(8, 3, 1)
        )
        self.register_buffer("passes", torch.zeros(()))

    def forward(self, x):
        self.passes += self.training
        return self.layers(x)


def new(accumulate: int = 1, **changes: object) -> Segmenter:
    chosen = {"classes": 3, "batch_size": 6, "accumulate": accumulate, "steps": 1, "ignore_label": 255}
    settings = TrainSettings.model_validate(chosen | {"optimiser": "sgd", "learning_rate": 1.0} | changes)
    torch.manual_seed(0)
    return Segmenter(
        Dropping(),
        settings,
        schedule=Schedule.of(6, settings),
        images=IMAGES,
        masks=SPARSE,
        validation=(IMAGES, SPARSE),
    )


@pytest.mark.parametrize("weights", [None, (1.0, 5.0, 2.0)])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_step_is_the_same_in_any_number_of_parts_where_labels_are_sparse(tmp_path, fitted, loss, weights):
    found = {}
    for parts in (1, 2, 6):
        module = new(parts, loss=loss, class_weights=weights)
        (row,) = fitted(module, tmp_path / str(parts))
        found[parts] = [row["loss"], row["val_loss"]], module.network.state_dict()
    whole, in_one = found.pop(1)
    for parts, (losses, in_parts) in found.items():
        assert losses == pytest.approx(whole, rel=1e-5)
        for name, value in in_one.items():
            if name == "passes":
                # What a pass leaves in buffers, such as BatchNorm's statistics, is left once a part.
                assert in_parts[name] == parts
            else:
                torch.testing.assert_close(in_parts[name], value, rtol=1e-4, atol=1e-5)


def test_the_loss_of_a_step_is_the_mean_over_its_labelled_pixels(tmp_path, fitted):
    module = new(3)
    with torch.no_grad():
        given = (torch.from_numpy(IMAGES).float() / 255 - module.settings.mean) / module.settings.sd
        losses = torch.nn.functional.cross_entropy(
            module.network.layers(given[:, None]), torch.from_numpy(SPARSE).long(), ignore_index=255
        )
    (row,) = fitted(module, tmp_path)
    assert row["loss"] == pytest.approx(losses.item(), rel=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_loss_of_validation_images_does_not_depend_on_the_batch(tmp_path, fitted, loss):
    found = []
    for size in (6, 4, 1):
        # No rate to speak of: every run ends with the weights that it began with.
        module = new(loss=loss, batch_size=size, learning_rate=1e-30, steps=1)
        (row,) = fitted(module, tmp_path / str(size))
        found.append((row["val_loss"], row["val_iou"], row["val_f1"]))
    assert found[1:] == [pytest.approx(found[0], rel=1e-6)] * 2


def test_an_epochs_loss_is_the_mean_over_its_labelled_pixels_whatever_the_batch(tmp_path, fitted):
    rows = []
    for size in (6, 4, 2):
        module = new(batch_size=size, learning_rate=1e-30, steps=None, epochs=1)
        rows += fitted(module, tmp_path / str(size))
    assert [row["loss"] for row in rows[1:]] == [pytest.approx(rows[0]["loss"], rel=1e-6)] * 2


def test_an_epoch_without_a_label_has_a_loss_of_zero(tmp_path, fitted):
    module = new()
    module.masks[:] = 255
    (row,) = fitted(module, tmp_path)
    assert row["loss"] == 0


@pytest.mark.parametrize(("changes", "momentum"), [({}, 0.9), ({"momentum": 0.0}, 0.0)])
def test_sgd_has_the_momentum_that_is_asked_for(changes, momentum):
    assert new(**changes).configure_optimizers().param_groups[0]["momentum"] == momentum
