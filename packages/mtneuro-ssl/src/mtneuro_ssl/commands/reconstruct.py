"""``mtneuro-ssl reconstruct``."""

from collections.abc import Iterator
from pathlib import Path

from mtneuro_ssl._shared.terminal import Force, Output, RangesOption, check_output
from mtneuro_ssl.commands.options import Device, Intensity


def reconstruct(
    model: Path,
    volume: str,
    /,
    *,
    output: Output,
    force: Force = False,
    ranges: RangesOption = None,
    intensity: Intensity = None,
    samples: int = 6,
    seed: int = 1,
    device: Device | None = None,
) -> Iterator[str]:
    """Draw what a masked autoencoder makes of a few images, of which it sees some patches.

    Example: `mtneuro-ssl reconstruct mae images.npz -o reconstructions.png`

    Parameters
    ----------
    model
        Model folder or repository, as for `embed`, of a run of the method mae.
    volume
        Images, as for `train`; a model of subvolumes reconstructs the volume's subvolumes.
    output
        Picture to write (.png), a row for each image: the middle of the image, of the size of a training's
        view; the same with the hidden patches grey; and with these as predicted.
    ranges
        The part of the volume to read.
    intensity
        Intensities that become black and white, LO:HI. By default as the model was trained.
    samples
        Number of images to draw, spread over the volume.
    seed
        Which patches are hidden.
    device
        Where to compute; by default as the model's settings say.
    """
    check_output(output, ".png", what="a picture", force=force)
    import numpy as np

    from mtneuro_ssl._shared.hub import found_folder
    from mtneuro_ssl._shared.intensity import parsed_window
    from mtneuro_ssl.figures.png import save_png
    from mtneuro_ssl.figures.reconstructions import reconstruction_sheet
    from mtneuro_ssl.files import open_images
    from mtneuro_ssl.model_folder import load_model
    from mtneuro_ssl.reconstruction import reconstruct as reconstruct_images

    window = parsed_window(intensity)
    folder = found_folder(model)
    depth = load_model(folder, device=device).settings.depth
    images = open_images(volume, ranges=ranges, intensity=window, depth=depth).images
    if not 1 <= samples <= images.shape[0]:
        raise ValueError(f"samples must be 1 to the number of images, {images.shape[0]}, got {samples}")
    chosen = np.linspace(0, images.shape[0] - 1, samples).astype(int)
    found = reconstruct_images(
        folder, np.stack([np.asarray(images[int(place)]) for place in chosen]), seed=seed, device=device
    )
    save_png(output, reconstruction_sheet(found))
    yield f"{samples} images and their reconstructions written to {output}"
    if found.lent:
        yield (
            "each hidden patch is drawn with the mean and contrast that it has in the image: the model "
            "predicts normalised patches (mae.normalise_patches=false predicts intensities)"
        )
