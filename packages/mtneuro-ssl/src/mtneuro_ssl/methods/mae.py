"""MAE: predict the patches that are hidden from the encoder.

He et al., "Masked autoencoders are scalable vision learners", CVPR 2022.
"""

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import layer_norm, mse_loss
from typing_extensions import override

from mtneuro_ssl.methods.base import Draw, Method
from mtneuro_ssl.settings import MaeSettings
from mtneuro_ssl.vit import (
    draw_weights,
    patch_grid,
    patches_of,
    picked,
    position_embeddings,
    transformer_blocks,
)

_EPSILON = 1e-6
"""What is added to a patch's variance, so that an even patch has none of 0."""


class Decoder(nn.Module):
    """A small transformer that predicts the pixels of hidden patches from the tokens of the others.

    Parameters
    ----------
    features
        Features of the encoder's tokens.
    shape
        Width, layers and heads.
    patch
        Size of a patch.
    """

    def __init__(self, features: int, shape: MaeSettings, *, patch: tuple[int, ...]) -> None:
        super().__init__()
        width = shape.decoder_width
        self.embed = nn.Linear(features, width)
        self.unknown = nn.Parameter(torch.empty(width))
        self.blocks = transformer_blocks(width, layers=shape.decoder_layers, heads=shape.decoder_heads)
        self.norm = nn.LayerNorm(width)
        self.pixels = nn.Linear(width, math.prod(patch))
        self.apply(draw_weights)
        nn.init.normal_(self.unknown, std=0.02)

    def forward(
        self,
        tokens: Float[Tensor, "n shown features"],
        visible: Int64[Tensor, "n shown"],
        hidden: Int64[Tensor, "n hidden"],
        *,
        grid: tuple[int, ...],
    ) -> Float[Tensor, "n hidden pixels"]:
        """Return the pixels of the hidden patches of a grid, in the order of their positions."""
        places = position_embeddings(grid, len(self.unknown), like=self.unknown)
        asked, told = self.unknown + places[hidden], self.embed(tokens) + places[visible]
        found = self.blocks(torch.cat([asked, told], dim=1))
        return self.pixels(self.norm(found[:, : hidden.shape[1]]))


class MAE(Method):
    """A masked autoencoder, whose encoder is given the visible patches of a view alone.

    The loss is the mean squared error of the hidden patches; by default each is compared less its own mean
    and over its own standard deviation. The decoder takes tokens of the encoder's ``latent_dim`` features,
    whose mean an embedding is, so that all of the encoder is trained.
    """

    @override
    def build(self, width: int, classes: int) -> None:
        """Add the decoder."""
        self.patch = self.settings.vit.patch_size(2 if self.settings.depth is None else 3)
        self.decoder = Decoder(width, self.settings.mae, patch=self.patch)

    @override
    def heads(self) -> nn.ModuleDict:
        """Return the decoder."""
        return nn.ModuleDict({"decoder": self.decoder})

    @override
    def step_logs(self, draw: Draw) -> dict[str, Tensor]:
        """Return the loss of a view of each image, with patches of its own hidden."""
        view = draw.view()
        patches = math.prod(patch_grid(view.shape[2:], self.patch))
        visible, hidden = split_patches(
            len(draw.positions),
            patches,
            hidden=self.settings.mae.hidden_patches(patches),
            generator=draw.generator,
        )
        own = [draw.own(rows).to(view.device, non_blocking=True) for rows in (visible, hidden)]
        return {"loss": self.loss(view, own[0], own[1])}

    def loss(
        self,
        view: Float[Tensor, "n 1 *size"],
        visible: Int64[Tensor, "n shown"],
        hidden: Int64[Tensor, "n hidden"],
    ) -> Tensor:
        """Return the mean squared error of what is predicted of the hidden patches."""
        grid = patch_grid(view.shape[2:], self.patch)
        predicted = self.decoder(self.encoder(view, visible), visible, hidden, grid=grid)
        wanted = picked(patches_of(view, self.patch), hidden)
        if self.settings.mae.normalise_patches:
            wanted = layer_norm(wanted, wanted.shape[-1:], eps=_EPSILON)
        return mse_loss(predicted, wanted)


def split_patches(
    count: int, patches: int, *, hidden: int, generator: torch.Generator
) -> tuple[Int64[Tensor, "n shown"], Int64[Tensor, "n hidden"]]:
    """Return the positions of the visible and of the hidden patches, drawn for each image of a batch.

    Examples
    --------
    >>> visible, unseen = split_patches(1, 4, hidden=3, generator=torch.Generator().manual_seed(0))
    >>> visible.shape, sorted([*visible[0].tolist(), *unseen[0].tolist()])
    (torch.Size([1, 1]), [0, 1, 2, 3])
    """
    order = torch.rand((count, patches), generator=generator).argsort(dim=1)
    return order[:, hidden:], order[:, :hidden]
