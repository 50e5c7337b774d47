"""Every network: shapes, counts of parameters by hand, one step forward and back."""

import os
import subprocess
import sys

import pytest
import torch
from mtneuro_seg import PlainUNet, TrainSettings, VNetLight, build_network, model_names, network
from mtneuro_seg.networks.smp import encoder_names
from safetensors.torch import save_file

SMALL_ENCODER = {"encoder_name": "resnet18", "encoder_weights": None}


def small(name: str, classes: int = 3) -> TrainSettings:
    extra = SMALL_ENCODER if network(name).encoder else {"filters": 4, "levels": 3}
    return TrainSettings.model_validate({"model": name, "classes": classes, **extra})


def step(settings: TrainSettings) -> None:
    rule = settings.size_rule
    size = rule.padded((8, 16, 16)[-settings.network.axes :])
    net = build_network(settings).train()
    logits = net(torch.randn(2, 1, *size, generator=torch.Generator().manual_seed(0)))
    assert logits.shape == (2, settings.classes, *size)
    logits.square().mean().backward()
    # The library builds encoders whole, and leaves out of the pass what a decoder does not read.
    gradients = [p.grad for p in net.parameters() if p.grad is not None]
    assert gradients
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize("name", ["unet", "pspnet", "unet3d", "vnetlight"])
def test_one_network_a_family_learns_a_step(name: str):
    step(small(name))


@pytest.mark.slow
@pytest.mark.parametrize("classes", [3, 4])
@pytest.mark.parametrize("name", model_names())
def test_every_network_learns_a_step(name: str, classes: int):
    step(small(name, classes))


def test_highresnet_works_at_depth_eight():
    net = build_network(TrainSettings(model="highresnet", classes=3)).eval()
    with torch.no_grad():
        assert net(torch.zeros(1, 1, 8, 8, 8)).shape == (1, 3, 8, 8, 8)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["swinunetr", "mednext"])
def test_networks_of_today_take_eight_slices(name: str):
    rule = network(name).size_rule()
    size = rule.padded((8, 32, 32))
    assert size[0] == 8
    net = build_network(TrainSettings(model=name, classes=3)).eval()
    with torch.no_grad():
        assert net(torch.zeros(1, 1, *size)).shape == (1, 3, *size)


def conv(before: int, after: int, taps: int) -> int:
    return before * after * taps + after


def test_the_plain_unet_has_the_parameters_of_its_description():
    # Two levels of 4 and 8 filters: each 3x3 convolution is followed by a batch normalisation (2 a channel).
    down = conv(1, 4, 9) + 8 + conv(4, 4, 9) + 8 + conv(4, 8, 9) + 16 + conv(8, 8, 9) + 16
    up = conv(8, 4, 4) + 8 + conv(8, 4, 9) + 8 + conv(4, 4, 9) + 8
    net = PlainUNet(axes=2, classes=3, filters=4, levels=2)
    assert sum(p.numel() for p in net.parameters()) == down + up + conv(4, 3, 1)


