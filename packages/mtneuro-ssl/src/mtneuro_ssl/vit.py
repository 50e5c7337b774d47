"""A small vision transformer of images and of subvolumes, which may be given some of their patches alone.

Dosovitskiy et al., "An image is worth 16x16 words", ICLR 2021; its blocks are timm's. Position embeddings are
sines and cosines (Vaswani et al., "Attention is all you need", NIPS 2017), computed for the size at hand.
"""

import math

import torch
from jaxtyping import Float, Int64
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.nn.functional import pad

from mtneuro_ssl.settings import VitSettings


def vit(shape: VitSettings, /, *, latent_dim: int | None) -> nn.Module:
    """Return a vision transformer of images.

    Examples
    --------
    >>> vit(VitSettings(layers=1), latent_dim=None)(torch.zeros(1, 1, 16, 24)).shape
    torch.Size([1, 192])
    """
    return VisionTransformer(shape, axes=2, latent_dim=latent_dim)


def vit_3d(shape: VitSettings, /, *, latent_dim: int | None) -> nn.Module:
    """Return the same transformer of subvolumes.

    Examples
    --------
    >>> vit_3d(VitSettings(layers=1), latent_dim=8)(torch.zeros(1, 1, 4, 16, 24)).shape
    torch.Size([1, 8])
    """
    return VisionTransformer(shape, axes=3, latent_dim=latent_dim)


class VisionTransformer(nn.Module):
    """A transformer of patches, whose features are the mean of its tokens.

    There is no token of a class. The linear layer to ``latent_dim`` features is passed by each token, so that
    a decoder of tokens trains it too.

    Parameters
    ----------
    shape
        Patches, width, layers and heads.
    axes
        2 for images, 3 for subvolumes.
    latent_dim
        Features of an embedding; None for the width of a token.
    """

    def __init__(self, shape: VitSettings, *, axes: int, latent_dim: int | None) -> None:
        super().__init__()
        self.patch = shape.patch_size(axes)
        self.embed = nn.Linear(math.prod(self.patch), shape.width)
        self.blocks = transformer_blocks(shape.width, layers=shape.layers, heads=shape.heads)
        self.norm = nn.LayerNorm(shape.width)
        self.project = nn.Identity() if latent_dim is None else nn.Linear(shape.width, latent_dim)
        self.apply(draw_weights)

    def forward(
        self, images: Float[Tensor, "n 1 *size"], visible: Int64[Tensor, "n shown"] | None = None
    ) -> Tensor:
        """Return the features of images, ``(n, features)``; or the tokens of some of their patches.

        Parameters
        ----------
        images
            Of any size: they are continued to whole patches by their last rows, columns and slices.
        visible
            Positions of the patches of each image that are seen, and no others: then the result is their
            tokens, ``(n, shown, features)``.
        """
        short = [-size % part for size, part in zip(images.shape[2:], self.patch, strict=True)]
        if any(short):
            images = pad(images, [end for more in reversed(short) for end in (0, more)], mode="replicate")
        tokens = self._tokens(patches_of(images, self.patch), tuple(images.shape[2:]), visible)
        return self.project(tokens.mean(dim=1) if visible is None else tokens)

    def _tokens(
        self,
        patches: Float[Tensor, "n patches pixels"],
        size: tuple[int, ...],
        visible: Int64[Tensor, "n shown"] | None = None,
    ) -> Float[Tensor, "n shown width"]:
        grid, width = patch_grid(size, self.patch), self.embed.out_features
        places = position_embeddings(grid, width, like=self.embed.weight)
        if visible is not None:
            patches, places = picked(patches, visible), places[visible]
        return self.norm(self.blocks(self.embed(patches) + places))

    def feature_maps(self, images: Float[Tensor, "n 1 *size"]) -> Float[Tensor, "n width *grid"]:
        """Return the tokens by place, before the layer to ``latent_dim`` features.

        Raises
        ------
        ValueError
            If the images do not consist of whole patches.
        """
        size = tuple(images.shape[2:])
        if any(pixels % part for pixels, part in zip(size, self.patch, strict=True)):
            part, whole = (" x ".join(map(str, each)) for each in (self.patch, size))
            raise ValueError(f"images must be multiples of the patches of {part}, got {whole}")
        tokens = self._tokens(patches_of(images, self.patch), size)
        return tokens.transpose(1, 2).unflatten(2, patch_grid(size, self.patch))


