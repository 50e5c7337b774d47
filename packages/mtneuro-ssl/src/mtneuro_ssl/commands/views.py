"""``mtneuro-ssl views``."""

from pathlib import Path

from mtneuro_ssl._shared.terminal import Changes, Force, Output, RangesOption, SettingsFile, check_output
from mtneuro_ssl.commands.options import Device, Intensity, Trust, chosen_settings


def views(
    volume: str,
    /,
    *,
    output: Output,
    force: Force = False,
    ranges: RangesOption = None,
    intensity: Intensity = None,
    model: Path | None = None,
    samples: int = 6,
    settings: SettingsFile = None,
    changes: Changes = (),
    device: Device | None = None,
    trust: Trust = (),
) -> str:
    """Draw a few images, two random views of each, and with a model the nearest view of another image.

    Example: `mtneuro-ssl views images.npz -o views.png --settings run.toml --model myow`

    Parameters
    ----------
    volume
        Images, as for `train`.
    output
        Picture to write (.png): a row for each image.
    ranges
        The part of the volume to read.
    intensity
        Intensities that become black and white where images are not uint8, LO:HI, such as 0:4095.
    model
        Model folder or repository, as for `embed`, for a last column: the nearest view of another image.
    samples
        Number of images to draw.
    settings
        Settings file (.toml or .json).
    changes
        One setting, as key=value; may be given several times, and overrides the file.
    device
        Where to compute; by default as the model's settings say.
    trust
        A factory, as package.module:factory or file.py:factory, that may be called if
        MODEL names it as its encoder.
    """
    check_output(output, ".png", what="a picture", force=force)
    chosen = chosen_settings(settings, changes, trust=trust)
    import numpy as np

    from mtneuro_ssl._shared.hub import found_folder
    from mtneuro_ssl._shared.intensity import not_grey, parsed_window, seen_range
    from mtneuro_ssl.figures.png import save_png
    from mtneuro_ssl.figures.views import view_sheet
    from mtneuro_ssl.files import open_images
    from mtneuro_ssl.model_folder import load_model

    window = parsed_window(intensity) or chosen.intensity
    source = open_images(volume, ranges=ranges, intensity=window, depth=chosen.depth)
    if source.images.dtype != np.uint8:
        raise ValueError(not_grey(volume, source.images.dtype, lambda: seen_range(source.images)))
    sheet = view_sheet(
        np.asarray(source.images[:]),
        chosen,
        model=None if model is None else load_model(found_folder(model), trusted=trust, device=device),
        samples=samples,
        sample_id=source.sample_id,
    )
    save_png(output, sheet)
    return f"{samples} images and their views written to {output}"
