"""Encoders that are not ours are tried before any work."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mtneuro_ssl import (
    TrainSettings,
    check_feature_maps,
    embedding_map,
    load_model,
    tried_settings,
    untrained,
)
from mtneuro_ssl import train as train_model
from mtneuro_ssl.trial import asked_size

SOURCE = """
import warnings

import torch
from torch import nn


class Changed(nn.Module):
    def __init__(self, after, before=lambda x: x):
        super().__init__()
        self.layer, self.after, self.before = nn.Conv2d(1, 4, 3), after, before

    def forward(self, x):
        return self.after(self.layer(self.before(x)).mean(dim=(2, 3)))


class Three(Changed):
    def __init__(self):
        super().__init__(lambda f: f)
        self.layer = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return {"map": self.layer(x), "mask": None}


class Patches(nn.Module):
    patch_size = (14, 14)

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(1, 4, 14, stride=14)

    def forward(self, x):
        assert x.shape[2] % 14 == 0 == x.shape[3] % 14, "patches of 14"
        return self.layer(x).mean(dim=(2, 3))


class Fixed(nn.Module):
    def __init__(self, size, told):
        super().__init__()
        self.layer = nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(size[0] * size[1] // 64, 3))
        if told:
            self.image_size = size

    def forward(self, x):
        return self.layer(x)


def of_224(): return Fixed((224, 224), False)
def of_its_size(): return Fixed((40, 24), True)
def whole_patches(): return Patches()
def three_in_a_dict(): return Three()
def lone(): return Changed(lambda f: (f, None))
def tokens(): return nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(2), Swapped())


class Swapped(nn.Module):
    def forward(self, x):
        return x.mT


def dictionary(): return Changed(lambda f: {"features": f, "mask": None})
def pair(): return Changed(lambda f: (f, f))
def one_row(): return Changed(lambda f: f.flatten()[None])
def infinite(): return Changed(lambda f: f / 0)
def whole(): return Changed(lambda f: f.long())
def in_place(): return Changed(lambda f: f, before=lambda x: x.sub_(1))
def noisy(): return Changed(lambda f: f + torch.rand_like(f))
def three(): return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
def grid(): return nn.Conv2d(1, 4, 3)
def unpooled(): return nn.Sequential(nn.Conv2d(1, 1, 3), nn.Flatten())
def broken(): raise KeyError("depth")


def fixed(): return nn.Sequential(nn.Flatten(), nn.Linear(16 * 16, 6))


class Deep(Changed):
    def forward(self, x):
        features = super().forward(x)
        return (features, features) if self.training else features


def deep(): return Deep(lambda f: f)


class Taking(Changed):
    def __init__(self, able, channels=1):
        super().__init__(lambda f: f)
        self.able, self.layer = able, nn.Conv2d(channels, 4, 3)

    def forward(self, x, *_):
        assert self.able(x), "not such images"
        return super().forward(x)


class Two(Changed):
    def forward(self, x, other):
        return super().forward(x + other)


class Late(nn.Module):
    def forward(self, x):
        if not hasattr(self, "layer"):
            self.layer = nn.Conv2d(1, 4, 3)
        return self.layer(x).mean(dim=(2, 3))


class Extra(Changed):
    def get_extra_state(self): return {"seen": 3}
    def set_extra_state(self, state): pass


class Frozen(Changed):
    def forward(self, x):
        with torch.inference_mode():
            return super().forward(x)


class Overwritten(Changed):
    def forward(self, x):
        features = self.layer(x).sigmoid()
        loss = features.mul(2).mean(dim=(2, 3))
        features.zero_()
        return loss


def ends(): raise SystemExit(3)
def four(): return Taking(lambda x: True, channels=4)
def one_by_one(): return Taking(lambda x: len(x) == 1)
def half(): return Changed(lambda f: f).half()
def two(): return Two(lambda f: f)
def late(): return Late()
def extra(): return Extra(lambda f: f)
def nowhere(): return Changed(lambda f: f).to("meta")
def reversed_batch(): return Changed(lambda f: f.flip(0))
def of_the_batch(): return Changed(lambda f: f - f.mean(dim=0))
def statistics(): return nn.Sequential(nn.BatchNorm2d(1, track_running_stats=False), Changed(lambda f: f))
def nested(): return Changed(lambda f: {"out": {"f": f}})
def sparse(): return Changed(lambda f: f.to_sparse())
def complex_(): return Changed(lambda f: f + 1j)
def truths(): return Changed(lambda f: f > 0)
def number(): return Changed(lambda f: f.mean())
def array(): return Changed(lambda f: f.detach().numpy())
def frozen(): return Changed(lambda f: f).requires_grad_(False)
def detached(): return Changed(lambda f: f.detach())
def inference(): return Frozen(lambda f: f)
def overwritten(): return Overwritten(lambda f: f)
def scripted():
    with warnings.catch_warnings(action="ignore"):
        return torch.jit.script(nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()))


