"""A model goes to the hub and comes back the same, and nothing that a repository names is imported."""

import json

import numpy as np
import pytest
from mtneuro_ssl import TrainSettings, load_encoder, untrained
from mtneuro_ssl.pretrained import from_pretrained, push_to_hub

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 16, 16), dtype=np.uint8)


def small():
    return untrained(TrainSettings(encoder="tiny_lab:encoder", latent_dim=6, device="cpu"))


def test_a_model_comes_back_as_it_was_pushed(hub, tmp_path):
    model = small()
    done = push_to_hub(model, "owner/name", licence="mit", tags=["brain"], metrics={"accuracy": 0.9})
    card = hub.repositories["owner/name"][-1]["README.md"].decode()
    assert "license: mit" in card
    assert "- image-feature-extraction" not in card
    assert "pipeline_tag: image-feature-extraction" in card
    for name in ("owner/name", "owner/name@main", str(done.place)):
        again = from_pretrained(name, trusted=["tiny_lab:encoder"])
        np.testing.assert_array_equal(again.embed(IMAGES), model.embed(IMAGES))
    model.save(tmp_path / "model")
    assert from_pretrained(tmp_path / "model", trusted=["tiny_lab:encoder"]).dim == model.dim
    assert load_encoder("owner/name", trusted=["tiny_lab:encoder"])
    assert push_to_hub(tmp_path / "model", "owner/other", licence="mit").place.digest == done.place.digest


def test_what_a_repository_names_is_not_imported(hub, planted):
    push_to_hub(small(), "owner/name", licence="mit")
    files = hub.repositories["owner/name"][-1]
    config = json.loads(files["config.json"])
    config["settings"]["encoder"] = "planted.nets:make"
    hub.add("owner/name", config_json=json.dumps(config).encode(), nets_py=b"raise SystemExit")
    with pytest.raises(ValueError, match=r"names 'planted\.nets:make', code that would be imported"):
        from_pretrained("owner/name")
    assert not planted()
    # What is trusted is what is installed here: the repository's own file is not even fetched.
    config["settings"]["encoder"] = "nets_of_nobody:make"
    hub.add("owner/name", config_json=json.dumps(config).encode(), nets_of_nobody_py=b"raise SystemExit")
    with pytest.raises((ValueError, ImportError), match="nets_of_nobody"):
        from_pretrained("owner/name", trusted=["nets_of_nobody:make"])
    assert not [path for path in hub.asked if "nets" in path]


def test_another_models_folder_is_refused(hub, tmp_path):
    hub.add(
        "owner/name", config_json=b'{"kind": "mtneuro-seg model", "format_version": 1}', model_safetensors=b""
    )
    with pytest.raises(ValueError, match=r"config\.json must be of kind .* got kind 'mtneuro-seg model'"):
        from_pretrained("owner/name")
    with pytest.raises(FileNotFoundError, match="a model folder must hold"):
        push_to_hub(tmp_path, "owner/other", licence="mit")
    with pytest.raises(FileNotFoundError, match=r"^owner/absent must be a model folder, or a repository"):
        from_pretrained("owner/absent")
