"""Write models as packages of bioimage.io, which deepImageJ, ilastik, BiaPy and napari open."""

import contextlib
import logging
import os
import re
import tempfile
import warnings
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mtneuro_seg._shared.extras import check_extra
from mtneuro_seg._shared.files import written_beside
from mtneuro_seg._shared.onnx_file import Sizes
from mtneuro_seg._shared.pixels import as_pixels, check_image_type
from mtneuro_seg._shared.words import one_line
from mtneuro_seg.exporting import Exported, export_onnx
from mtneuro_seg.model import Model, normalised
from mtneuro_seg.model_card import model_card
from mtneuro_seg.settings import TrainSettings

_LARGEST = 64
"""Height, width and depth up to which a sample is kept in a package."""


def export_bioimageio(
    model: Model,
    path: str | os.PathLike[str],
    *,
    sample: np.ndarray,
    authors: Sequence[str],
    licence: str,
    name: str | None = None,
    description: str | None = None,
    size: Sequence[int] | None = None,
) -> Exported:
    """Write a model as a package of bioimage.io, once bioimageio.core's own test of it has passed.

    It holds the network as ONNX, the normalisation that precedes it, a sample and its class probabilities,
    and the model's card.

    Parameters
    ----------
    model
        A trained model.
    path
        File to write, ``.zip``.
    sample
        An image ``(y, x)``, or for 3D a subvolume ``(z, y, x)``, of the type that the model takes, of which a
        middle part is kept as the package's sample.
    authors
        Names of who made the model.
    licence
        Id of a licence in the list of SPDX, such as ``MIT`` or ``CC-BY-4.0``.
    name, description
        Of the model, for those who look for one; by default the network and its classes.
    size
        As for `export_onnx`.

    Raises
    ------
    ValueError
        If the packages of the extra ``bioimageio`` are missing, a text or the sample does not fit, the
        network cannot be exported, or the test fails.

    Examples
    --------
    >>> model, sample = load_model("models/unet"), images[0]  # doctest: +SKIP
    >>> export_bioimageio(model, "unet.zip", sample=sample, authors=["A"], licence="MIT")  # doctest: +SKIP
    """
    check_extra("bioimageio", extra="bioimageio", what="a package of bioimage.io")
    if not authors or not all(each.strip() for each in authors):
        raise ValueError(f"authors must name who made the model, got {list(authors)}")
    from bioimageio.spec import save_bioimageio_package

    path = Path(path)
    with tempfile.TemporaryDirectory() as scratch, _quiet():
        folder = Path(scratch)
        done = export_onnx(model, folder / "weights.onnx", size=size)
        given = _middle(np.asarray(sample), model.settings, done.sizes)
        np.save(folder / "test_input.npy", given.astype(np.float32))
        np.save(folder / "test_output.npy", _probabilities(model, given))
        (folder / "README.md").write_text(_documentation(model), encoding="utf-8")
        try:
            described = _described(
                model,
                folder,
                done.sizes,
                authors=authors,
                licence=licence,
                name=name or f"{model.settings.network.title} for microstructure",
                description=description
                or f"Labels {', '.join(model.class_names[1:])} in grey-scale images of tissue.",
            )
        except ValueError as error:
            raise ValueError(f"the package cannot be described: {one_line(error)}") from error
        with written_beside(path) as beside:
            save_bioimageio_package(described, output_path=beside)
            _check(beside)
    return done


def _described(
    model: Model,
    folder: Path,
    sizes: Sizes,
    *,
    authors: Sequence[str],
    licence: str,
    name: str,
    description: str,
) -> Any:
    """Return the description of a model, in the words of bioimage.io."""
    import onnx
    from bioimageio.spec.model import v0_5 as spec

    settings = model.settings
    axes = ("z", "y", "x")[-settings.network.axes :]
    taken: list[Any] = [
        n if sizes.multiple is None else spec.ParameterizedSize(min=n, step=m)
        for n, m in zip(sizes.smallest, sizes.multiple or sizes.smallest, strict=True)
    ]
    mean, sd = _scaling(settings)
    image, scores = spec.TensorId("image"), spec.TensorId("probabilities")
    given = spec.InputTensorDescr(
        id=image,
        description=f"grey-scale image, {settings.image_type or 'uint8'}",
        axes=[
            spec.BatchAxis(),
            spec.ChannelAxis(channel_names=[spec.Identifier("intensity")]),
            *(
                spec.SpaceInputAxis(id=spec.AxisId(axis), size=each)
                for axis, each in zip(axes, taken, strict=True)
            ),
        ],
        test_tensor=spec.FileDescr(source=folder / "test_input.npy"),
        # What the library hands to the network is of this type, whatever images are given.
        data=spec.IntervalOrRatioDataDescr(type="float32"),
        preprocessing=[
            spec.EnsureDtypeDescr(kwargs=spec.EnsureDtypeKwargs(dtype="float32")),
            spec.FixedZeroMeanUnitVarianceDescr(
                kwargs=spec.FixedZeroMeanUnitVarianceKwargs(mean=mean, std=sd)
            ),
        ],
    )
    names = [
        spec.Identifier(_identifier(each) or f"class_{label}") for label, each in enumerate(model.class_names)
    ]
    made = spec.OutputTensorDescr(
        id=scores,
        description="probability of each class",
        axes=[
            spec.BatchAxis(),
            spec.ChannelAxis(channel_names=names),
            *(
                spec.SpaceOutputAxis(
                    id=spec.AxisId(axis),
                    size=spec.SizeReference(tensor_id=image, axis_id=spec.AxisId(axis)),
                )
                for axis in axes
            ),
        ],
        test_tensor=spec.FileDescr(source=folder / "test_output.npy"),
        data=spec.IntervalOrRatioDataDescr(type="float32"),
        postprocessing=[spec.SoftmaxDescr(kwargs=spec.SoftmaxKwargs(axis=spec.AxisId("channel")))],
    )
    opset = onnx.load(folder / "weights.onnx", load_external_data=False).opset_import[0].version
    return spec.ModelDescr(
        name=name,
        description=description,
        authors=[spec.Author(name=each) for each in authors],
        cite=[spec.CiteEntry(text="MTNeuro benchmark", doi=spec.Doi("10.48550/arXiv.2301.00345"))],
        license=spec.LicenseId(licence),
        documentation=spec.FileDescr(source=folder / "README.md"),
        tags=["segmentation", "semantic-segmentation", f"{settings.network.axes}d", "neuroscience"],
        inputs=[given],
        outputs=[made],
        weights=spec.WeightsDescr(
            onnx=spec.OnnxWeightsDescr(source=folder / "weights.onnx", opset_version=opset)
        ),
    )


