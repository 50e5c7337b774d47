"""The library's networks: their encoders, and the encoders' weights."""

import os
import subprocess
import sys
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
import torch
from mtneuro_seg import TrainSettings, build_network, encoder_names
from mtneuro_seg._shared import bounds
from safetensors.torch import save_file


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


def test_weights_that_unpack_to_more_than_memory_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "weights.pth"
    with ZipFile(path, "w", ZIP_DEFLATED) as packed:
        packed.writestr("weights/data.pkl", bytes(70 << 20))
    monkeypatch.setattr(bounds, "memory_at_hand", lambda: 1_000_000)
    with pytest.raises(ValueError, match=r"weights\.pth must fit into memory, got 73 MB of 1 MB at hand"):
        build_network(TrainSettings(model="fpn", encoder_name="resnet18", encoder_weights=str(path)))
