import math
from typing import Any

import numpy as np
import pytest
import torch
from mtneuro_ssl import TrainSettings, feature_maps, load_encoder, load_model, train, untrained
from mtneuro_ssl.settings import VitSettings
from mtneuro_ssl.vit import images_of, patches_of, position_embeddings, vit, vit_3d
from torch import Tensor

SHAPE = VitSettings(patch=4, patch_depth=2, width=24, layers=2, heads=3)


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def literal_position(place: tuple[int, ...], width: int) -> list[float]:
    each = width // (2 * len(place))
    return [
        wave(p / 10_000 ** (k / each)) for p in place for wave in (math.sin, math.cos) for k in range(each)
    ]


def literal_norm(x: Tensor, norm: Any) -> Tensor:
    centred = x - x.mean(1, keepdim=True)
    return centred / (centred.square().mean(1, keepdim=True) + norm.eps).sqrt() * norm.weight + norm.bias


def literal_block(x: Tensor, block: Any, heads: int) -> Tensor:
    """x + attention(norm x), then x + W2 gelu(W1 norm x), of the tokens of one image."""
    queries, keys, values = (
        literal_norm(x, block.norm1) @ block.attn.qkv.weight.T + block.attn.qkv.bias
    ).chunk(3, dim=1)
    size, parts = queries.shape[1] // heads, []
    for head in range(heads):
        own = slice(head * size, (head + 1) * size)
        weights = (queries[:, own] @ keys[:, own].T / size**0.5).exp()
        parts.append(weights / weights.sum(1, keepdim=True) @ values[:, own])
    x = x + torch.cat(parts, 1) @ block.attn.proj.weight.T + block.attn.proj.bias
    inner = literal_norm(x, block.norm2) @ block.mlp.fc1.weight.T + block.mlp.fc1.bias
    gelu = inner * (1 + torch.erf(inner / 2**0.5)) / 2
    return x + gelu @ block.mlp.fc2.weight.T + block.mlp.fc2.bias


