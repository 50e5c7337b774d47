import json
import logging
from typing import Any

import pytest
from mtneuro_ssl import TrainSettings
from mtneuro_ssl.settings import ViewSettings
from mtneuro_ssl.settings_file import KEYS, translated

SSL_FILE = {
    "task_type": "SSL", "method": "myow", "model": "ResNet-18", "seed": 631, "outputdir": "out",
    "outweightfilename": "weights.pt", "in_channels": 1, "classes": 4, "encoder_weights": None,
    "optimizer": "SGD", "learning_rate": 0.01, "epochs": 1, "batch_size": 8, "augmentations": 0,
    "ssl_optimizer": "SGD", "ssl_epochs": 800, "projector_hidden_size": 4096, "projector_output_size": 256,
    "projector_2_hidden_size": 4096, "projector_2_output_size": 256, "lr_warmup_epochs": 10,
    "base_learning_rate": 0.03, "base_momentum": 0.996, "opt_momentum": 0.9, "weight_decay": 5e-4,
    "lr_decay": "cosine", "lr_poly_decay_n": 0.9, "lr_gamma": 0.1, "lr_milestone": [100],
    "mm_decay": "cosine",
    "transform": ["random_crop"], "trans_prob": 1.0, "myow_layout": "cascaded", "myow_base_weight": 0.1,
    "byol_warmup_epochs": 0, "myow_rampup_epochs": 10, "miner": "knn", "miner_candidate_repr": "target",
    "miner_distance": "cosine", "knn_select": "random", "knn_nneighs": 1,
}  # fmt: skip


def test_a_self_supervised_file_is_read_unchanged(tmp_path, caplog):
    (tmp_path / "ssl.json").write_text(json.dumps(SSL_FILE))
    with caplog.at_level(logging.WARNING):
        settings = TrainSettings.from_file(tmp_path / "ssl.json")
    assert (settings.method, settings.encoder, settings.seed, settings.batch_size) == (
        "myow",
        "resnet18",
        631,
        8,
    )
    assert (settings.epochs, settings.learning_rate) == (800, 0.03)
    assert settings.warmup_fraction == settings.mined_rampup_fraction == 10 / 800
    named = {record.args[0] for record in caplog.records if isinstance(record.args, tuple)}
    assert named == {
        "optimizer", "learning_rate", "epochs", "outputdir", "outweightfilename", "classes",
        "lr_poly_decay_n", "lr_gamma", "lr_milestone", "trans_prob",
    }  # fmt: skip


def test_a_supervised_file_is_read_unchanged():
    file = {
        "task_type": "supervised",
        "model": "ResNet-50",
        "optimizer": "SGD",
        "learning_rate": 0.01,
        "epochs": 5,
    }
    settings = TrainSettings.model_validate(translated(file | {"augmentations": 1, "beta1": 0.5}))
    assert (settings.method, settings.encoder) == ("supervised", "resnet50")
    assert (settings.learning_rate, settings.epochs) == (0.01, 5)
    assert (settings.views.flip, settings.views.rotate) == (0.5, True)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("ssl_optimizer", "rmsprop", "ssl_optimizer must be one of sgd, adam, adamw, lars, got 'rmsprop'"),
        ("lr_decay", "linear", "lr_decay must be one of cosine, poly, step, got 'linear'"),
        ("myow_layout", "nested", "must be one of cascaded, parallel, got 'nested'"),
        ("projector_2_hidden_size", 512, "projector_2_hidden_size must be 4096, got 512"),
        (
            "transform",
            ["random_crop", "flip"],
            r"transform must be \['random_crop'\], got .* \(--set views.zoom=1.5\)",
        ),
        ("method", "simclr", "method must be one of byol, myow, myowmerged, got 'simclr'"),
        ("model", "ResNet-34", "did you mean"),
        ("task_type", "PCA", "task_type must be"),
        ("projector_hiden_size", 4096, "did you mean 'projector_hidden_size'"),
    ],
)
def test_a_value_that_is_not_supported_is_refused_by_name(key, value, message):
    with pytest.raises(ValueError, match=message):
        translated(SSL_FILE | {key: value})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"ssl_optimizer": "Adam", "beta2": 0.99}, {"optimiser": "adam", "betas": (0.9, 0.99)}),
        ({"lr_decay": "poly"}, {"schedule": "poly", "poly_power": 0.9}),
        ({"lr_decay": "step"}, {"schedule": "step", "step_fractions": (100 / 800,), "step_factor": 0.1}),
        ({"mm_decay": "cste"}, {"target_schedule": "constant"}),
        ({"myow_layout": "parallel"}, {"mined_layout": "parallel"}),
        ({"miner_candidate_repr": "online"}, {"mined_candidates": "online"}),
        ({"miner_distance": "l2"}, {"mined_distance": "l2"}),
        ({"byol_warmup_epochs": 80}, {"mined_delay_fraction": 0.1}),
        ({"method": "byol", "projector_2_hidden_size": 512}, {"method": "byol", "hidden": 4096}),
    ],
)
def test_the_originals_other_choices_are_settings(changes, expected):
    settings = TrainSettings.model_validate(translated(SSL_FILE | changes))
    assert {name: getattr(settings, name) for name in expected} == expected


