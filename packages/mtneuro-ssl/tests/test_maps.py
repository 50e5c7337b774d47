"""Feature maps have a value for each place of an image, where the image has it."""

import weakref
from typing import Any

import pytest
import timm
import torch
from mtneuro_ssl import TrainSettings
from mtneuro_ssl.encoders import new_encoder
from mtneuro_ssl.maps import feature_maps
from mtneuro_ssl.resnet import resnet18, resnet18_3d
from torch import nn

SIZED: dict[str, Any] = {"img_size": (64, 64)}
SMALL: dict[str, dict[str, Any]] = {
    "test_resnet": {},
    "test_efficientnet": {},
    "test_convnext": {},
    "test_vit": {"dynamic_img_size": True},  # class and register tokens
    "test_vit4": {"dynamic_img_size": True},
    "swin_tiny_patch4_window7_224": {"depths": (1, 1), "embed_dim": 24, "num_heads": (1, 2)} | SIZED,
    "hiera_tiny_224": {"embed_dim": 24, "stages": (1, 1, 1, 1)} | SIZED,
    "maxvit_rmlp_pico_rw_256": SIZED,
    "vit_small_patch16_dinov3": {"depth": 2, "embed_dim": 48, "num_heads": 2, "dynamic_img_size": True},
    "test_mambaout": {},
}


def made(name: str) -> Any:
    torch.manual_seed(0)
    return timm.create_model(name, in_chans=1, num_classes=0, **SMALL[name]).eval()


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


class Own(nn.Module):
    def forward(self, x):
        return self.feature_maps(x).mean(dim=(2, 3))

    def feature_maps(self, x):
        return nn.functional.avg_pool2d(x, 8)


class Gated(nn.Module):
    """Its only pooling is a gate's."""

    def __init__(self):
        super().__init__()
        self.layer, self.pool, self.gate = nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Linear(4, 4)

    def forward(self, x):
        x = self.layer(x)
        return (x * self.gate(self.pool(x).flatten(1))[..., None, None]).mean(dim=(2, 3))


def test_the_mean_of_our_map_is_the_embedding():
    for network, images in ((resnet18, noise(2, 1, 32, 48)), (resnet18_3d, noise(2, 1, 4, 16, 24))):
        encoder = network(latent_dim=None).eval()
        maps = feature_maps(encoder, images)
        assert maps.shape == (2, 512, *(max(-(-part // 8), 1) for part in images.shape[2:]))
        torch.testing.assert_close(maps.mean(dim=tuple(range(2, maps.ndim))), encoder(images))


@pytest.mark.parametrize("name", SMALL)
def test_a_change_at_a_place_changes_the_map_most_there(name):
    encoder, images = made(name), noise(1, 1, 64, 64)
    before = feature_maps(encoder, images)
    rows, columns = before.shape[2:]
    images[..., 50:, :14] += 8
    changed = (feature_maps(encoder, images) - before).norm(dim=1)[0]
    row, column = divmod(int(changed.argmax()), columns)
    assert (row + 0.5) / rows > 0.5 > (column + 0.5) / columns


def test_a_transformers_map_is_its_patches_tokens():
    encoder, images = made("test_vit"), noise(2, 1, 32, 64)
    tokens = encoder.forward_features(images)[:, encoder.num_prefix_tokens :]
    torch.testing.assert_close(feature_maps(encoder, images).flatten(2).mT, tokens)


def test_a_linear_layer_behind_an_encoder_is_left_out():
    encoder, images = made("test_resnet"), noise(2, 1, 32, 32)
    behind = nn.Sequential(encoder, nn.Linear(encoder.num_features, 5))
    torch.testing.assert_close(feature_maps(behind, images), feature_maps(encoder, images))


def test_what_ones_own_network_pools_last_is_its_map():
    layer, images = nn.Conv2d(1, 4, 3), noise(2, 1, 12, 16)
    own = nn.Sequential(layer, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3))
    torch.testing.assert_close(feature_maps(own, images), layer(images))
    assert own.training, "its mode is as it was"


def test_ones_own_method_says_what_the_map_is():
    images = noise(2, 1, 16, 24)
    torch.testing.assert_close(feature_maps(Own(), images), nn.functional.avg_pool2d(images, 8))


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (Gated(), r"net must have feature maps, and none are found in Gated: give it a method feature_maps"),
        (nn.Sequential(nn.Flatten(), nn.Linear(256, 4)), "must have feature maps, and none are found"),
        (nn.Linear(3, 3), "net must map images of 16 x 16 and 1 channel"),
    ],
)
def test_an_encoder_without_a_map_is_refused(encoder, message):
    with pytest.raises(ValueError, match=message) as refusal:
        feature_maps(encoder, noise(2, 1, 16, 16), name="net")
    assert "\n" not in str(refusal.value)


def test_a_map_of_other_axes_is_refused():
    encoder: Any = Own()
    encoder.feature_maps = lambda x: x.mean(dim=(2, 3))
    with pytest.raises(ValueError, match=r"of shape \(n, features, h, w\), got a tensor of shape \(2, 1\)"):
        feature_maps(encoder, noise(2, 1, 16, 16))


@pytest.mark.parametrize("name", ["resnet18", "timm/test_vit"])
def test_an_encoder_is_passed_once_and_its_activations_are_let_go(name):
    encoder = new_encoder(TrainSettings(encoder=name, latent_dim=None))
    layers = [part for part in encoder.modules() if isinstance(part, torch.nn.Conv2d | torch.nn.Linear)]
    passed: list[torch.nn.Module] = []
    given: list[weakref.ref[torch.Tensor]] = []

    def note(part, inputs):
        passed.append(part)
        given.append(weakref.ref(inputs[0]))

    hooks = [part.register_forward_pre_hook(note) for part in layers]
    feature_maps(encoder, torch.zeros(1, 1, 32, 32))
    for hook in hooks:
        hook.remove()
    assert len(passed) == len(set(passed))
    assert [ref for ref in given if ref() is not None] == []
