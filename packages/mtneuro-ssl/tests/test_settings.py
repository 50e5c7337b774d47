import subprocess
import sys

import pytest
from mtneuro_ssl import TrainSettings, executed_modules
from mtneuro_ssl.registry import METHODS
from mtneuro_ssl.settings import ViewSettings
from pydantic import ValidationError


def test_the_defaults_are_the_papers():
    settings = TrainSettings().resolved()
    assert (settings.encoder, settings.latent_dim, settings.epochs, settings.batch_size) == (
        "resnet18",
        256,
        100,
        256,
    )
    assert (settings.learning_rate, settings.weight_decay, settings.momentum) == (0.03, 5e-4, 0.9)
    assert (settings.schedule, settings.warmup_fraction) == ("cosine", 0.1)
    assert (settings.mean, settings.sd, settings.target_momentum) == (0.4894, 0.1238, 0.996)
    assert (settings.hidden, settings.projection, settings.mined_weight) == (4096, 256, 0.1)


def test_a_value_that_is_given_goes_before_the_methods_own():
    assert TrainSettings(method="supervised").resolved().weight_decay == 0.3
    assert TrainSettings(method="supervised", weight_decay=0).resolved().weight_decay == 0


@pytest.mark.parametrize("method", METHODS)
def test_resolving_twice_changes_nothing(method):
    settings = TrainSettings(method=method).resolved()
    assert settings.resolved() == settings
    assert settings.momentum is not None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"methd": "byol"}, "did you mean 'method'"),
        ({"views": {"flop": 0.5}}, "a key must be one of crop, .* got 'flop'; did you mean 'flip'"),
        ({"method": "mywo"}, "did you mean 'myow'"),
        ({"encoder": "resnet19"}, "did you mean 'resnet18'"),
        ({"epochs": 0}, "greater than or equal to 1|greater than 0"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"dropout": 1}, "less than 1"),
        ({"stem": "uniform", "encoder": "timm/vit"}, "stem must be left out for encoder 'timm/vit'"),
        ({"stem": "uniform", "encoder": "vit"}, "stem must be left out for encoder 'vit'"),
        ({"train_encoder": False}, "train_encoder must be true for method 'byol'"),
        ({"vit": {"width": 100}}, "vit.width must be a multiple of 12 and of vit.heads, 3, got 100"),
        (
            {"vit": {"width": 96, "heads": 5}},
            "vit.width must be a multiple of 12 and of vit.heads, 5, got 96",
        ),
        (
            {"mae": {"decoder_width": 64}},
            "mae.decoder_width must be a multiple of 12 and of mae.decoder_heads",
        ),
        ({"mae": {"mask_ratio": 1}}, "mask_ratio"),
        (
            {"method": "mae", "encoder": "resnet18"},
            r"encoder must be vit for method 'mae', which hides patches from it, got 'resnet18': leave",
        ),
        ({"method": ["mae"]}, "method"),
    ],
)
def test_a_wrong_key_or_value_is_refused(values, message):
    with pytest.raises(ValidationError, match=message):
        TrainSettings.model_validate(values)


def test_settings_that_came_later_are_left_out_of_a_runs_name_where_they_are_not_set():
    later = {"image_size", "stem", "train_encoder", "partial_batches", "nmf_start", "vit", "mae"}
    later.add("settle_batches")
    unset = TrainSettings(method="supervised").model_dump()
    assert not later & set(unset)
    assert "one_offset" not in unset["views"]
    changed = TrainSettings(
        method="supervised", stem="uniform", train_encoder=False, partial_batches=True, nmf_start="random",
        settle_batches=5,
        views=ViewSettings(one_offset=True),
    )  # fmt: skip
    dump = changed.model_dump()
    assert set(dump) - set(unset) == later - {"image_size", "vit", "mae"}
    assert dump["views"]["one_offset"] is True
    assert TrainSettings.model_validate(dump) == changed