CODE: dict[str, Any] = {"latent_dim": None, "stem": "uniform"}
"""What the original's code does in every training, whatever the file."""

METHODS = {"BYOL": "byol", "MYOW": "myow", "MYOWMerged": "myow-m"}


@pytest.mark.parametrize("version", ["2022-07", "2022-11"])
@pytest.mark.parametrize("name", METHODS)
def test_the_published_self_supervised_files_are_read_as_they_are(real_data, version, name):
    path = real_data / "original_json" / version / "networkconfig" / f"SSL_{name}_ResNet-18_2D.json"
    expected = TrainSettings(
        method=METHODS[name],
        encoder="resnet18",
        seed=0,
        epochs=800,
        batch_size=8,
        optimiser="sgd",
        learning_rate=0.03,
        momentum=0.9,
        weight_decay=5e-4,
        schedule="cosine",
        warmup_fraction=10 / 800,
        hidden=4096,
        projection=256,
        target_momentum=0.996,
        target_schedule="cosine",
        mined_weight=0.1,
        mined_rampup_fraction=10 / 800,
        mined_delay_fraction=0,
        mined_neighbours=1,
        **CODE,
        exclude_self=False,
        views=ViewSettings(one_offset=True),
        mean=0.4894,
        sd=0.1238,
    )
    used = set() if name != "BYOL" else {"mined_weight", "mined_rampup_fraction", "mined_neighbours"}
    found = TrainSettings.from_file(path)
    assert found.model_dump(exclude=used) == expected.model_dump(exclude=used)


@pytest.mark.parametrize("version", ["2022-07", "2022-11"])
def test_the_published_supervised_file_is_read_as_it_is(real_data, version):
    path = real_data / "original_json" / version / "networkconfig" / "SUP_ResNet-18_2D.json"
    assert TrainSettings.from_file(path) == TrainSettings(
        method="supervised", encoder="resnet18", seed=0, epochs=1, batch_size=8, learning_rate=0.01,
        optimiser="sgd", momentum=None, weight_decay=0, dropout=0, partial_batches=True, mean=0, sd=1, **CODE,
    )  # fmt: skip


@pytest.mark.parametrize("key", sorted(SSL_FILE))
def test_every_key_of_the_example_is_known(key):
    assert key in KEYS


def test_settings_come_from_toml_or_json(tmp_path):
    (tmp_path / "a.toml").write_text('method = "myow"\npool_size = 64\n')
    assert TrainSettings.from_file(tmp_path / "a.toml") == TrainSettings(method="myow", pool_size=64)
    (tmp_path / "a.json").write_text(TrainSettings(method="pca").model_dump_json())
    assert TrainSettings.from_file(tmp_path / "a.json") == TrainSettings(method="pca")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.toml", "method = ", "must be TOML"),
        ("a.json", "{", "must be JSON"),
        ("b.json", "[1]", "got list"),
    ],
)
def test_a_file_that_is_not_settings_is_refused(name, text, message, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        TrainSettings.from_file(tmp_path / name)


def test_an_encoder_of_ones_own_in_a_file_is_refused_unless_it_is_trusted(tmp_path):
    (tmp_path / "a.toml").write_text('encoder = "nets:make"')
    with pytest.raises(ValueError, match=r"names 'nets:make', code that would be imported"):
        TrainSettings.from_file(tmp_path / "a.toml")
    assert TrainSettings.from_file(tmp_path / "a.toml", trusted=["nets:make"]).encoder == "nets:make"
