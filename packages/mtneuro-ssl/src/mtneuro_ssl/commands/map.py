"""``mtneuro-ssl map``."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mtneuro_ssl._shared.factories import look_here
from mtneuro_ssl._shared.terminal import Force, Output, RangesOption, bar, check_output
from mtneuro_ssl.commands.options import Device, Intensity, Size, Trust, VoxelSize


def map_(
    model: Path,
    volume: str,
    /,
    *,
    output: Output,
    force: Force = False,
    window: Size,
    stride: Size | None = None,
    ranges: RangesOption = None,
    voxel_size_um: VoxelSize = None,
    intensity: Intensity = None,
    picture: Path | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    tls: Path | None = None,
    device: Device | None = None,
    trust: Trust = (),
) -> Iterator[str]:
    """Embed a dense grid of windows over a volume of any size.

    The same command, given again, continues an interrupted map.

    Example: `mtneuro-ssl map byol volume.zarr -o map.zarr --window 64 64 --picture map.png`

    Parameters
    ----------
    model
        Model folder, a model that comes with the package (`mtneuro-ssl methods --pretrained`), or a
        repository of one on the Hugging Face hub: owner/name or owner/name@REVISION.
    volume
        Volume (z, y, x), as for `train`.
    output
        Zarr array to write (.zarr), (z, y, x, feature) with a row and column for each window; along z an
        entry for each slice, or for each subvolume where the model is one of subvolumes.
    window
        Height and width of a window in pixels.
    stride
        Pixels from one window to the next, along y and x. By default half a window.
    ranges
        The part of the volume to map.
    voxel_size_um
        Voxel size z y x in micrometres, where the volume does not state it; only a model that comes with the
        package asks for it.
    intensity
        Intensities that become black and white, LO:HI. By default as the model was trained.
    picture
        Picture to write (.png): the first slice, and over it the embeddings' first three principal components
        as red, green and blue.
    workers
        Number of processes on this machine that share the work.
    scheduler
        Share the work among the workers of this Dask scheduler, such as tls://10.0.0.1:8786.
    tls
        Folder of the scheduler's certificates: ca.pem, cert.pem and key.pem.
    device
        Where to compute; by default as the model's settings say.
    trust
        A factory, as package.module:factory or file.py:factory, that may be called if
        MODEL names it as its encoder.
    """
    check_output(output, ".zarr", what="a map", force=True)
    if picture is not None:
        check_output(picture, ".png", what="a picture", force=force)
    import numpy as np

    from mtneuro_ssl._shared.hub import found_folder
    from mtneuro_ssl._shared.intensity import parsed_window, seen_range, windowed
    from mtneuro_ssl._shared.workers import worker_pool
    from mtneuro_ssl.dense import embedding_map, grid_of
    from mtneuro_ssl.figures.maps import colour_picture
    from mtneuro_ssl.figures.png import save_png
    from mtneuro_ssl.files import open_images

    levels = parsed_window(intensity)
    look_here(trust)
    with worker_pool(workers=workers, scheduler=scheduler, tls=tls) as executor, bar("map") as progress:
        found = embedding_map(
            found_folder(model),
            volume,
            out=output,
            window=window,
            stride=stride,
            ranges=ranges,
            replace=force,
            intensity=levels,
            voxel_size_um=voxel_size_um,
            executor=executor,
            trusted=trust,
            device=device,
            progress=progress,
        )
    kept: Any = found.attrs["model"]
    stacks = "slices" if kept.get("depth") is None else f"subvolumes of {kept['depth']} slices"
    yield f"{found.shape[1]} x {found.shape[2]} windows of {found.shape[0]} {stacks} written to {output}"
    if picture is not None:
        slice_ = np.asarray(open_images(volume, ranges=ranges, intensity=levels).images[0])
        if slice_.dtype != np.uint8:
            # A picture needs grey levels: those of the model's window, or else all that there are.
            low, high = kept["intensity"] or seen_range(slice_[None])
            slice_ = windowed(slice_, (low, high if high > low else low + 1))
        save_png(picture, colour_picture(np.asarray(found[0]), slice_, grid_of(found)))
        yield f"picture written to {picture}"
