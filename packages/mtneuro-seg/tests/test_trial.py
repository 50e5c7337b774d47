"""Networks that are not ours are tried before any work."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mtneuro_seg import Model, SweepSettings, TrainSettings, load_model, predict, swept_labels, train
from torch import nn

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 16, 16), dtype=np.uint8)
MASKS = (IMAGES > 127).astype(np.uint8)


class Changed(nn.Module):
    """A convolution of every pixel, and something done before or after it."""

    def __init__(self, classes, after=lambda scores: scores, *, before=lambda x: x, size=1, channels=1):
        super().__init__()
        self.layer, self.after, self.before = nn.Conv2d(channels, classes, size), after, before

    def forward(self, x):
        return self.after(self.layer(self.before(x)))


def dictionary(*, classes):
    return Changed(classes, lambda s: {"out": s, "aux": s})


def pair(*, classes):
    return Changed(classes, lambda s: (s, s))


def in_place(*, classes):
    return Changed(classes, before=lambda x: x.sub_(1))


def one_class_more(*, classes):
    return Changed(classes + 1)


def shrinking(*, classes):
    return Changed(classes, size=3)


def labels(*, classes):
    return Changed(classes, lambda s: s.argmax(dim=1))


def three(*, classes):
    return Changed(classes, channels=3)


def infinite(*, classes):
    return Changed(classes, lambda s: s / 0)


def noisy(*, classes):
    return Changed(classes, lambda s: s + torch.rand_like(s))


def broken(*, classes):
    raise KeyError("depth")


def four(*, classes):
    return Changed(classes, channels=4)


def reversed_batch(*, classes):
    return Changed(classes, lambda s: s.flip(0))


def of_the_batch(*, classes):
    return nn.Sequential(nn.BatchNorm2d(1, track_running_stats=False), Changed(classes))


def detached(*, classes):
    return Changed(classes, lambda s: s.detach())


def ends(*, classes):
    raise SystemExit(3)


def ending(*, classes):
    return Changed(classes, exit)


def half(*, classes):
    return Changed(classes).half()


def nowhere(*, classes):
    return Changed(classes).to("meta")


def sparse(*, classes):
    return Changed(classes, lambda s: s.to_sparse())


def array(*, classes):
    return Changed(classes, lambda s: s.detach().numpy())


class Extra(Changed):
    """Keeps something beside its weights."""

    def get_extra_state(self):
        return {"seen": 3}


def extra(*, classes):
    return Extra(classes)


class Two(nn.Module):
    """Takes two inputs."""

    def __init__(self, classes):
        super().__init__()
        self.layer = nn.Conv2d(1, classes, 1)

    def forward(self, x, other):
        return self.layer(x + other)


def two(*, classes):
    return Two(classes)


def lazy(*, classes):
    return nn.Sequential(nn.LazyConv2d(4, 1), nn.LazyConv2d(classes, 1))


def hooked(*, classes):
    def brighter(layer, given, answer):
        return answer + 1

    network = Changed(classes)
    network.layer.register_forward_hook(brighter)
    return network


def nothing_to_train(*, classes):
    return nn.Upsample(scale_factor=1)


def no_classes():
    return Changed(2)


class Deep(Changed):
    """Gives further scores while it is trained."""

    def forward(self, x):
        scores = super().forward(x)
        return [scores, scores] if self.training else scores


def deep(*, classes):
    return Deep(classes)


class Tied(nn.Module):
    """Uses one layer twice."""

    def __init__(self, classes):
        super().__init__()
        self.first = nn.Conv2d(1, 4, 1)
        self.norm = self.again = nn.GroupNorm(2, 4)
        self.last = nn.Conv2d(4, classes, 1)

    def forward(self, x):
        return self.last(self.again(self.norm(self.first(x))).relu())


def tied(*, classes):
    return Tied(classes)


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


def settings(name: str, **changes: object) -> TrainSettings:
    return TrainSettings.model_validate({"model": f"test_trial:{name}", "classes": 2, "steps": 1} | changes)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("dictionary", "must return one tensor, got a dict of 'out', 'aux': return one part of it"),
        ("pair", "must return one tensor, got a tuple of 2: return one part of it"),
        ("in_place", r"must leave what it is given as it is.* x = x.clone\(\)"),
        (
            "one_class_more",
            r"got \(2, 3, 16, 16\) .*: let its last layer have classes=2 channels",
        ),
        ("shrinking", r"got \(2, 2, 14, 14\) .*: pad its convolutions"),
        ("labels", r"got \(2, 16, 16\) of torch.int64: return the scores before any softmax or argmax"),
        ("three", "it takes 3 channels: let its first layer take 1"),
        ("infinite", "must return finite numbers, got nan or inf"),
        ("noisy", "must answer alike when it is asked twice"),
        ("broken", r"must return a torch.nn.Module for classes=2, got KeyError: 'depth'"),
        ("no_classes", "for classes=2, got TypeError: .*unexpected keyword argument 'classes'"),
        ("deep", r"a tensor of shape \(2, 2, 16, 16\) in training mode too, got a list of 2: leave out what"),
        ("nothing_to_train", "must have weights that can be trained, got none"),
        ("lazy", r"must have weights of known shapes, got '0.weight' of a lazy module: .* nn.LazyConv2d$"),
        ("four", "it takes 4 channels: let its first layer take 1"),
        ("reversed_batch", "must answer each image by itself"),
        ("of_the_batch", "must answer each image by itself"),
        ("detached", "must pass gradients to its weights in training mode, and its answer has none"),
        ("ends", "must return a torch.nn.Module for classes=2, got SystemExit: 3$"),
        ("ending", "must take images of 16 x 16 .*, got SystemExit"),
        ("half", "must be float32, and 'layer.weight' is of torch.float16"),
        ("nowhere", "must go to the device cpu, got NotImplementedError: Cannot copy out of meta tensor"),
        ("sparse", "must return a dense tensor"),
        ("array", "must return one tensor, got ndarray$"),
        ("extra", "must keep tensors alone in its state_dict, got dict as '_extra_state'"),
        ("two", "missing 1 required positional argument: 'other'$"),
    ],
)
def test_a_network_that_cannot_be_used_is_refused_before_any_work(name, message, tmp_path):
    with pytest.raises(ValueError, match=message) as refusal:
        train(IMAGES, settings(name), masks=MASKS, out=tmp_path / "model")
    assert f"test_trial:{name}'" in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert not list(tmp_path.iterdir())


def test_a_size_of_the_validation_images_that_is_not_taken_is_refused_before_any_work(tmp_path):
    validation = (IMAGES[:, :5, :5], MASKS[:, :5, :5])
    with pytest.raises(ValueError, match=r"images of 5 x 5 .*, got RuntimeError: .*; .* set multiple to it"):
        train(IMAGES, settings("halving"), masks=MASKS, out=tmp_path / "model", validation=validation)
    assert not list(tmp_path.iterdir())


def halving(*, classes):
    return nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4, 4 * classes, 1), nn.PixelShuffle(2))


def test_a_network_with_hooks_is_saved_and_loaded(tmp_path):
    model = train(IMAGES, settings("hooked"), masks=MASKS, out=tmp_path / "model")
    loaded = load_model(tmp_path / "model", trusted=["test_trial:hooked"])
    np.testing.assert_array_equal(predict(loaded, IMAGES), predict(model, IMAGES))


@pytest.mark.parametrize("keep", ["last", "best"])
def test_a_network_that_uses_a_layer_twice_is_saved_and_loaded(tmp_path, keep):
    chosen = settings("tied", keep=keep)
    model = train(IMAGES, chosen, masks=MASKS, out=tmp_path / "model", validation=(IMAGES, MASKS))
    loaded = load_model(tmp_path / "model", trusted=["test_trial:tied"])
    np.testing.assert_array_equal(predict(loaded, IMAGES), predict(model, IMAGES))
    assert loaded.network.norm is loaded.network.again


def test_a_network_that_a_model_is_made_of_by_hand_is_checked_when_it_labels():
    model = Model(
        network=dictionary(classes=2).eval(), settings=settings("dictionary"), class_names=("none", "cells")
    )
    message = r"must return class scores of shape \(4, 2, 16, 16\), got a dict of 'out', 'aux'"
    with pytest.raises(ValueError, match=message):
        predict(model, IMAGES)
    with pytest.raises(ValueError, match=r"must return class scores of shape .*, got a dict"):
        swept_labels(model, IMAGES, sweep=SweepSettings(window=(16, 16)))


def test_the_command_line_refuses_in_one_line(run, data, tmp_path, capsys):
    out = tmp_path / "model"
    assert run("train", data, "-o", out, "--model", "test_trial:dictionary") == 2
    said = capsys.readouterr().err
    assert "must return one tensor, got a dict of 'out', 'aux'" in " ".join(said.split())
    assert "Traceback" not in said
    assert not out.exists()
