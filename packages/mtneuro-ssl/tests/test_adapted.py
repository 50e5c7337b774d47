"""A network of somebody else's is given what it takes, and its answer becomes one embedding."""

import json
from typing import Any

import numpy as np
import pytest
import timm
import torch
from mtneuro_ssl import TrainSettings, feature_maps, load_model, train, untrained
from mtneuro_ssl._shared.foreign import AskedError
from mtneuro_ssl.adapted import Adaptation, Adapted, multiple_of, own_size, part_of, pooled
from torch import nn

VIT, RESNET = "timm/test_vit", "timm/test_resnet"


def settings(encoder: str = VIT, **changes: Any) -> TrainSettings:
    return TrainSettings.model_validate(
        {"method": "untrained", "encoder": encoder, "latent_dim": None, "device": "cpu"} | changes
    )


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 32, 32), dtype=np.uint8)


class Seen(nn.Module):
    """Keeps what it is given, and answers with its mean over patches of 14."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.given = x
        return self.feature_maps(x).mean(dim=(2, 3))

    def feature_maps(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.avg_pool2d(x, 14)


@pytest.mark.parametrize("size", [(64, 30), (14, 3), (28, 28), (1, 70)])
def test_images_are_continued_by_their_mirror_image(size):
    network, images = Seen(), noise(2, 1, *size)
    Adapted(network, Adaptation(fit="pad", multiple=14))(images)
    more = [-part % 14 for part in size]
    expected = np.pad(images.numpy(), ((0, 0), (0, 0), (0, more[0]), (0, more[1])), mode="reflect")
    np.testing.assert_array_equal(network.given.numpy(), expected)


def test_images_are_resized_without_aliasing():
    network = Seen()
    board = torch.from_numpy(np.indices((56, 56)).sum(0) % 2)[None, None].float()
    Adapted(network, Adaptation(fit="resize", size=(28, 42)))(board)
    assert network.given.shape == (1, 1, 28, 42)
    assert float(network.given[..., 2:-2, 2:-2].std()) < 0.05, "a fine pattern becomes grey"
    flat = torch.full((1, 1, 9, 100), 3.0)
    Adapted(network, Adaptation(fit="resize", size=(28, 42)))(flat)
    torch.testing.assert_close(network.given, torch.full((1, 1, 28, 42), 3.0))


def test_the_slices_of_subvolumes_are_resized_each_for_itself():
    network = nn.Flatten(1)
    deep = noise(2, 1, 3, 8, 8)
    whole = Adapted(network, Adaptation(fit="resize", size=(4, 6)))(deep).reshape(2, 3, 4, 6)
    for at in range(3):
        one = Adapted(network, Adaptation(fit="resize", size=(4, 6)))(deep[:, :, at]).reshape(2, 4, 6)
        torch.testing.assert_close(whole[:, at], one)


def test_the_map_of_a_padded_image_lies_over_the_image():
    # A ramp's mean over a patch is its value at the patch's centre, so that its map is a ramp too.
    ramp = torch.arange(64.0).expand(1, 1, 64, 64)
    network = Adapted(Seen(), Adaptation(fit="pad", multiple=14))
    maps = feature_maps(network, ramp)
    assert maps.shape == (1, 1, 5, 5)
    centres = (torch.arange(5) + 0.5) * 64 / 5 - 0.5
    # Before the first patch's centre there is no other, and in the last one the ramp ends.
    torch.testing.assert_close(maps[0, 0, 2, 1:4], centres[1:4])
    torch.testing.assert_close(feature_maps(network, ramp.mT)[0, 0, 1:4, 2], centres[1:4])


def test_weights_have_the_names_that_they_have_without():
    torch.manual_seed(0)
    network: Any = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    wrapped = Adapted(network, Adaptation(fit="pad"))
    assert wrapped.state_dict().keys() == network.state_dict().keys()
    for place in (lambda part: part, lambda part: nn.ModuleDict({"encoder": nn.Sequential(part, nn.ReLU())})):
        saved = {name: torch.full_like(value, 2) for name, value in place(network).state_dict().items()}
        place(wrapped).load_state_dict(saved)
        assert all(bool((value == 2).all()) for value in place(network).state_dict().values())
        nn.init.zeros_(network[0].weight)
    with pytest.raises(RuntimeError, match="Unexpected key"):
        wrapped.load_state_dict({**network.state_dict(), "nothing.weight": torch.ones(1)})


def test_an_image_in_three_channels_answers_like_filters_added_up(lab, images):
    (lab / "of_three.py").write_text(
        "from torch import nn\n"
        "def made(): return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())\n"
        "def other(): return nn.Sequential(nn.Flatten(), nn.Linear(9, 4))\n"
    )
    both = [untrained(settings("of_three:made", channels=how)) for how in ("repeat", "sum")]
    np.testing.assert_allclose(both[0].embed(images), both[1].embed(images), atol=1e-5)
    assert [next(iter(model.tensors().values())).shape[1] for model in both] == [3, 1]
    with pytest.raises(ValueError, match=r"channels must be repeat .* no 3 channels to sum"):
        untrained(settings("of_three:other", channels="sum"))


def test_intensities_are_scaled_as_the_model_was_trained(images):
    model = untrained(settings(RESNET, normalisation="model"))
    network: Any = model.encoder
    scaling = timm.get_pretrained_cfg("test_resnet")
    assert scaling is not None
    grey = torch.from_numpy(images)[:, None].double().div(255).expand(-1, 3, -1, -1)
    mean, sd = (torch.tensor(values).view(1, 3, 1, 1) for values in (scaling.mean, scaling.std))
    with torch.no_grad():
        expected = network.network((grey - mean).div(sd).float())
    np.testing.assert_allclose(model.embed(images), expected.numpy(), atol=1e-5)
    averaged: Any = untrained(settings(RESNET, normalisation="model", channels="sum")).encoder
    torch.testing.assert_close(averaged.mean, torch.tensor(scaling.mean).mean()[None])


def test_a_model_of_no_known_mean_is_refused(images):
    with pytest.raises(
        ValueError, match="normalisation must be data or given for encoder 'tiny_lab:encoder'"
    ):
        untrained(settings("tiny_lab:encoder", normalisation="model"))
    with pytest.raises(ValueError, match="mean must be left out where normalisation is model"):
        settings(normalisation="model", mean=0.4)


def test_tokens_are_pooled_as_asked(images):
    given = torch.from_numpy(images)[:, None].float()

    def made(**changes: Any) -> tuple[Any, torch.Tensor]:
        encoder: Any = untrained(settings(**changes)).encoder
        with torch.no_grad():
            return encoder, encoder(given)

    encoder, cls = made(pooling="cls")
    with torch.no_grad():
        tokens = encoder.network.forward_features(given)
    patches = tokens[:, encoder.network.num_prefix_tokens :]
    torch.testing.assert_close(cls, tokens[:, 0])
    torch.testing.assert_close(made(pooling="mean")[1], patches.mean(1))
    torch.testing.assert_close(made(pooling="max")[1], patches.amax(1))
    last = made(layer=-1, pooling="mean")[1]
    torch.testing.assert_close(last, patches.mean(1))
    torch.testing.assert_close(made(layer=-1, pooling="cls")[1], tokens[:, 0])
    every = made(layer="all", pooling="mean")[1]
    count = len(encoder.network.blocks)
    assert every.shape == (3, count * tokens.shape[2])
    torch.testing.assert_close(every[:, -tokens.shape[2] :], last)
    torch.testing.assert_close(every[:, : tokens.shape[2]], made(layer=0, pooling="mean")[1])
    maps = feature_maps(made(layer="all")[0], given)
    torch.testing.assert_close(maps.mean(dim=(2, 3)), every)


def test_the_layers_of_a_convolutional_network_stand_side_by_side(images):
    model = untrained(settings(RESNET, layer="all"))
    info: Any = timm.create_model("test_resnet").feature_info
    assert model.dim == sum(layer["num_chs"] for layer in info)
    given = torch.from_numpy(images)[:, None].float()
    assert feature_maps(model.encoder, given).shape == (3, model.dim, 16, 16)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"layer": 12},
            r"layer must be 0 to \d+, -1 for the last to -\d+, or all, for encoder 'timm/test_vit'",
        ),
        (
            {"encoder": "tiny_lab:encoder", "layer": 1},
            "layer must be left out for encoder 'tiny_lab:encoder'",
        ),
        (
            {"pooling": "attention"},
            "pooling must be cls, mean or max for encoder 'timm/test_vit', which has no",
        ),
        ({"encoder": RESNET, "pooling": "cls"}, "pooling must be mean or max .*, which has no class token"),
        ({"encoder": "resnet18", "pooling": "max"}, "pooling must be left out for encoder 'resnet18'"),
        ({"encoder": "resnet18", "normalisation": "model"}, "normalisation must be left out for encoder"),
        ({"layer": 1, "output": 0}, "layer and output name two places to read: give one"),
    ],
)
def test_what_an_encoder_does_not_have_is_refused(changes, message):
    with pytest.raises(ValueError, match=message) as refusal:
        untrained(settings(**{"encoder": VIT, **changes}))
    assert "validation error" in str(refusal.value) or "\n" not in str(refusal.value)


def test_a_models_own_attention_pooling_is_taken(images):
    model = untrained(settings("timm/test_vit3", pooling="attention"))
    plain = untrained(settings("timm/test_vit3"))
    np.testing.assert_array_equal(model.embed(images), plain.embed(images))


def test_a_part_of_an_answer_is_taken_by_name_or_number():
    features = torch.ones(2, 3)
    for answer, output in (
        ({"f": features}, "f"),
        ((None, features), 1),
        ([features], "0"),
        ((features,), -1),
    ):
        assert part_of(answer, output) is features
    for answer, output, message in (
        (
            {"f": features, "m": 1},
            "g",
            "output must be 'f' or 'm', parts of the dict that the encoder returns",
        ),
        ((features,) * 3, 3, r"output must be a number from 0 to 2, of a tuple of 3 that"),
        ((features,), "f", "output must be a number from 0 to 0"),
        (features, "f", "output must be left out, since the encoder returns a tensor of shape .* no parts"),
        (1j, "f", "output must name an attribute of what the encoder returns, complex"),
    ):
        with pytest.raises(AskedError, match=f"^{message}.*, got {output!r}$"):
            part_of(answer, output)


def test_features_by_place_have_no_class_token():
    with pytest.raises(ValueError, match="pooling must be mean or max for features by place"):
        pooled(torch.ones(1, 2, 3, 3), "cls")


def test_what_a_network_says_of_its_size_is_read():
    def vit(size: int) -> nn.Module:
        return timm.models.VisionTransformer(img_size=size, patch_size=14, depth=0, embed_dim=8, num_heads=1)

    assert (multiple_of(vit(28)), own_size(vit(28))) == (14, (28, 28))
    assert multiple_of(timm.create_model("test_resnet")) == 32
    assert own_size(nn.Linear(1, 1)) is None


def test_a_model_states_how_it_was_adapted_and_loads_so(images, tmp_path):
    model = train(images[:, :, :30], settings(layer="all"), out=tmp_path / "model")
    config = json.loads((tmp_path / "model/config.json").read_text())
    assert config["settings"]["fit"] == "pad"
    assert config["adaptation"] == {
        "fit": "pad",
        "size": None,
        "multiple": 16,
        "channels": 1,
        "summed": False,
        "scaling": None,
        "output": None,
        "pooling": "auto",
        "layer": "all",
    }
    loaded = load_model(tmp_path / "model")
    for shown in (images, images[:, :9, :21]):
        np.testing.assert_array_equal(loaded.embed(shown), model.embed(shown))
    assert not any(name.startswith("encoder.network.") for name in model.tensors())


def test_settings_that_adapt_nothing_are_not_written():
    assert {"fit", "channels", "output", "pooling", "layer"}.isdisjoint(settings().model_dump())
