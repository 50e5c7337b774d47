"""Settings files: ours, and the original benchmark's as they are."""

import json
from pathlib import Path

import pytest
from mtneuro_seg import TrainSettings, load_settings

UNET: dict[str, object] = {
    "seed": 1,
    "outputdir": "./output",
    "outweightfilename": "unet_best",
    "optimizer": "Adam",
    "beta1": 0.9,
    "beta2": 0.99,
    "learning_rate": 0.01,
    "epochs": 20,
    "batch_size": 8,
    "augmentations": 0,
    "model": "UNet",
    "encoder_name": "efficientnet-b7",
    "encoder_weights": "imagenet",
    "in_channels": 1,
    "classes": 4,
    "task_type": "supervised",
    "n_blocks": 4,
    "start_filters": 32,
    "activation": "relu",
    "normalization": "batch",
    "conv_mode": "same",
    "dim": 2,
    "eval_threshold": 0.5,
    "eval_reduction": "none",
}


def written(folder: Path, content: dict[str, object] | str, name: str = "network.json") -> Path:
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return folder / name


def test_a_toml_of_our_keys_is_read(tmp_path):
    path = written(tmp_path, 'model = "fpn"\nclasses = 3\nclass_weights = [1, 2, 3]\n', "seg.toml")
    assert load_settings(path) == TrainSettings(model="fpn", classes=3, class_weights=(1, 2, 3))
    assert load_settings(path, seed=7).seed == 7


def test_an_original_network_file_is_read_as_it_is(tmp_path):
    expected = TrainSettings(
        model="unet",
        classes=4,
        learning_rate=0.01,
        batch_size=8,
        betas=(0.9, 0.99),
        seed=1,
        activation="relu",
        momentum=0,
        mean=0,
        sd=1,
    )
    assert load_settings(written(tmp_path, UNET)) == expected


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("smp_UnetPlusPlus", "unetplusplus"),
        ("smp_MAnet", "manet"),
        ("smp_PAN", "pan"),
        ("smp_Linknet", "linknet"),
        ("smp_FPN", "fpn"),
        ("smp_PSPNet", "pspnet"),
        ("smp_DeepLabV3Plus", "deeplabv3plus"),
    ],
)
def test_every_network_of_the_original_has_its_own_here(tmp_path, name, ours):
    settings = load_settings(
        written(tmp_path, {**UNET, "model": name, "optimizer": "SGD", "augmentations": 1})
    )
    assert settings.model == ours
    assert settings.encoder == "efficientnet-b7"
    assert (settings.optimiser, settings.augment) == ("sgd", True)


@pytest.mark.parametrize("version", ["2022-07", "2022-11"])
@pytest.mark.parametrize("classes", [3, 4])
@pytest.mark.parametrize(("dim", "model", "batch_size"), [(2, "unet", 8), (3, "unet3d", 1)])
def test_its_published_network_files_are_read_as_they_are(
    real_data, version, classes, dim, model, batch_size
):
    path = real_data / "original_json" / version / "networkconfig" / f"UNet_{dim}D_{classes}class.json"
    assert load_settings(path) == TrainSettings(
        model=model,
        classes=classes,
        optimiser="sgd",
        learning_rate=0.01,
        epochs=5,
        batch_size=batch_size,
        levels=4,
        filters=32,
        activation="relu",
        norm="batch",
        padding="same",
        augment=False,
        seed=0,
        momentum=0,
        mean=0,
        sd=1,
    )


def test_the_layers_of_its_plain_unet_are_read_and_no_other_network_reads_them(tmp_path):
    layers = {"activation": "leaky", "normalization": "group4", "conv_mode": "valid", "up_mode": "bilinear"}
    settings = load_settings(written(tmp_path, {**UNET, **layers}))
    assert (settings.activation, settings.norm) == ("leaky_relu", "group4")
    assert (settings.padding, settings.upsampling) == ("valid", "linear")
    assert load_settings(written(tmp_path, {**UNET, **layers, "model": "smp_FPN"})).norm == "batch"


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"model": "mzp_HighResNet_3D"}, ("highresnet3d", None)),
        ({"model": "mzp_VNetLight_3D"}, ("vnetlight", "prelu")),
        ({"model": "mzp_VNetLight_3D", "elu": True}, ("vnetlight", "elu")),
    ],
)
def test_its_networks_of_medicalzoo_are_the_papers(tmp_path, keys, expected):
    settings = load_settings(written(tmp_path, {**UNET, "dim": 3, **keys}))
    assert (settings.model, settings.activation) == expected


def test_its_plain_unet_may_be_3d(tmp_path):
    assert load_settings(written(tmp_path, {**UNET, "dim": 3})).model == "unet3d"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"activation": "gelu"}, "activation must be 'relu' or 'leaky' or 'elu' or 'prelu' here, got 'gelu'"),
        ({"normalization": "group"}, "norm"),
        ({"model": "mzp_VNetLight_3D"}, "dim must be 3 for 'mzp_VNetLight_3D', got 2"),
        ({"in_channels": 3}, "in_channels must be 1 here, got 3"),
        ({"model": "ResNet-18"}, "belongs to mtneuro-ssl"),
        ({"model": "smp_MAnett"}, "did you mean 'smp_MAnet'"),
        ({"model": "smp_FPN", "dim": 3}, "dim must be 2 for 'smp_FPN'"),
        ({"learning_rat": 1}, "got 'learning_rat'; did you mean 'learning_rate'"),
        ({"epochs": "many"}, "epochs must be a whole number"),
    ],
)
def test_what_is_not_built_is_refused_by_name(tmp_path, change, message):
    path = written(tmp_path, {**UNET, **change})
    with pytest.raises(ValueError, match=message):
        load_settings(path)


def test_files_that_are_none_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file at"):
        load_settings(tmp_path / "a.toml")
    with pytest.raises(ValueError, match=r"must end in \.toml or \.json"):
        load_settings(tmp_path / "a.yaml")
    with pytest.raises(ValueError, match="must be TOML"):
        load_settings(written(tmp_path, "model = ", "a.toml"))
    with pytest.raises(ValueError, match="must hold a table of settings, got list"):
        load_settings(written(tmp_path, "[]"))
    with pytest.raises(ValueError, match="got 'modle'; did you mean 'model'"):
        load_settings(written(tmp_path, {"modle": "unet"}))


def test_a_network_of_ones_own_in_a_file_is_refused_unless_it_is_trusted(tmp_path):
    path = written(tmp_path, {"model": "nets:make", "classes": 3})
    with pytest.raises(ValueError, match=r"names 'nets:make', code that would be imported"):
        load_settings(path)
    assert load_settings(path, trusted=["nets:make"]).model == "nets:make"
    assert load_settings(path, model="mine:make").model == "mine:make"
