"""Models of the original benchmark's weights: its U-Nets, and networks of segmentation-models-pytorch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from mtneuro_seg._shared.model_folder import weights_errors_named
from mtneuro_seg._shared.torch_file import listed, tensors_of, torch_table
from mtneuro_seg.model import Model, build_network
from mtneuro_seg.settings import TrainSettings, default_class_names

_ROUNDS = {"conv1": "0", "norm1": "2", "conv2": "3", "norm2": "5"}
"""Positions of the layers of two rounds of convolution in ours, by their names in the original."""

_WIDENING = {"transposed": {"up": "0", "norm0": "2"}, "interpolated": {"conv0": "1", "norm0": "3"}}
"""The same for the step that doubles the image. Beside a transposed one stands a conv0 that is not used."""

_STEM, _HEAD = "down_blocks.0.conv1.weight", "conv_final.weight"
_LIBRARY_HEAD = "segmentation_head.0.weight"


def original_model(path: Path | str, **changes: Any) -> Model:
    """Return the model of a file of the original benchmark's weights; nothing in the file is executed.

    Of a U-Net (``UNet_2D_3class.pt``) the weights tell axes, levels, filters, classes, batch normalisation
    and transposed upsampling; its activation is ReLU unless the changes say otherwise. A network of
    segmentation-models-pytorch is named by the changes.

    The original's inputs are intensities in [0, 1] as they are, so ``mean`` is 0 and ``sd`` 1. Its subvolumes
    have the axes ``(z, x, y)``: the kernels of 3D networks are turned, so that they take ``(z, y, x)``.

    Parameters
    ----------
    path
        A file of ``torch.save``.
    **changes
        Settings that the weights do not tell, such as ``activation``, or ``model`` and ``encoder_name``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it holds no such weights, they do not fit, or a change is missing or contradicts them.

    Examples
    --------
    >>> predict(original_model("UNet_2D_3class.pt"), images).shape  # doctest: +SKIP
    (200, 256, 256)
    """
    path = Path(path)
    table = torch_table(path)
    weights = tensors_of(table)
    if _STEM in weights and _HEAD in weights:
        known = _told_by_unet(path, weights, changes)
        renamed = _renamed(weights, transposed=known["upsampling"] == "transposed")
    elif _LIBRARY_HEAD in weights:
        known, renamed = {"classes": len(weights[_LIBRARY_HEAD])}, weights
        if "model" not in changes:
            raise ValueError(
                f"model must be given for {path}, which holds a network of segmentation-models-pytorch: "
                "--set model=manet, and --set encoder_name=… if it is not efficientnet-b7"
            )
    else:
        encoder = "model" in table or any(name.startswith(("f.", "encoder.f.")) for name in table)
        mend = f"; it is an encoder: `mtneuro-ssl import {path} -o FOLDER`" if encoder else ""
        raise ValueError(
            f"{path} must hold a U-Net of the original benchmark, with names such as {_STEM}, or a network "
            f"of segmentation-models-pytorch, got {listed(table)}{mend}"
        )
    for key, value in known.items():
        if changes.get(key, value) != value:
            raise ValueError(f"{key} must be {value!r}, as in {path}, got {changes[key]!r}")
    settings = TrainSettings.model_validate(
        {"mean": 0.0, "sd": 1.0, "normalisation": "given", "image_type": "uint8", **known, **changes}
    )
    if "model" not in known and not settings.network.encoder:
        raise ValueError(
            f"model must be a network of segmentation-models-pytorch, as in {path}, got {settings.model!r}"
        )
    # The file holds all weights, those of an encoder included: nothing is downloaded.
    network = build_network(settings.model_copy(update={"encoder_weights": None}))
    with weights_errors_named(path, of=f"the original's {settings.network.title}"):
        network.load_state_dict(renamed)
    return Model(
        network=network.eval(),
        settings=settings,
        class_names=default_class_names(settings.classes),
        provenance={"source": path.name},
    )


def _told_by_unet(path: Path, weights: Mapping[str, Tensor], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that a U-Net's weights tell."""
    stem = weights[_STEM]
    if stem.shape[1] != 1:
        raise ValueError(f"{path} must hold a network of images of one channel, got {stem.shape[1]} channels")
    return {
        "model": {4: "unet", 5: "unet3d"}.get(stem.ndim, "unet"),
        "classes": len(weights[_HEAD]),
        "filters": len(stem),
        "levels": len({name.split(".")[1] for name in weights if name.startswith("down_blocks.")}),
        "norm": _norm(path, weights, changes),
        "upsampling": _upsampling(path, weights, changes),
    }


def _norm(path: Path, weights: Mapping[str, Tensor], changes: Mapping[str, Any]) -> str:
    """Return the normalisation: batch where there are running means, else what is given and may be."""
    if "down_blocks.0.norm1.running_mean" in weights:
        return "batch"
    grouped = "down_blocks.0.norm1.weight" in weights
    given = str(changes.get("norm"))
    if given.startswith("group") if grouped else given in ("instance", "none"):
        return given
    wanted = "group8, or another number of groups" if grouped else "instance or none"
    raise ValueError(f"norm must be given for {path}, whose weights do not tell: --set norm={wanted}")


def _upsampling(path: Path, weights: Mapping[str, Tensor], changes: Mapping[str, Any]) -> str:
    """Return how the image is doubled: by transposed convolution if there is one, else as given."""
    if "up_blocks.0.up.weight" in weights:
        return "transposed"
    given = str(changes.get("upsampling"))
    if given in ("nearest", "linear"):
        return given
    raise ValueError(
        f"upsampling must be given for {path}, whose weights do not tell: --set upsampling=nearest or linear"
    )


def _renamed(weights: Mapping[str, Tensor], *, transposed: bool) -> dict[str, Tensor]:
    """Return a U-Net's weights under our names, and with our axes in 3D."""
    widening = _WIDENING["transposed" if transposed else "interpolated"]
    found: dict[str, Tensor] = {}
    for name, value in weights.items():
        turned = value.transpose(-1, -2) if value.ndim == 5 else value
        part, _, rest = name.partition(".")
        if part == "conv_final":
            found[f"head.{rest}"] = turned
            continue
        level, layer, kind = rest.split(".")
        if part == "down_blocks":
            found[f"down.{level}.{_ROUNDS[layer]}.{kind}"] = turned
        elif layer in _ROUNDS:
            found[f"up.{level}.{_ROUNDS[layer]}.{kind}"] = turned
        elif layer in widening:
            found[f"widen.{level}.{widening[layer]}.{kind}"] = turned
    return found