def transformer_blocks(width: int, *, layers: int, heads: int) -> nn.Sequential:
    """Return blocks of attention and a perceptron of 4 times the width, normed before each."""
    return nn.Sequential(*(Block(width, heads, mlp_ratio=4, qkv_bias=True) for _ in range(layers)))


def draw_weights(part: nn.Module) -> None:
    """Draw a linear layer's weights uniformly, by Glorot's rule, and set its biases to 0."""
    if isinstance(part, nn.Linear):
        nn.init.xavier_uniform_(part.weight)
        nn.init.zeros_(part.bias)


def patch_grid(size: tuple[int, ...], patch: tuple[int, ...]) -> tuple[int, ...]:
    """Return the number of whole patches along each axis.

    Examples
    --------
    >>> patch_grid((8, 16, 24), (4, 8, 8))
    (2, 2, 3)
    """
    return tuple(pixels // part for pixels, part in zip(size, patch, strict=True))


def patches_of(
    images: Float[Tensor, "n 1 *size"], patch: tuple[int, ...]
) -> Float[Tensor, "n patches pixels"]:
    """Return the patches of images, or subvolumes, of whole patches: row by row, slice by slice.

    Examples
    --------
    >>> patches_of(torch.arange(8.0).reshape(1, 1, 2, 4), (2, 2)).tolist()
    [[[0.0, 1.0, 4.0, 5.0], [2.0, 3.0, 6.0, 7.0]]]
    """
    grid, axes = patch_grid(images.shape[2:], patch), len(patch)
    split = images.reshape(images.shape[0], *(n for pair in zip(grid, patch, strict=True) for n in pair))
    order = (0, *range(1, 2 * axes, 2), *range(2, 2 * axes + 1, 2))
    return split.permute(order).reshape(images.shape[0], math.prod(grid), math.prod(patch))


def images_of(
    patches: Float[Tensor, "n patches pixels"], patch: tuple[int, ...], *, grid: tuple[int, ...]
) -> Float[Tensor, "n 1 *size"]:
    """Return the images of these patches, as `patches_of` takes them apart.

    Examples
    --------
    >>> patches = torch.tensor([[[0.0, 1.0, 4.0, 5.0], [2.0, 3.0, 6.0, 7.0]]])
    >>> images_of(patches, (2, 2), grid=(1, 2)).tolist()
    [[[[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0]]]]
    """
    axes, size = len(patch), [n * part for n, part in zip(grid, patch, strict=True)]
    order = (0, *(place for axis in range(1, axes + 1) for place in (axis, axis + axes)))
    return patches.reshape(len(patches), *grid, *patch).permute(order).reshape(len(patches), 1, *size)


def picked(
    tokens: Float[Tensor, "n tokens features"], positions: Int64[Tensor, "n some"]
) -> Float[Tensor, "n some features"]:
    """Return each image's tokens at its own positions."""
    return tokens.gather(1, positions[..., None].expand(-1, -1, tokens.shape[-1]))


def position_embeddings(grid: tuple[int, ...], width: int, *, like: Tensor) -> Float[Tensor, "patches width"]:
    """Return what tells the patches of a grid apart: sines and cosines of each of their coordinates.

    Of ``a`` axes each has a part of the width, the first axis the first. In it, feature k of the first half
    is the sine of p / 10000^(k / n), and of the second half the cosine, with p the coordinate and n = width /
    2a.

    Parameters
    ----------
    grid
        Patches along each axis.
    width
        Features of a token, a multiple of twice the axes.
    like
        A tensor whose type and device the result has.

    Examples
    --------
    >>> position_embeddings((1, 2), 4, like=torch.zeros(1))
    tensor([[0.0000, 1.0000, 0.0000, 1.0000],
            [0.0000, 1.0000, 0.8415, 0.5403]])
    """
    each = width // (2 * len(grid))
    rates = 10_000 ** -(torch.arange(each, dtype=like.dtype, device=like.device) / each)
    lines = [torch.arange(n, dtype=like.dtype, device=like.device) for n in grid]
    angles = [axis.flatten()[:, None] * rates for axis in torch.meshgrid(*lines, indexing="ij")]
    return torch.cat([part for angle in angles for part in (angle.sin(), angle.cos())], dim=1)