def test_vnetlight_has_the_parameters_of_its_description():
    def residual(width: int, times: int) -> int:
        return times * (conv(width, width, 125) + 2 * width)

    def halving(width: int) -> int:
        return conv(width // 2, width, 8) + 2 * width

    def doubling(before: int, width: int) -> int:
        return conv(before, width // 2, 8) + width

    expected = conv(1, 16, 125) + 32
    expected += (
        halving(32) + residual(32, 1) + halving(64) + residual(64, 2) + halving(128) + residual(128, 3)
    )
    expected += doubling(128, 128) + residual(128, 2)
    expected += doubling(128, 64) + residual(64, 1) + doubling(64, 32) + residual(32, 1)
    expected += conv(32, 4, 125) + 8 + conv(4, 4, 1)
    assert sum(p.numel() for p in VNetLight(classes=4).parameters()) == expected


def test_vnetlight_repeats_its_input_over_the_stem():
    net = VNetLight(classes=2).eval()
    for parameter in net.stem.parameters():
        torch.nn.init.zeros_(parameter)
    seen: list[torch.Tensor] = []
    net.down32.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    image = torch.rand(1, 1, 8, 8, 8)
    with torch.no_grad():
        net(image)
    torch.testing.assert_close(seen[0], image.expand(1, 16, 8, 8, 8))


def test_the_first_weights_follow_from_the_seed_and_leave_the_callers_state_alone():
    before = torch.get_rng_state()
    first, again, other = (
        build_network(TrainSettings(model="unet", filters=2, levels=2, seed=seed)) for seed in (1, 1, 2)
    )
    pairs = zip(first.parameters(), again.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(next(first.parameters()), next(other.parameters()))
    assert torch.equal(before, torch.get_rng_state())


def test_unet_with_an_encoder_is_the_librarys():
    net = build_network(TrainSettings(model="unet", encoder_name="resnet18", encoder_weights=None))
    assert type(net).__name__ == "Unet"


def test_an_unknown_encoder_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="got 'resnet81'; did you mean 'resnet18'"):
        build_network(TrainSettings(model="fpn", encoder_name="resnet81", encoder_weights=None))
    assert "efficientnet-b7" in encoder_names()


def test_encoders_of_timm_are_known_by_name_and_tag():
    for name in ("tu-resnet18", "tu-resnet18.a1_in1k"):
        assert build_network(TrainSettings(model="fpn", encoder_name=name, encoder_weights=None))
    for name in ("tu-resnet81", "tu-resnet18.nosuch"):
        with pytest.raises(ValueError, match=f"got '{name}'; did you mean 'tu-resnet"):
            build_network(TrainSettings(model="fpn", encoder_name=name, encoder_weights=None))


@pytest.mark.parametrize("encoder", ["resnet18", "tu-resnet18"])
def test_imagenet_weights_without_a_network_are_one_clear_error(encoder):
    with pytest.raises(OSError, match=r"could not be downloaded .* set encoder_weights=None"):
        build_network(TrainSettings(model="fpn", encoder_name=encoder))


def test_a_hub_out_of_reach_is_told_once_and_quickly(tmp_path):
    script = (
        "import time, torch\n"
        "import segmentation_models_pytorch\n"
        "from mtneuro_seg import TrainSettings, build_network\n"
        "start = time.monotonic()\n"
        "for encoder in ('resnet18', 'tu-resnet18'):\n"
        "    try:\n"
        "        build_network(TrainSettings(model='fpn', encoder_name=encoder))\n"
        "    except OSError as error:\n"
        "        print(time.monotonic() - start, error)\n"
    )
    # Nothing listens at port 9, where the environment's proxies point too.
    away = {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path)}
    child = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=os.environ | away
    )
    first, second = child.stdout.splitlines()
    assert all("--set encoder_weights=none" in told for told in (first, second))
    assert float(second.partition(" ")[0]) < 15
    assert child.stderr == ""


def test_a_local_file_of_weights_is_loaded_and_folded_to_one_channel(tmp_path):
    import segmentation_models_pytorch as smp

    donor = smp.encoders.get_encoder("resnet18", in_channels=3, weights=None)
    state = {key: value.clone() for key, value in donor.state_dict().items()}
    save_file(state, tmp_path / "resnet18.safetensors")
    torch.save(state, tmp_path / "resnet18.pth")
    for file in ("resnet18.safetensors", "resnet18.pth"):
        settings = TrainSettings(model="fpn", encoder_name="resnet18", encoder_weights=str(tmp_path / file))
        built = build_network(settings).state_dict()
        torch.testing.assert_close(built["encoder.layer1.0.conv1.weight"], state["layer1.0.conv1.weight"])
        torch.testing.assert_close(
            built["encoder.conv1.weight"], state["conv1.weight"].sum(dim=1, keepdim=True)
        )


def test_a_file_that_does_not_hold_the_encoders_weights_is_refused(tmp_path):
    missing = TrainSettings(model="fpn", encoder_name="resnet18", encoder_weights=str(tmp_path / "x.pth"))
    with pytest.raises(FileNotFoundError, match="encoder_weights must be an existing file"):
        build_network(missing)
    (tmp_path / "x.pth").write_bytes(b"no weights")
    with pytest.raises(ValueError, match="must hold the weights of encoder 'resnet18'"):
        build_network(missing)
    save_file({"a": torch.zeros(1)}, tmp_path / "y.safetensors")
    other = TrainSettings(
        model="fpn", encoder_name="resnet18", encoder_weights=str(tmp_path / "y.safetensors")
    )
    with pytest.raises(ValueError, match="must hold the weights of encoder 'resnet18'"):
        build_network(other)