@pytest.mark.parametrize(("make", "size"), [(vit, (8, 12)), (vit_3d, (4, 8, 12))])
def test_features_are_the_mean_of_the_tokens_by_the_formula(make, size):
    encoder: Any = make(SHAPE, latent_dim=5).double().eval()
    images = drawn(2, 1, *size)
    for part in encoder.parameters():
        part.data += 0.1 * drawn(*part.shape)
    patch = encoder.patch
    expected: list[Tensor] = []
    for image in images[:, 0]:
        tokens = [
            encoder.embed.weight
            @ image[tuple(slice(p * n, (p + 1) * n) for p, n in zip(place, patch, strict=True))].flatten()
            + encoder.embed.bias
            + torch.tensor(literal_position(place, 24), dtype=torch.float64)
            for place in np.ndindex(*(whole // n for whole, n in zip(size, patch, strict=True)))
        ]
        x = torch.stack(tokens)
        for block in encoder.blocks:
            x = literal_block(x, block, heads=3)
        x = literal_norm(x, encoder.norm) @ encoder.project.weight.T + encoder.project.bias
        expected.append(x.mean(0))
    torch.testing.assert_close(encoder(images), torch.stack(expected), rtol=1e-10, atol=1e-12)


def test_position_embeddings_are_sines_and_cosines_of_each_coordinate():
    for grid in ((3, 2), (2, 3, 2)):
        found = position_embeddings(grid, 24, like=torch.zeros(1, dtype=torch.float64))
        expected = [literal_position(place, 24) for place in np.ndindex(*grid)]
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)
        assert len({tuple(row) for row in found.tolist()}) == math.prod(grid)


@pytest.mark.parametrize(("size", "patch"), [((8, 12), (4, 2)), ((4, 6, 8), (2, 3, 4))])
def test_patches_are_boxes_of_the_image_and_make_it_up_again(size, patch):
    images = drawn(3, 1, *size)
    patches = patches_of(images, patch)
    grid = tuple(whole // part for whole, part in zip(size, patch, strict=True))
    for row, place in enumerate(np.ndindex(*grid)):
        box = tuple(slice(p * n, (p + 1) * n) for p, n in zip(place, patch, strict=True))
        torch.testing.assert_close(patches[1, row], images[1, 0][box].flatten(), rtol=0, atol=0)
    assert torch.equal(images_of(patches, patch, grid=grid), images)


@pytest.mark.parametrize(("make", "size"), [(vit, (8, 12)), (vit_3d, (4, 8, 12))])
def test_a_hidden_patch_does_not_reach_the_encoder(make, size):
    encoder: Any = make(SHAPE, latent_dim=None).double()
    images = drawn(2, 1, *size)
    visible = torch.tensor([[0, 3], [5, 1]])
    tokens = encoder(images, visible)
    assert tokens.shape == (2, 2, 24)
    patches = patches_of(images, encoder.patch)
    others = torch.full_like(patches, float("nan"))
    for row, places in enumerate(visible):
        others[row, places] = patches[row, places]
    grid = tuple(whole // part for whole, part in zip(size, encoder.patch, strict=True))
    assert torch.equal(encoder(images_of(others, encoder.patch, grid=grid), visible), tokens)


def test_all_patches_by_name_have_the_tokens_of_the_whole_image():
    encoder: Any = vit(SHAPE, latent_dim=5).double().eval()
    images = drawn(2, 1, 8, 12)
    tokens = encoder(images, torch.stack([torch.arange(6), torch.arange(5, -1, -1)]))
    torch.testing.assert_close(tokens.mean(1), encoder(images), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("make", "size", "grid"), [(vit, (8, 12), (2, 3)), (vit_3d, (4, 8, 12), (2, 2, 3))])
def test_feature_maps_are_the_tokens_by_place(make, size, grid):
    encoder: Any = make(SHAPE, latent_dim=5).double()
    images = drawn(2, 1, *size)
    maps = feature_maps(encoder, images)
    assert maps.shape == (2, 24, *grid)
    tokens = encoder(images, torch.arange(math.prod(grid)).expand(2, -1))
    torch.testing.assert_close(
        encoder.project(maps.flatten(2).transpose(1, 2)), tokens, rtol=1e-10, atol=1e-12
    )
    with pytest.raises(ValueError, match=r"images must be multiples of the patches of .*4 x 4, got .*8 x 11"):
        feature_maps(encoder, images[..., :-1])


def test_an_image_that_ends_within_a_patch_is_continued_by_its_last_pixels():
    images = np.random.default_rng(0).integers(0, 256, (3, 10, 13), dtype=np.uint8)
    model = untrained(TrainSettings(encoder="vit", vit=SHAPE, device="cpu"))
    padded = np.pad(images, ((0, 0), (0, 2), (0, 3)), mode="edge")
    np.testing.assert_allclose(model.embed(images), model.embed(padded), rtol=1e-6)
    deep = np.random.default_rng(0).integers(0, 256, (3, 3, 8, 13), dtype=np.uint8)
    model = untrained(TrainSettings(encoder="vit", vit=SHAPE, device="cpu", depth=3))
    padded = np.pad(deep, ((0, 0), (0, 1), (0, 0), (0, 3)), mode="edge")
    np.testing.assert_allclose(model.embed(deep), model.embed(padded), rtol=1e-6)


@pytest.mark.parametrize(("latent_dim", "width"), [(None, 24), (7, 7)])
def test_other_methods_train_it_and_its_folder_gives_it_back(latent_dim, width, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (8, 16, 16), dtype=np.uint8)
    settings = TrainSettings(
        method="byol", encoder="vit", vit=SHAPE, latent_dim=latent_dim, batch_size=4, steps=2, hidden=8,
        projection=4, device="cpu",
    )  # fmt: skip
    model = train(images, settings, out=tmp_path / "model")
    found = model.embed(images)
    assert found.shape == (8, width)
    np.testing.assert_array_equal(load_model(tmp_path / "model").embed(images), found)
    assert load_model(tmp_path / "model").settings.vit == SHAPE
    assert load_encoder(tmp_path / "model")(torch.zeros(1, 1, 24, 40)).shape == (1, width)