def lazy(): return nn.Sequential(nn.LazyConv2d(4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(4))
def hooked():
    network = Changed(lambda f: f)
    network.layer.register_forward_hook(lambda layer, given, answer: answer + 1)
    return network
def of_another_type():
    network = Changed(lambda f: f)
    torch.set_default_dtype(torch.float64)
    return network


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3)
        self.norm = self.again = nn.GroupNorm(2, 4)

    def forward(self, x):
        return self.again(self.norm(self.first(x))).relu().mean(dim=(2, 3))


def tied(): return Tied()
"""


@pytest.fixture(scope="module", autouse=True)
def nets(lab):
    (lab / "foreign_nets.py").write_text(SOURCE)


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (4, 32, 32), dtype=np.uint8)


def settings(encoder: str, **changes: object) -> TrainSettings:
    small: dict[str, object] = {"latent_dim": None, "steps": 1, "batch_size": 4, "hidden": 8, "projection": 4}
    return TrainSettings.model_validate(small | {"encoder": encoder, "device": "cpu"} | changes)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pair", r"must return one tensor, got a tuple of 2: .* name it by output \(--set output=0\)"),
        ("tokens", r"got \(2, 196, 4\): if these are tokens, set pooling to cls, .* \(--set pooling=mean\)"),
        ("one_row", r"must return features of shape \(n, features\), got \(1, 8\)"),
        ("infinite", "must return finite numbers, got nan or inf"),
        ("whole", r"must return features of shape \(n, features\), got \(2, 4\) of torch.int64"),
        ("in_place", "must leave what it is given as it is"),
        ("noisy", "must answer alike when it is asked twice"),
        ("deep", r"must return a tensor of shape \(2, 4\) in training mode too, got a tuple of 2: leave out"),
        ("broken", "must return a torch module, got KeyError: 'depth'"),
        ("ends", "must return a torch module, got SystemExit: 3$"),
        ("four", r"to have 4 channels.*; it takes 4 channels: let its .* x.expand\(-1, 4, -1, -1\)$"),
        ("one_by_one", "not such images; it takes 1 image at a time, and no 2: let it take any number$"),
        ("half", "must be float32, and 'layer.weight' is of torch.float16: end its function with .float()"),
        ("two", "missing 1 required positional argument: 'other'$"),
        ("late", "; make all of its layers when it is made, not in its forward pass$"),
        ("extra", "must keep tensors alone in its state_dict, got dict as '_extra_state'"),
        ("nowhere", "must go to the device cpu, got NotImplementedError: Cannot copy out of meta tensor"),
        ("reversed_batch", "must answer each image by itself, got another answer for one alone"),
        ("of_the_batch", "must answer each image by itself"),
        ("statistics", r"must answer each image by itself, .* statistics that it keeps"),
        ("nested", "must return one tensor, got a dict of 'out', none of which is a tensor of features$"),
        ("sparse", "must return a dense tensor, got one of torch.sparse_coo"),
        ("complex_", r"got \(2, 4\) of torch.complex64"),
        ("truths", r"got \(2, 4\) of torch.bool"),
        ("number", r"must return features of shape \(n, features\), got \(\) of torch.float32"),
        ("array", "must return one tensor, got ndarray$"),
        ("frozen", "and none of its weights require gradients: leave out"),
        ("detached", "must pass gradients to its weights in training mode, and its answer has none"),
        ("inference", "must answer outside of torch.inference_mode"),
        ("overwritten", "must pass gradients .*, got RuntimeError: .* modified by an inplace operation"),
        ("scripted", "must let itself be copied .* a module of TorchScript does not"),
    ],
)
def test_an_encoder_that_cannot_be_used_is_refused_before_any_work(name, message, images, tmp_path):
    read = []
    with pytest.raises(ValueError, match=message) as refusal:
        train_model(
            images,
            settings(f"foreign_nets:{name}"),
            out=tmp_path / "model",
            progress=lambda *done: read.append(done),
        )
    assert f"'foreign_nets:{name}'" in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert not read
    assert not list(tmp_path.iterdir())


ADAPTED = {
    "dictionary": {"output": "features"},
    "lone": {"output": 0},
    "three": {"channels": "repeat"},
    "grid": {"pooling": "mean"},
    "three_in_a_dict": {"channels": "repeat", "output": "map", "pooling": "mean"},
    "tied": {},
    "lazy": {},
    "hooked": {},
    "of_another_type": {},
    "whole_patches": {"fit": "pad"},
    "unpooled": {"image_size": (16, 16)},
    "of_224": {"image_size": (224, 224)},
    "of_its_size": {"image_size": (40, 24)},
}


@pytest.mark.parametrize("latent_dim", [None, 5])
@pytest.mark.parametrize("name", ADAPTED)
def test_an_encoder_that_can_be_adapted_in_one_way_is(name, latent_dim, images, tmp_path):
    encoder = f"foreign_nets:{name}"
    model = train_model(images, settings(encoder, latent_dim=latent_dim), out=tmp_path / "model")
    known = {"channels": "auto", "output": None, "pooling": "auto", "fit": "auto", "image_size": None}
    assert {key: getattr(model.settings, key) for key in known} == known | ADAPTED[name]
    loaded = load_model(tmp_path / "model", trusted=[encoder])
    for shown in (images, images[:, :16, :16], images[:, :27, :9]):
        features = loaded.embed(shown)
        assert features.shape == (4, model.dim)
        np.testing.assert_array_equal(features, model.embed(shown))


def test_an_encoder_under_a_linear_layer_is_tried_too(images, tmp_path):
    with pytest.raises(ValueError, match=r"^encoder 'foreign_nets:pair' must return one tensor"):
        train_model(images, settings("foreign_nets:pair", latent_dim=5), out=tmp_path / "model")


def test_a_part_that_is_named_is_taken(images, tmp_path):
    name = "foreign_nets:pair"
    model = train_model(images, settings(name, output=1, method="untrained"), out=tmp_path / "model")
    assert model.embed(images).shape == (4, 4)
    for wrong, output, message in (
        ("pair", 2, "output must be a number from 0 to 1, of a tuple of 2 that the encoder returns, got 2"),
        ("dictionary", "map", "output must be 'features' or 'mask', parts of .*, got 'map'"),
        ("three_in_a_dict", "features", "output must be 'map' or 'mask', parts of .*, got 'features'"),
        ("three", "features", "output must be left out, since the encoder returns a tensor"),
    ):
        with pytest.raises(ValueError, match=f"^{message}"):
            train_model(images, settings(f"foreign_nets:{wrong}", output=output), out=tmp_path / "other")
    tokens = settings("foreign_nets:tokens", pooling="cls", method="untrained")
    assert train_model(images, tokens, out=tmp_path / "tokens").embed(images).shape == (4, 4)


@pytest.mark.parametrize("method", ["byol", "supervised", "untrained"])
def test_an_encoder_of_one_size_is_trained_and_embeds_at_that_size(method, images, tmp_path):
    size = 16 if method != "byol" else 32
    shown = np.ascontiguousarray(images[:, :size, :size])
    labels = np.array([0, 1, 0, 1])
    model = train_model(
        shown, settings("foreign_nets:fixed", method=method), labels=labels, out=tmp_path / "model"
    )
    assert model.settings.image_size == (16, 16)
    corners = images[:, :16, :16]
    loaded = load_model(tmp_path / "model", trusted=["foreign_nets:fixed"])
    np.testing.assert_array_equal(loaded.embed(corners), model.embed(corners))
    assert loaded.embed(images[:, :8, :8]).shape == (4, 6), "others are resized"
    strict = settings("foreign_nets:fixed", method=method, fit="none", image_size=(16, 16))
    refusing = train_model(shown, strict, labels=labels, out=tmp_path / "strict")
    np.testing.assert_array_equal(refusing.embed(corners), model.embed(corners))
    with pytest.raises(
        ValueError,
        match=r"must take images of 8 x 8 .*; it is made for image_size 16 x 16: .* leave out fit=none",
    ):
        refusing.embed(images[:, :8, :8])


def test_an_encoder_that_shares_weights_is_saved_and_loaded(images, tmp_path):
    name = "foreign_nets:tied"
    model = train_model(images, settings(name), out=tmp_path / "model")
    found = load_model(tmp_path / "model", trusted=[name])
    np.testing.assert_array_equal(found.embed(images), model.embed(images))
    assert found.encoder.norm is found.encoder.again


@pytest.fixture
def mixer():
    """The name of a tiny MLP-Mixer, which takes one size only."""
    import timm
    from timm.models.mlp_mixer import MlpMixer

    def tiny_mixer(
        pretrained=False, pretrained_cfg=None, pretrained_cfg_overlay=None, cache_dir=None, **more
    ):
        return MlpMixer(**{"patch_size": 8, "num_blocks": 1, "embed_dim": 16} | more)

    entries = timm.models._registry._model_entrypoints
    entries["tiny_mixer"] = tiny_mixer
    yield "timm/tiny_mixer"
    del entries["tiny_mixer"]


def test_a_timm_model_of_one_size_is_made_for_the_views(mixer, images, tmp_path):
    model = train_model(images, settings(mixer), out=tmp_path / "model")
    assert model.settings.image_size == (16, 16)
    corners = np.ascontiguousarray(images[:, :16, :16])
    np.testing.assert_array_equal(load_model(tmp_path / "model").embed(corners), model.embed(corners))
    assert model.embed(images).shape == (4, 16)
    chosen = settings(mixer, method="untrained", image_size=(24, 24))
    assert train_model(images, chosen, out=tmp_path / "other").embed(images).shape == (4, 16)
    with pytest.raises(ValueError, match=r"images of 16 x 16 .*; it is made for image_size 24 x 24"):
        train_model(images, settings(mixer, image_size=(24, 24), fit="none"), out=tmp_path / "another")


def test_patches_that_do_not_fill_the_image_are_refused(mixer):
    with pytest.raises(
        ValueError, match=r"image_size .* must be multiples of its patches of 8 x 8, got 20 x 24"
    ):
        untrained(settings(mixer, image_size=(20, 24)))


def test_what_takes_one_size_has_others_resized_unless_that_is_refused(mixer):
    sizes = [(16, 16), (32, 32)]
    assert tried_settings(settings(mixer), sizes=sizes).image_size == (64, 64)
    assert tried_settings(settings("foreign_nets:unpooled"), sizes=sizes).image_size == (16, 16)
    with pytest.raises(
        ValueError, match="leave out fit=none, and images are brought to a size that it takes"
    ):
        tried_settings(settings(mixer, fit="none"), sizes=sizes)
    with pytest.raises(
        ValueError, match="as many features for every size of image, got 196 for 16 x 16, 900"
    ):
        tried_settings(settings("foreign_nets:unpooled", fit="none"), sizes=sizes)


def test_weights_are_given_images_of_the_size_that_they_are_published_for():
    known = {"encoder": "timm/mixer_s32_224", "encoder_weights": "hub"}
    assert tried_settings(settings(**known), sizes=[(32, 32)]).image_size == (224, 224)


def test_a_map_of_windows_that_the_encoder_does_not_take_is_refused_before_it_is_made(images, tmp_path):
    name = "foreign_nets:fixed"
    train_model(images, settings(name, fit="none"), out=tmp_path / "model")
    np.save(tmp_path / "volume.npy", images)
    with pytest.raises(ValueError, match="it is made for image_size 16 x 16"):
        embedding_map(
            tmp_path / "model",
            tmp_path / "volume.npy",
            out=tmp_path / "map.zarr",
            window=(8, 8),
            trusted=[name],
        )
    assert not (tmp_path / "map.zarr").exists()


def test_a_trial_leaves_the_callers_random_state(images):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    tried_settings(settings("tiny_lab:encoder"), sizes=[(16, 16)])
    assert torch.equal(torch.get_rng_state(), before)


def test_settings_without_a_size_are_written_as_before():
    assert "image_size" not in settings("resnet18").model_dump()
    assert settings("resnet18", image_size=(8, 8)).model_dump()["image_size"] == (8, 8)


def test_views_are_what_is_asked_for():
    chosen = settings("resnet18").model_copy(update={"method": "supervised"})
    assert asked_size((30, 20), settings("resnet18")) == (15, 10)
    assert asked_size((30, 20), chosen) == (30, 20)


def test_the_command_line_refuses_in_one_line(run, volume, tmp_path, tiny, capsys):
    out: Path = tmp_path / "model"
    run("train", volume, "-o", out, *tiny("encoder=foreign_nets:pair"), status=2)
    said = capsys.readouterr().err
    assert "must return one tensor, got a tuple of 2" in " ".join(said.split())
    assert "Traceback" not in said
    assert not out.exists()


def test_feature_maps_are_tried_on_random_weights_and_refused_in_one_line():
    check_feature_maps(TrainSettings(encoder="tiny_lab:encoder"), sizes=[(16, 16), (20, 24)])
    with pytest.raises(
        ValueError, match=r"^encoder 'tiny_lab:constant' must have feature maps, and none .*$"
    ):
        check_feature_maps(TrainSettings(encoder="tiny_lab:constant"), sizes=[(16, 16)])
    with pytest.raises(ValueError, match="need a model with a network, got method 'pca'"):
        check_feature_maps(TrainSettings(method="pca"), sizes=[])
