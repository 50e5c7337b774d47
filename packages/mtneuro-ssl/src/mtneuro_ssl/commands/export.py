"""``mtneuro-ssl export``."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from mtneuro_ssl._shared.factories import look_here
from mtneuro_ssl._shared.terminal import Force, check_output
from mtneuro_ssl.commands.options import Trust


def export(
    model: Path,
    /,
    *,
    onnx: Path,
    force: Force = False,
    size: Annotated[tuple[int, ...], Parameter(show_default=False, consume_multiple=True)] = (),
    trust: Trust = (),
) -> str:
    """Write a model's encoder as ONNX, and compare what onnxruntime computes with it.

    The input, image, is float32 (batch, 1, y, x), or (batch, 1, z, y, x) in 3D: intensities from 0 to 255,
    divided by 255, less the mean and over the sd that the file states. The output,
    features, is float32 (batch, features). Needs the packages of `pip install 'mtneuro-ssl[export]'`.

    Example: `mtneuro-ssl export models/byol --onnx byol.onnx`

    Parameters
    ----------
    model
        Model folder, or a repository of one on the Hugging Face hub: owner/name or owner/name@REVISION.
    onnx
        File to write (.onnx).
    size
        The one size that the file shall take, y x or z y x; by default any that the encoder takes.
    trust
        A factory, as package.module:factory or file.py:factory, that may be called if MODEL names it as its
        encoder.
    """
    check_output(onnx, ".onnx", what="ONNX", force=force)
    from mtneuro_ssl._shared.hub import found_folder
    from mtneuro_ssl.exporting import export_onnx
    from mtneuro_ssl.model_folder import load_model

    look_here(trust)
    loaded = load_model(found_folder(model), trusted=trust)
    done = export_onnx(loaded, onnx, size=size or None)
    taken = " x ".join(map(str, done.sizes.smallest))
    if done.sizes.multiple is not None:
        taken = f"any multiple of {' x '.join(map(str, done.sizes.multiple))}"
    return f"written to {onnx}, for images of {taken}; onnxruntime differs by {done.difference:.1g} at most"
