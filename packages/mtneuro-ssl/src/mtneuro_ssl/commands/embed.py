"""``mtneuro-ssl embed``."""

from pathlib import Path

from mtneuro_ssl._shared.factories import look_here
from mtneuro_ssl._shared.terminal import Force, Output, RangesOption, bar, check_output
from mtneuro_ssl.commands.options import Device, Intensity, Trust, VoxelSize


def embed(
    model: Path,
    volume: str,
    /,
    *,
    output: Output,
    force: Force = False,
    ranges: RangesOption = None,
    voxel_size_um: VoxelSize = None,
    intensity: Intensity = None,
    corners: bool = False,
    batch_size: int = 256,
    device: Device | None = None,
    trust: Trust = (),
) -> str:
    """Embed the images of a volume with a trained model.

    Example: `mtneuro-ssl embed phantom-byol images.npz -o embeddings.npz`

    Parameters
    ----------
    model
        Model folder, a model that comes with the package (`mtneuro-ssl methods --pretrained`), or a
        repository of one on the Hugging Face hub: owner/name or owner/name@REVISION.
    volume
        Images, as for `train`; a model of subvolumes embeds the volume's subvolumes.
    output
        Embeddings file to write (.npz).
    ranges
        The part of the volume to read.
    voxel_size_um
        Voxel size z y x in micrometres, where the volume does not state it; only a model that comes with the
        package asks for it.
    intensity
        Intensities that become black and white, LO:HI. By default as the model was trained.
    corners
        Embed the four corners of each image, of half its height and width, instead of the whole image.
    batch_size
        Number of images to embed at a time.
    device
        Where to compute; by default as the model's settings say.
    trust
        A factory, as package.module:factory or file.py:factory, that may be called if
        MODEL names it as its encoder.
    """
    check_output(output, ".npz", what="embeddings", force=force)
    from mtneuro_ssl._shared.hub import found_folder
    from mtneuro_ssl._shared.intensity import parsed_window
    from mtneuro_ssl.embedding import corner_ids
    from mtneuro_ssl.files import is_point_file, open_images, save_embeddings
    from mtneuro_ssl.fitting import fitted
    from mtneuro_ssl.model_folder import load_model
    from mtneuro_ssl.views import corner_crops

    look_here(trust)
    loaded = load_model(found_folder(model), trusted=trust, device=device)
    window = parsed_window(intensity)
    source = open_images(volume, ranges=ranges, intensity=window, depth=loaded.settings.depth)
    images, ids = source.images, source.sample_id
    loaded = fitted(loaded, voxel_size_um=voxel_size_um or source.voxel_size_um)
    if corners and is_point_file(volume):
        raise ValueError(
            f"{volume} holds clouds of points, which have no corners: write those of the corners with "
            "`mtneuro-probe points --corners`"
        )
    if corners:
        crops = corner_crops(images[:])
        images, ids = crops.reshape(-1, *crops.shape[2:]), corner_ids(ids)
    with bar("embed") as progress:
        embeddings = loaded.embed(images, batch_size=batch_size, progress=progress)
    save_embeddings(output, embeddings, sample_id=ids, about=source)
    return f"{len(embeddings)} embeddings of {embeddings.shape[1]} features written to {output}"