def _identifier(name: str) -> str:
    """Return a class's name as an identifier.

    Examples
    --------
    >>> _identifier("blood vessels"), _identifier("3rd")
    ('blood_vessels', '_3rd')
    """
    return re.sub(r"^(?=\d)", "_", re.sub(r"\W+", "_", name.lower()).strip("_"))


def _scaling(settings: TrainSettings) -> tuple[float, float]:
    """Return what is subtracted from intensities as they are given, and what divides the difference."""
    kind = np.dtype(_type(settings))
    whole = np.iinfo(kind).max if kind.kind in "iu" else 1
    return settings.mean * whole, settings.sd * whole


def _type(settings: TrainSettings) -> str:
    """Return the type of images that a package takes: grey levels, where a model has a window for them."""
    return "uint8" if settings.intensity is not None else settings.image_type or "uint8"


def _middle(sample: np.ndarray, settings: TrainSettings, sizes: Sizes) -> np.ndarray:
    """Return the middle of a sample with axes for batch and channel, of a size that the package takes."""
    axes = settings.network.axes
    if sample.ndim != axes:
        wanted = "(y, x)" if axes == 2 else "(z, y, x)"
        raise ValueError(f"sample must have axes {wanted} for {settings.model!r}, got shape {sample.shape}")
    check_image_type(sample, settings, name="sample")
    if settings.intensity is not None:
        sample = as_pixels(sample, settings)
    steps = sizes.multiple or (0,) * axes
    size = tuple(
        n if m == 0 else n + max(0, (min(have, _LARGEST) - n) // m * m)
        for n, m, have in zip(sizes.smallest, steps, sample.shape, strict=True)
    )
    if any(have < n for have, n in zip(sample.shape, size, strict=True)):
        least = " x ".join(map(str, size))
        raise ValueError(f"sample must be at least {least} for {settings.model!r}, got shape {sample.shape}")
    starts = [(have - n) // 2 for have, n in zip(sample.shape, size, strict=True)]
    part = sample[tuple(slice(start, start + n) for start, n in zip(starts, size, strict=True))]
    return np.ascontiguousarray(part[None, None], dtype=_type(settings))


def _probabilities(model: Model, images: np.ndarray) -> np.ndarray:
    pixels = torch.from_numpy(np.asarray(as_pixels(images, model.settings)))
    with torch.inference_mode():
        return model.network(normalised(pixels, model.settings)).softmax(dim=1).numpy()


def _documentation(model: Model) -> str:
    card = model_card(
        model.settings, class_names=model.class_names, history=model.history, provenance=model.provenance
    )
    # The header is for another hub.
    text = card.split("---\n", 2)[2]
    if model.input is not None:
        text += (
            f"\n## Images\n\nIt takes images with {model.input.told}; other programs do not see to that.\n"
        )
    return f"{text}\n## Validation\n\nScore it on labelled images with `mtneuro-seg evaluate`: F1, IoU.\n"


def _check(path: Path) -> None:
    """Raise unless bioimageio.core's test of a package passes."""
    from bioimageio.core import test_model

    summary = test_model(path)
    if summary.status != "passed":
        errors = [error.msg for detail in summary.details for error in detail.errors]
        raise ValueError(f"bioimageio.core's test of the package fails: {' '.join(errors)[:300]}")


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """Let the library say nothing: what matters is raised."""
    from loguru import logger

    logging.disable(logging.WARNING)
    logger.disable("bioimageio")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.enable("bioimageio")
        logging.disable(logging.NOTSET)
