from typing import Any

import numpy as np
import pytest
import torch
from mtneuro_ssl import TrainSettings, new_method, train
from mtneuro_ssl.methods.mae import split_patches
from mtneuro_ssl.vit import position_embeddings
from safetensors.numpy import load_file
from torch import Tensor

SHAPE = {"patch": 2, "patch_depth": 2, "width": 24, "layers": 1, "heads": 3}
DECODER = {"decoder_width": 12, "decoder_layers": 2, "decoder_heads": 2}


def literal_decoder(decoder: Any, tokens: Tensor, visible: list[int], places: Tensor) -> Tensor:
    """The pixels of all patches: hidden ones enter as one learnt vector and their position."""
    told = {
        place: decoder.embed.weight @ token + decoder.embed.bias
        for place, token in zip(visible, tokens, strict=True)
    }
    x = torch.stack([told.get(place, decoder.unknown) + where for place, where in enumerate(places)])
    for block in decoder.blocks:
        x = block(x[None])[0]
    return decoder.norm(x) @ decoder.pixels.weight.T + decoder.pixels.bias


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("deep", [False, True])
def test_the_loss_is_the_mean_squared_error_of_hidden_patches(normalise, deep, assert_same_gradients):
    values = {
        "method": "mae",
        "vit": SHAPE,
        "mae": {**DECODER, "normalise_patches": normalise},
        "latent_dim": 7,
    }
    images = np.random.default_rng(0).integers(0, 256, (5, 2, 12, 8) if deep else (5, 12, 8), dtype=np.uint8)
    method: Any = new_method(images, TrainSettings.model_validate(values)).double()
    size = (2, 6, 4) if deep else (6, 4)
    view = torch.randn(5, 1, *size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    visible, hidden = split_patches(5, 6, hidden=4, generator=torch.Generator().manual_seed(2))
    grid, each, total = (1, 3, 2)[-len(size) :], 2 ** len(size), torch.zeros((), dtype=torch.float64)
    places = position_embeddings(grid, 12, like=view)
    for image, seen, unseen in zip(view, visible.tolist(), hidden.tolist(), strict=True):
        tokens = method.encoder(image[None], torch.tensor([seen]))[0]
        predicted = literal_decoder(method.decoder, tokens, seen, places)
        for place in unseen:
            row, column = divmod(place, 2)
            patch = image[0, ..., 2 * row : 2 * row + 2, 2 * column : 2 * column + 2].flatten()
            if normalise:
                patch = (patch - patch.mean()) / (((patch - patch.mean()) ** 2).mean() + 1e-6) ** 0.5
            total = total + ((predicted[place] - patch) ** 2).sum() / each
    assert_same_gradients(method, method.loss(view, visible, hidden), total / (5 * 4))


def test_every_weight_is_trained(method_of):
    method = method_of("mae", vit=SHAPE, mae=DECODER).float()
    method.step_logs(method.draw_at(0))["loss"].backward()
    assert {name.partition(".")[0] for name, _ in method.named_parameters()} == {"encoder", "decoder"}
    assert [
        name for name, part in method.named_parameters() if part.grad is None or not part.grad.any()
    ] == []


@pytest.mark.parametrize(("ratio", "hidden"), [(0.75, 12), (0.6, 10), (0.03, 0), (0.1, 2)])
def test_as_many_patches_are_hidden_as_the_ratio_says(ratio, hidden):
    settings = TrainSettings.model_validate({"method": "mae", "mae": {"mask_ratio": ratio}})
    assert settings.mae.hidden_patches(16) == hidden


def test_patches_are_drawn_for_each_image_by_the_generator_alone():
    def drawn(seed: int) -> tuple[Tensor, Tensor]:
        return split_patches(2000, 8, hidden=6, generator=torch.Generator().manual_seed(seed))

    visible, hidden = drawn(0)
    assert visible.shape == (2000, 2)
    assert hidden.shape == (2000, 6)
    assert torch.equal(
        torch.cat([visible, hidden], dim=1).sort(dim=1).values, torch.arange(8).expand(2000, 8)
    )
    assert torch.equal(drawn(0)[0], visible)
    assert not torch.equal(drawn(1)[0], visible)
    # Each patch is visible in a quarter of the images: 500, give or take 4 standard deviations.
    counts = torch.bincount(visible.flatten(), minlength=8)
    assert (counts - 500).abs().max() < 4 * (2000 * 0.25 * 0.75) ** 0.5


def test_a_step_draws_its_patches_by_the_seed_and_the_step(method_of):
    losses: list[float] = []
    for seed, step in ((1, 0), (1, 0), (1, 2), (2, 0)):
        method = method_of("mae", vit=SHAPE, mae=DECODER, seed=seed)
        method.load_state_dict(method_of("mae", vit=SHAPE, mae=DECODER).state_dict())
        seen: list[Tensor] = []
        method.loss = lambda view, visible, hidden, seen=seen: seen.append(visible) or view.sum()
        method.step_logs(method.draw_at(step))
        losses.append(float((seen[0] * torch.arange(1, 1 + seen[0].numel()).reshape(seen[0].shape)).sum()))
    assert losses[0] == losses[1]
    assert len(set(losses)) == 3


def test_its_own_values_hold_where_none_are_named():
    own = TrainSettings(method="mae").resolved()
    assert (own.encoder, own.optimiser, own.betas, own.weight_decay) == ("vit", "adamw", (0.9, 0.95), 0.05)
    assert (own.schedule, own.learning_rate) == ("cosine", 0.002)
    named = TrainSettings(method="mae", optimiser="sgd", learning_rate=0.03)
    assert (named.optimiser, named.learning_rate) == ("sgd", 0.03)
    assert TrainSettings.model_validate(named.model_dump()) == named
    assert TrainSettings(method="byol", encoder="vit").optimiser == "sgd"


@pytest.mark.parametrize("method", ["mae", "byol"])
def test_a_run_starts_from_the_encoder_and_the_decoder_of_another(method, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (8, 16, 16), dtype=np.uint8)
    values = {
        "encoder": "vit", "vit": SHAPE, "mae": DECODER, "batch_size": 4, "steps": 2, "device": "cpu",
        "hidden": 8, "projection": 4,
    }  # fmt: skip
    train(images, TrainSettings.model_validate(values | {"method": "mae"}), out=tmp_path / "first")
    heads = load_file(tmp_path / "first" / "heads.safetensors")
    assert {name.partition(".")[0] for name in heads} == {"decoder"}
    settings = TrainSettings.model_validate(
        values | {"method": method, "start_from": str(tmp_path / "first")}
    )
    started = new_method(images, settings).state_dict()
    kept = load_file(tmp_path / "first" / "model.safetensors") | (heads if method == "mae" else {})
    for name, tensor in kept.items():
        np.testing.assert_array_equal(started[name], tensor, err_msg=name)
