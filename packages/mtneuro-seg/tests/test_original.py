"""Weights under the original benchmark's names, made here as its code lays them out, and read as models.

The U-Net below is written for these tests: the layout of names is the original's, and what it computes is the
oracle. As the original's does, it sees subvolumes with the axes ``(z, x, y)``.
"""

import json

import numpy as np
import pytest
import torch
from mtneuro_seg import TrainSettings, build_network, load_model, original_model
from mtneuro_seg.model import normalised
from torch import nn


class Level(nn.Module):
    """Two rounds of convolution, activation and normalisation; on the way up, joined with a wider image."""

    def __init__(self, axes, before, after, *, up=None, norm="batch", active=nn.ReLU):
        super().__init__()
        conv, transposed, batch = (
            getattr(nn, f"{kind}{axes}d") for kind in ("Conv", "ConvTranspose", "BatchNorm")
        )
        self.active, self.up_mode = active(), up
        make = {
            "batch": batch,
            "none": lambda _: nn.Identity(),
            "instance": getattr(nn, f"InstanceNorm{axes}d"),
            "group2": lambda width: nn.GroupNorm(2, width),
        }[norm]
        if up is not None:
            if up == "transposed":
                self.up = transposed(before, after, 2, stride=2)
            self.conv0, self.norm0 = conv(before, after, 1), make(after)
        self.conv1, self.conv2 = conv(before, after, 3, padding=1), conv(after, after, 3, padding=1)
        self.norm1, self.norm2 = make(after), make(after)

    def forward(self, image, skip=None):
        if skip is not None:
            if self.up_mode == "transposed":
                image = self.up(image)
            else:
                image = self.conv0(nn.functional.interpolate(image, scale_factor=2, mode=str(self.up_mode)))
            image = torch.cat((self.norm0(self.active(image)), skip), dim=1)
        image = self.norm1(self.active(self.conv1(image)))
        return self.norm2(self.active(self.conv2(image)))


class UNet(nn.Module):
    """Two levels of 4 and 8 filters."""

    def __init__(self, axes=2, classes=3, up="transposed", **how):
        super().__init__()
        self.pool = getattr(nn, f"MaxPool{axes}d")(2)
        self.down_blocks = nn.ModuleList([Level(axes, 1, 4, **how), Level(axes, 4, 8, **how)])
        self.up_blocks = nn.ModuleList([Level(axes, 8, 4, up=up, **how)])
        self.conv_final = getattr(nn, f"Conv{axes}d")(4, classes, 1)
        for name, buffer in self.named_buffers():
            if name.endswith("running_mean"):
                nn.init.uniform_(buffer, -1, 1)
            elif name.endswith("running_var"):
                nn.init.uniform_(buffer, 0.5, 2)
        self.eval()

    def forward(self, image):
        top = self.down_blocks[0](image)
        return self.conv_final(self.up_blocks[0](self.down_blocks[1](self.pool(top)), top))


def images(axes: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, *(8,) * axes), dtype=np.uint8))


def check_same(model, network, axes: int) -> None:
    """Check that a model's scores are those of the network, which sees the original's axes."""
    pixels = images(axes)[:, None]
    turned = pixels.transpose(-1, -2) if axes == 3 else pixels
    with torch.no_grad():
        ours, theirs = model.network(normalised(pixels, model.settings)), network(turned / 255)
    theirs = theirs.transpose(-1, -2) if axes == 3 else theirs
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("axes", "name"), [(2, "unet"), (3, "unet3d")])
def test_a_published_u_net_gives_its_scores(tmp_path, axes, name):
    network = UNet(axes)
    torch.save(network.state_dict(), tmp_path / "UNet.pt")
    model = original_model(tmp_path / "UNet.pt")
    settings = model.settings
    assert (settings.model, settings.classes, settings.filters, settings.levels) == (name, 3, 4, 2)
    assert (settings.mean, settings.sd, model.class_names) == (0, 1, ("background", "vessels", "cells"))
    check_same(model, network, axes)
    model.save(tmp_path / "model")
    check_same(load_model(tmp_path / "model"), network, axes)
    assert "from `UNet.pt`" in (tmp_path / "model" / "README.md").read_text()


