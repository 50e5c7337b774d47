"""``mtneuro-seg export``."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from mtneuro_seg._shared.factories import look_here
from mtneuro_seg._shared.terminal import Force, check_output
from mtneuro_seg.commands.options import Trust


def export(
    model: Path,
    /,
    *,
    onnx: Path | None = None,
    bioimageio: Path | None = None,
    sample: str | None = None,
    author: Annotated[tuple[str, ...], Parameter(show_default=False)] = (),
    licence: Annotated[str | None, Parameter(name=["--licence", "--license"])] = None,
    force: Force = False,
    size: Annotated[tuple[int, ...], Parameter(show_default=False, consume_multiple=True)] = (),
    trust: Trust = (),
) -> Iterator[str]:
    """Write a network as ONNX, or as a package of bioimage.io, and compare what onnxruntime computes with it.

    The input of the ONNX file, image, is float32 (batch, 1, y, x), or (batch, 1, z, y, x) in 3D: intensities
    from 0 to 255, divided by 255, less the mean and over the sd that the file states. The output, scores, is
    float32 (batch, classes, y, x), or (batch, classes, z, y, x). A package takes images as they are, states
    how they are normalised, gives the probability of each class, and has passed bioimageio.core's own test;
    deepImageJ, ilastik, BiaPy and napari open it. Needs `pip install 'mtneuro-seg[export]'`, a package
    `pip install 'mtneuro-seg[bioimageio]'`.

    - `mtneuro-seg export models/unet --onnx unet.onnx`
    - `mtneuro-seg export models/unet --bioimageio unet.zip --sample test.npz --author Me --licence MIT`

    Parameters
    ----------
    model
        Model folder, or a repository of one on the Hugging Face hub: owner/name or owner/name@REVISION.
    onnx
        File to write (.onnx).
    bioimageio
        Package to write (.zip); needs --sample, --author and --licence.
    sample
        A volume or images, of whose first image (in 3D: subvolume) a middle part is the package's sample.
    author
        Name of who made the model; may be given several times.
    licence
        Id of a licence in the list of SPDX, such as MIT or CC-BY-4.0.
    size
        The one size that the file shall take, y x or z y x; by default any that the network takes.
    trust
        A factory, as package.module:factory or file.py:factory, that may be called if MODEL names it as its
        network.
    """
    if onnx is None and bioimageio is None:
        raise ValueError("--onnx FILE or --bioimageio FILE must say what to write, got neither")
    if onnx is not None:
        check_output(onnx, ".onnx", what="ONNX", force=force)
    if bioimageio is not None:
        check_output(bioimageio, ".zip", what="a package of bioimage.io", force=force)
        if sample is None or not author or licence is None:
            raise ValueError(
                "--bioimageio needs a sample, its authors and a licence: --sample VOLUME --author NAME "
                "--licence CC-BY-4.0"
            )
    from mtneuro_seg._shared.hub import found_folder
    from mtneuro_seg.exporting import Exported, export_onnx
    from mtneuro_seg.model import load_model

    look_here(trust)
    loaded = load_model(found_folder(model), trusted=trust)

    def told(path: Path, done: Exported) -> str:
        taken = " x ".join(map(str, done.sizes.smallest))
        if done.sizes.multiple is not None:
            taken = f"any multiple of {' x '.join(map(str, done.sizes.multiple))}"
        return (
            f"written to {path}, for images of {taken}; onnxruntime differs by {done.difference:.1g} at most"
        )

    if onnx is not None:
        yield told(onnx, export_onnx(loaded, onnx, size=size or None))
    if bioimageio is not None and sample is not None and licence is not None:
        from mtneuro_seg._shared.volume_file import open_volume_file
        from mtneuro_seg.bioimageio_package import export_bioimageio

        array = open_volume_file(sample).array
        stacked = array.ndim > loaded.settings.network.axes
        yield told(
            bioimageio,
            export_bioimageio(
                loaded,
                bioimageio,
                sample=array[0] if stacked else array[:],
                authors=author,
                licence=licence,
                size=size or None,
            ),
        )
