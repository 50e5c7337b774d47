"""Settings and the registry: what is known, what is refused."""

import json
from pathlib import Path

import pytest
from mtneuro_seg import Network, TrainSettings, model_names, network, paper_search, paper_settings, register
from pydantic import ValidationError


def test_all_networks_of_the_paper_have_their_settings():
    for name in (
        "unet",
        "manet",
        "fpn",
        "unetplusplus",
        "pan",
        "pspnet",
        "unet3d",
        "vnetlight",
        "highresnet",
    ):
        for classes in (3, 4):
            assert paper_settings(name, classes).epochs == 20
    assert paper_settings("pspnet", 4).learning_rate == 0.1
    assert paper_settings("pan", 3, seed=631).batch_size == 10
    assert paper_settings("unet3d", 3).batch_size == 1


def test_the_papers_choice_is_among_what_it_searched():
    for name in ("unet", "pan", "unet3d"):
        for classes in (3, 4):
            chosen = paper_settings(name, classes)
            grid = {(run.learning_rate, run.batch_size) for run in paper_search(name, classes, seed=1)}
            assert (chosen.learning_rate, chosen.batch_size) in grid


def test_networks_outside_the_paper_have_no_paper_settings():
    with pytest.raises(ValueError, match="no settings for 'linknet'"):
        paper_settings("linknet", 3)
    with pytest.raises(ValueError, match="classes must be 3 or 4"):
        paper_settings("unet", 5)


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


def test_every_network_names_its_paper():
    for name in model_names():
        assert network(name).paper
        assert network(name).name == name


def test_a_name_is_registered_once():
    again = Network(
        name="unet",
        title="x",
        axes=2,
        family="x",
        paper="x",
        factory="mtneuro_seg.networks.unet:unet",
        multiple=1,
    )
    with pytest.raises(ValueError, match="registered already"):
        register(again)


def test_table_a4_is_the_papers():
    paper = Path(__file__).parents[4] / "shared" / "paper" / "mtneuro_paper.json"
    if not paper.is_file():
        pytest.skip("the paper's tables are not beside the checkout")
    rows = json.loads(paper.read_text("utf-8"))["task2"]["table_A4_best"]
    for title, row in rows.items():
        name = next(name for name in model_names() if network(name).title == title)
        for classes in (3, 4):
            ours = paper_settings(name, classes)
            printed = row[f"{classes}-class"]
            assert (ours.learning_rate, ours.batch_size) == (printed["learning_rate"], printed["batch_size"])
