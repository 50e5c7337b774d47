"""Fit a model to images of another pixel size and brightness than those that it was trained on."""

from collections.abc import Sequence
from dataclasses import replace

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from mtneuro_seg._shared.fitting import FittedInput, volume_median
from mtneuro_seg._shared.pixels import as_pixels
from mtneuro_seg._shared.volume_file import LazyArray
from mtneuro_seg.model import Model


def fitted(
    model: Model,
    volume: LazyArray,
    *,
    voxel_size_um: Sequence[float] | None,
    each_image: bool = False,
) -> Model:
    """Return a model that takes a volume as it is, for prediction.

    Its network resamples each image to the pixel size that it was trained on, and its class scores back to
    the image's, bilinearly; and it scales grey levels in proportion, so that the median is that of its
    training.

    Parameters
    ----------
    model
        A model. One without `Model.input` is returned as it is.
    volume
        Volume ``(z, y, x)``, or images ``(n, y, x)``, of the type that the model takes.
    voxel_size_um
        Size of a voxel ``(z, y, x)``, or of a pixel ``(y, x)``, in micrometres.
    each_image
        Take the median of each image by itself, as unrelated images need it. By default it is that of nine
        slices at even distances; voxels of 0 are left out, which are outside of the tissue.

    Raises
    ------
    ValueError
        If the voxel size is not known or beyond what the model takes, or the volume is black.

    Examples
    --------
    >>> model = from_pretrained("phantom-unet")  # doctest: +SKIP
    >>> labels = swept_labels(fitted(model, volume, voxel_size_um=(1, 0.65, 0.65)), volume)  # doctest: +SKIP
    """
    takes = model.input
    if takes is None:
        return model
    settings = model.settings
    entrance = FittedInput(
        scale=takes.scale(voxel_size_um),
        multiple=settings.size_rule.multiple[-1],
        level=takes.median / 255,
        median=None if each_image else volume_median(as_pixels(volume, settings)) / 255,
        mean=settings.mean,
        sd=settings.sd,
    )
    return replace(model, network=FittedNetwork(entrance, model.network).eval(), input=None)


class FittedNetwork(nn.Module):
    """A 2D network behind what fits images to it; its class scores are brought back to their size.

    Parameters
    ----------
    entrance
        What images pass first.
    network
        Takes what comes from there.
    """

    def __init__(self, entrance: FittedInput, network: nn.Module) -> None:
        super().__init__()
        self.entrance, self.network = entrance, network

    def forward(self, images: Float[Tensor, "batch 1 y x"]) -> Float[Tensor, "batch classes y x"]:
        """Return class scores in the size of the images."""
        given = self.entrance(images)
        scores = self.network(given)
        return (
            scores if given.shape == images.shape else interpolate(scores, images.shape[-2:], mode="bilinear")
        )
