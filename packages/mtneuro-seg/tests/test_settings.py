"""Settings: what is known, what is refused, and which modules they choose."""

import json
from importlib.util import find_spec

import pytest
from mtneuro_seg import TrainSettings, executed_modules, model_names, network
from pydantic import ValidationError


def test_an_unknown_network_is_answered_with_the_nearest():
    with pytest.raises(ValidationError, match="got 'unetplus'; did you mean 'unetplusplus'"):
        TrainSettings(model="unetplus")
    with pytest.raises(ValueError, match="must be one of unet, manet"):
        network("qqq")


@pytest.mark.parametrize(
    "wrong",
    [{"classes": 1}, {"batch_size": 0}, {"epochs": -1}, {"learning_rate": 0}, {"rate": 1}, {"levels": 1}],
)
def test_values_out_of_range_and_unknown_keys_are_refused(wrong: dict[str, int]):
    with pytest.raises(ValidationError):
        TrainSettings.model_validate(wrong)


def test_class_weights_and_accumulation_must_fit():
    assert TrainSettings(classes=3, class_weights=(1, 2, 3)).class_weights == (1, 2, 3)
    assert TrainSettings(class_weights="balanced").class_weights == "balanced"
    with pytest.raises(ValidationError, match="class_weights must hold 3 weights, one a class, got 2"):
        TrainSettings(classes=3, class_weights=(1, 2))
    with pytest.raises(ValidationError, match=r"accumulate must be at most batch_size \(4\), got 5"):
        TrainSettings(accumulate=5)


def test_an_encoder_where_there_is_none_is_refused():
    with pytest.raises(ValidationError, match="encoder_name must be left out for 'vnetlight'"):
        TrainSettings(model="vnetlight", encoder_name="resnet18")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"model": "fpn", "norm": "instance"}, "norm must be left out for 'fpn', which has its own"),
        ({"model": "vnetlight", "padding": "valid"}, "padding must be left out for 'vnetlight'"),
        ({"model": "vnetlight", "activation": "relu"}, "activation of vnetlight must be 'prelu' or 'elu'"),
        ({"norm": "group5"}, "the groups of norm must divide the filters, 32, got 'group5'"),
        ({"norm": "layer"}, "norm"),
    ],
)
def test_layers_that_a_network_does_not_have_are_refused(wrong, message):
    with pytest.raises(ValidationError, match=message):
        TrainSettings.model_validate(wrong)


def test_encoder_weights_are_a_word_or_a_file_of_weights():
    assert TrainSettings(model="fpn", encoder_weights="None").encoder_weights is None
    with pytest.raises(ValidationError, match="encoder_weights must be"):
        TrainSettings(model="fpn", encoder_weights="imagenet1k")


def test_the_encoder_follows_the_network_unless_it_is_named():
    assert TrainSettings(model="manet").encoder == "efficientnet-b7"
    assert TrainSettings(model="unet").encoder is None
    assert TrainSettings(model="unet", encoder_name="resnet18").encoder == "resnet18"


def test_settings_survive_json():
    settings = TrainSettings(model="unet3d", classes=3, steps=7)
    assert TrainSettings.model_validate(json.loads(settings.model_dump_json())) == settings


def test_sizes_follow_from_the_levels():
    assert TrainSettings(model="unet", levels=3).size_rule.multiple == (4, 4)
    assert TrainSettings(model="unet3d", levels=4).size_rule.padded((5, 20, 33)) == (8, 24, 40)
    assert TrainSettings(model="unet", encoder_name="resnet18").size_rule.multiple == (32, 32)


@pytest.mark.parametrize(
    ("given", "modules"),
    [
        ({"model": "unet"}, ("mtneuro_seg.networks.unet",)),
        ({"model": "unet", "encoder_name": "resnet18"}, ("mtneuro_seg.networks.smp",)),
        ({"model": "vnetlight"}, ("mtneuro_seg.networks.vnetlight",)),
        ({"model": "mypackage.nets:make"}, ("mypackage.nets",)),
        ({"model": "/my nets/a.b.py:make"}, ("/my nets/a.b.py",)),
    ],
)
def test_the_modules_that_settings_choose_are_those_of_the_network(given, modules):
    assert executed_modules(TrainSettings.model_validate(given)) == modules


def test_every_module_that_settings_choose_is_there():
    for name in model_names():
        (module,) = executed_modules(TrainSettings(model=name))
        assert find_spec(module) is not None
