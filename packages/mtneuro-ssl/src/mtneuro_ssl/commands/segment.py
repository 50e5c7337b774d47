"""``mtneuro-ssl segment``."""

from pathlib import Path
from typing import Any

from mtneuro_ssl._shared.factories import look_here
from mtneuro_ssl._shared.terminal import Force, Output, RangesOption, bar, check_output
from mtneuro_ssl.commands.options import Device, Intensity, Size, Trust


def segment(
    model: Path,
    probe: Path,
    volume: str,
    /,
    *,
    output: Output,
    force: Force = False,
    window: Size | None = None,
    overlap: float = 0.0,
    batch_size: int = 16,
    ranges: RangesOption = None,
    intensity: Intensity = None,
    device: Device | None = None,
    trust: Trust = (),
) -> str:
    """Label every pixel of a volume of any size with a probe of a model's frozen features.

    Example: `mtneuro-ssl segment byol probe volume.zarr -o labels.zarr`

    Parameters
    ----------
    model
        Model folder or repository, as for `embed`, that the probe was fitted to.
    probe
        Folder that `mtneuro-ssl probe` wrote.
    volume
        Volume (z, y, x) or images, as for `train`.
    output
        Zarr array of labels to write (.zarr), uint8 in the shape of VOLUME.
    window
        Height and width of a window in pixels. By default those of the images that the probe was fitted to.
    overlap
        Fraction of a window that the next one overlaps, up to 1: more hides the seams and takes longer.
    batch_size
        Number of windows at a time.
    ranges
        The part of the volume to label.
    intensity
        Intensities that become black and white, LO:HI. By default as the model was trained.
    device
        Where to compute; by default as the model's settings say.
    trust
        A factory, as package.module:factory or file.py:factory, that may be called if
        MODEL names it as its encoder.
    """
    check_output(output, ".zarr", what="labels", force=force)
    if output.resolve() == Path(volume.partition("#")[0]).resolve():
        raise ValueError(f"VOLUME and --output must be different files, got {str(output)!r}")
    from mtneuro_ssl._shared.hub import found_folder
    from mtneuro_ssl._shared.intensity import parsed_window
    from mtneuro_ssl.files import open_images
    from mtneuro_ssl.model_folder import load_model
    from mtneuro_ssl.pixel_probe import load_pixel_probe
    from mtneuro_ssl.segmentation import segment_volume

    levels = parsed_window(intensity)
    look_here(trust)
    loaded = load_pixel_probe(probe, load_model(found_folder(model), trusted=trust, device=device))
    source = open_images(volume, ranges=ranges, intensity=levels)
    about: dict[str, Any] = {}
    if source.voxel_size_um is not None:
        about["voxel_size_um"] = source.voxel_size_um
    if source.named:
        about["sample_id"] = source.sample_id.tolist()
    with bar("segment") as progress:
        labels = segment_volume(
            loaded,
            source.images,
            out=output,
            window=window,
            overlap=overlap,
            batch_size=batch_size,
            replace=force,
            about=about,
            progress=progress,
        )
    return f"labels {labels.shape} written to {output}"
