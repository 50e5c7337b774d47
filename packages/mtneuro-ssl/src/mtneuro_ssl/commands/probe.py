"""``mtneuro-ssl probe``."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from mtneuro_ssl._shared.factories import look_here
from mtneuro_ssl._shared.terminal import Force, Output, RangesOption, bar, check_output
from mtneuro_ssl.commands.options import Device, Intensity, Trust
from mtneuro_ssl.probe_settings import PixelProbeSettings


def probe(
    model: Path,
    images: str,
    masks: str | None = None,
    /,
    *,
    output: Output,
    force: Force = False,
    settings: Annotated[PixelProbeSettings | None, Parameter(name="*")] = None,
    ranges: RangesOption = None,
    intensity: Intensity = None,
    device: Device | None = None,
    trust: Trust = (),
) -> str:
    """Fit a probe that reads the class of every pixel off a model's frozen features.

    Example: `mtneuro-ssl probe byol images.npz -o probe --head linear`

    Parameters
    ----------
    model
        Model folder or repository, as for `embed`; the model stays as it is.
    images
        Images, as for `train`.
    masks
        Class of each pixel, from 0, in the same shape; not needed where IMAGES is an .npz that holds `masks`.
    output
        Folder to write: the head, without the model.
    settings
        What head is fitted, and how.
    ranges
        The part of both to read.
    intensity
        Intensities that become black and white, LO:HI. By default as the model was trained.
    device
        Where to compute; by default as the model's settings say.
    trust
        A factory, as package.module:factory or file.py:factory, that may be called if
        MODEL names it as its encoder.
    """
    check_output(output, what="a probe", force=force)
    from mtneuro_ssl._shared.hub import found_folder
    from mtneuro_ssl._shared.intensity import parsed_window
    from mtneuro_ssl._shared.volume_file import open_volume_file
    from mtneuro_ssl.files import open_images
    from mtneuro_ssl.model_folder import load_model
    from mtneuro_ssl.pixel_probe import check_place, fit_pixel_probe

    check_place(output)
    window = parsed_window(intensity)
    look_here(trust)
    loaded = load_model(found_folder(model), trusted=trust, device=device)
    if masks is None and not images.partition("#")[0].endswith(".npz"):
        raise ValueError(
            f"MASKS must be given unless IMAGES is an .npz that holds masks, got {images!r} alone"
        )
    source = open_images(images, ranges=ranges, intensity=window)
    truth = open_volume_file(masks or images.partition("#")[0], key="masks", ranges=ranges)
    labels = truth.loaded()
    with bar("probe") as progress:
        found = fit_pixel_probe(
            loaded,
            source.images,
            labels.reshape(-1, *labels.shape[-2:]),
            settings,
            class_names=truth.class_names,
            progress=progress,
        )
    found.save(output)
    told = "" if found.converged else " (the fit did not converge: raise --max-iter)"
    return f"{found.settings.head} probe of {len(found.class_names)} classes written to {output}{told}"