@pytest.mark.parametrize(
    ("values", "modules"),
    [
        ({"method": "myow-m"}, ("mtneuro_ssl.methods.myow_merged", "mtneuro_ssl.resnet")),
        ({"method": "pca"}, ("mtneuro_ssl.methods.pca",)),
        ({"method": "untrained", "encoder": "timm/test_vit"}, ("mtneuro_ssl.model",)),
        ({"method": "mae"}, ("mtneuro_ssl.methods.mae", "mtneuro_ssl.vit")),
        ({"method": "byol", "encoder": "lab.nets:small"}, ("mtneuro_ssl.methods.byol", "lab.nets")),
    ],
)
def test_settings_choose_the_modules_of_their_method_and_encoder(values, modules):
    assert executed_modules(TrainSettings.model_validate(values)) == modules


def test_settings_that_are_not_set_leave_earlier_runs_their_names():
    values = TrainSettings().model_dump()
    assert not {"depth", "image_size"} & values.keys()
    assert set(values["views"]) == {
        "crop",
        "flip",
        "rotate",
        "brightness",
        "contrast",
        "noise",
        "mask",
        "slices",
    }
    deep = TrainSettings.model_validate({"depth": 8, "views": {"crop_depth": 0.5}})
    assert TrainSettings.model_validate(deep.model_dump()) == deep
    assert deep.model_dump()["views"]["crop_depth"] == 0.5


def test_a_transformers_shape_names_the_runs_that_set_it():
    shaped = TrainSettings.model_validate({"method": "mae", "vit": {"patch": 4}, "mae": {"mask_ratio": 0.5}})
    dump = shaped.model_dump()
    assert (dump["vit"]["patch"], dump["mae"]["mask_ratio"]) == (4, 0.5)
    assert TrainSettings.model_validate(dump) == shaped


def test_the_core_imports_none_of_the_modules_that_settings_choose():
    code = (
        "import sys, mtneuro_ssl.training, mtneuro_ssl.embedding\n"
        "from mtneuro_ssl.registry import METHODS, ENCODERS\n"
        "chosen = {entry.target.partition(':')[0] for entry in METHODS.values()} - {'mtneuro_ssl.model'}\n"
        "chosen |= {target.partition(':')[0] for target in ENCODERS.values()}\n"
        "outside = ('mtneuro_ssl.commands', 'mtneuro_ssl.cli', 'mtneuro_ssl.figures', 'mtneuro_ssl.files')\n"
        "assert not chosen & set(sys.modules), chosen & set(sys.modules)\n"
        "assert not [name for name in sys.modules if name.startswith(outside)]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_settings_that_came_later_are_no_part_of_what_earlier_runs_are_named_by():
    dumped = TrainSettings().model_dump()
    assert not {"image_size", "start_from"} & dumped.keys()
    assert dumped["views"].keys() == {
        "crop", "flip", "rotate", "brightness", "contrast", "noise", "mask", "slices"
    }  # fmt: skip
    named = TrainSettings.model_validate({"start_from": "byol", "views": {"zoom": 1.5, "erase": 0.2}})
    assert named.model_dump()["start_from"] == "byol"
    assert TrainSettings.model_validate(named.model_dump()) == named


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"method": "supervised", "views": {"cutmix": 0.5}},
            "views.cutmix must be 0 for method 'supervised'",
        ),
        (
            {"method": "simclr", "start_from": "byol"},
            "start_from is for the methods byol, myow, myow-m, mae, got",
        ),
        ({"start_from": "byol", "encoder_weights": "byol"}, "leave encoder_weights out, got 'byol'"),
        (
            {"method": "supervised", "encoder": "deepsets", "depth": 8},
            "depth must be left out for encoder 'deepsets', whose clouds are of the objects in a slice",
        ),
        ({"views": {"zoom": 0.5}}, "greater than or equal to 1"),
        ({"views": {"solarise": 2}}, "less than or equal to 1"),
    ],
)
def test_settings_that_do_not_go_together_are_refused_with_the_way_out(values, message):
    with pytest.raises(ValidationError, match=message):
        TrainSettings.model_validate(values)