@pytest.mark.parametrize(
    ("made", "given"),
    [
        ({"active": nn.ELU}, {"activation": "elu"}),
        ({"norm": "instance"}, {"norm": "instance"}),
        ({"norm": "none"}, {"norm": "none"}),
        ({"norm": "group2"}, {"norm": "group2"}),
        ({"up": "nearest"}, {"upsampling": "nearest"}),
        ({"up": "bilinear"}, {"upsampling": "linear"}),
    ],
)
def test_what_the_weights_do_not_tell_is_given(tmp_path, made, given):
    network = UNet(**made)
    torch.save(network.state_dict(), tmp_path / "UNet.pt")
    check_same(original_model(tmp_path / "UNet.pt", **given), network, 2)
    (asked,) = given
    if asked != "activation":
        with pytest.raises(ValueError, match=rf"{asked} must be given for .*UNet\.pt.*--set {asked}="):
            original_model(tmp_path / "UNet.pt")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": 4}, r"classes must be 3, as in .*UNet\.pt, got 4"),
        ({"model": "manet"}, "model must be 'unet', as in"),
        ({"norm": "none"}, "norm must be 'batch', as in"),
        ({"upsampling": "linear"}, "upsampling must be 'transposed', as in"),
    ],
)
def test_what_contradicts_the_weights_is_refused(tmp_path, changes, message):
    torch.save(UNet().state_dict(), tmp_path / "UNet.pt")
    with pytest.raises(ValueError, match=message):
        original_model(tmp_path / "UNet.pt", **changes)


def test_a_network_of_the_library_is_named_by_the_settings(tmp_path):
    settings = TrainSettings(model="fpn", classes=3, encoder_name="mobilenet_v2", encoder_weights=None)
    network = build_network(settings).eval()
    torch.save(network.state_dict(), tmp_path / "FPN.pt")
    model = original_model(tmp_path / "FPN.pt", model="fpn", encoder_name="mobilenet_v2")
    pixels = torch.rand(2, 1, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(model.network(pixels), network(pixels), rtol=0, atol=0)
    with pytest.raises(ValueError, match=r"model must be given for .*--set model=manet"):
        original_model(tmp_path / "FPN.pt")
    with pytest.raises(ValueError, match=r"FPN\.pt must hold the weights of the original's MA-Net"):
        original_model(tmp_path / "FPN.pt", model="manet", encoder_name="mobilenet_v2")
    with pytest.raises(ValueError, match=r"must be a network of segmentation-models-pytorch.*'os:getcwd'"):
        original_model(tmp_path / "FPN.pt", model="os:getcwd")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"model": {"online_encoder.f.0.weight": torch.zeros(1)}}, r"`mtneuro-ssl import .*w\.pt -o FOLDER`"),
        ({"f.0.weight": torch.zeros(1)}, "it is an encoder"),
        ({"weight": torch.zeros(1)}, "must hold a U-Net of the original benchmark.*got weight$"),
    ],
)
def test_other_weights_are_refused(tmp_path, table, message):
    torch.save(table, tmp_path / "w.pt")
    with pytest.raises(ValueError, match=message):
        original_model(tmp_path / "w.pt")


def test_a_network_of_colours_is_refused(tmp_path):
    state = UNet().state_dict()
    state["down_blocks.0.conv1.weight"] = torch.zeros(4, 3, 3, 3)
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(ValueError, match="images of one channel, got 3 channels"):
        original_model(tmp_path / "w.pt")


def test_the_file_itself_in_place_of_a_model_is_answered_with_the_command(tmp_path):
    torch.save(UNet().state_dict(), tmp_path / "UNet.pt")
    with pytest.raises(ValueError, match=r"`mtneuro-seg import .*UNet\.pt -o FOLDER` makes a model folder"):
        load_model(tmp_path / "UNet.pt")


def test_the_published_settings_file_fits_weights_of_its_layout(tmp_path):
    published = {"model": "UNet", "dim": 2, "classes": 3, "n_blocks": 2, "start_filters": 4}
    published |= {"activation": "relu", "normalization": "batch", "conv_mode": "same", "optimizer": "SGD"}
    (tmp_path / "UNet.json").write_text(json.dumps(published))
    from mtneuro_seg.settings_file import settings_values

    network = UNet()
    torch.save(network.state_dict(), tmp_path / "UNet.pt")
    model = original_model(tmp_path / "UNet.pt", **settings_values(tmp_path / "UNet.json"))
    assert model.settings.optimiser == "sgd"
    check_same(model, network, 2)
