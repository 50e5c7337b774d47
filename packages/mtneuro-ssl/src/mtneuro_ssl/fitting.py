"""Fit a model to images of another pixel size and brightness than those that it was trained on."""

from collections.abc import Sequence

from torch import nn

from mtneuro_ssl._shared.fitting import FittedInput
from mtneuro_ssl.model import Model, NetworkModel


def fitted(model: Model, *, voxel_size_um: Sequence[float] | None) -> Model:
    """Return a model that takes images as they are.

    Each image is resampled to the pixel size that the model was trained on, and its grey levels are scaled in
    proportion, so that its median is that of the training.

    Parameters
    ----------
    model
        A model. One without `Model.input` is returned as it is.
    voxel_size_um
        Size of a voxel ``(z, y, x)``, or of a pixel ``(y, x)``, in micrometres.

    Raises
    ------
    ValueError
        If the voxel size is not known, or beyond what the model takes.

    Examples
    --------
    >>> model = from_pretrained("phantom-byol")  # doctest: +SKIP
    >>> fitted(model, voxel_size_um=(1.17, 1.17, 1.17)).embed(images).shape  # doctest: +SKIP
    (200, 256)
    """
    takes = model.input
    if takes is None or not isinstance(model, NetworkModel):
        return model
    entrance = FittedInput(
        scale=takes.scale(voxel_size_um),
        multiple=1,
        level=takes.median / 255,
        median=None,
        mean=model.settings.mean,
        sd=model.settings.sd,
    )
    return NetworkModel(
        model.settings,
        nn.Sequential(entrance, model.encoder),
        classifier=model.classifier,
        classes=model.classes,
    )
