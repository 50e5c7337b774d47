import pytest
from mtneuro_ssl import TrainSettings
from mtneuro_ssl.registry import METHODS
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
        ({"methd": "byol"}, "did you mean method"),
        ({"views": {"flop": 0.5}}, "unknown setting 'flop'; did you mean flip"),
        ({"method": "mwoy"}, "did you mean myow"),
        ({"encoder": "resnet19"}, "did you mean resnet18"),
        ({"epochs": 0}, "greater than or equal to 1|greater than 0"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"dropout": 1}, "less than 1"),
    ],
)
def test_a_wrong_key_or_value_is_refused(values, message):
    with pytest.raises(ValidationError, match=message):
        TrainSettings.model_validate(values)


def test_settings_come_from_toml_or_json(tmp_path):
    (tmp_path / "a.toml").write_text('method = "myow"\npool_size = 64\n')
    assert TrainSettings.from_file(tmp_path / "a.toml") == TrainSettings(method="myow", pool_size=64)
    (tmp_path / "a.json").write_text(TrainSettings(method="pca").model_dump_json())
    assert TrainSettings.from_file(tmp_path / "a.json") == TrainSettings(method="pca")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.toml", "method = ", "must be TOML"),
        ("a.json", "{", "must be TOML, or JSON"),
        ("b.json", "[1]", "got list"),
    ],
)
def test_a_file_that_is_not_settings_is_refused(name, text, message, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        TrainSettings.from_file(tmp_path / name)
