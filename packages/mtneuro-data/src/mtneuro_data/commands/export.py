"""``mtneuro-data export``: write the images and labels of a task."""

from collections.abc import Iterator
from typing import Literal

from mtneuro_data._shared.terminal import Force, Output, bar, check_output
from mtneuro_data.commands._task import Intensity, Splits, cache_for, counted, named_task


def export(
    task: str,
    /,
    *,
    split: Splits,
    output: Output,
    force: Force = False,
    source: str | None = None,
    format: Literal["tif", "zarr", "nii.gz"] | None = None,  # noqa: A002 - the option's name
    downsample: Literal[1, 2, 4] | None = None,
    z_step: int | None = None,
    corners: bool = False,
    intensity: Intensity = None,
) -> Iterator[str]:
    """Write the images and labels of a task's splits: one .npz of plain arrays, or a volume for each cube.

    The .npz holds images, region, sample_id, region_names, class_names, voxel_size_um if it is known and, if
    the task has them, masks and intensity. Read it with `numpy.load`. With --format, the output is a folder
    of volumes at full resolution, with the labels unchanged: OME-Zarr 0.5 for napari and Neuroglancer, TIFF
    for ImageJ, NIfTI for ITK-SNAP.

    Example: `mtneuro-data export roi-c1 --split train val --downsample 2 -o train.npz`

    Example: `mtneuro-data export seg-2d-4class --split test --format nii.gz -o proofread`

    Parameters
    ----------
    task
        A task's name or file.
    split
        One or more splits, loaded in this order.
    output
        File to write, .npz; with --format a folder.
    source
        Volumes to read in place of the task's own: bossdb, phantom, or phantom?seed=7.
    format
        Write a volume for each cube, in this format.
    downsample
        Reduce rows and columns by 2 or 4; by default as in the task.
    z_step
        Keep every n-th image; by default as in the task.
    corners
        Cut every image into its four corners.
    """
    from mtneuro_data.exporting import cube_files, export_cubes, is_begun
    from mtneuro_data.loading import load

    changes = {"downsample": downsample, "z_step": z_step}
    spec = named_task(task, source, intensity).replaced(
        **{key: value for key, value in changes.items() if value is not None}
    )
    spec.split_names(split)
    if format is not None:
        if corners or downsample is not None or z_step is not None:
            raise ValueError("--format writes whole cubes: leave out --corners, --downsample and --z-step")
        if output.suffix:
            raise ValueError(f"with --format the output must be a folder's name, got {output}")
        ending = f".{format}"
        # What an interrupted export has written is not asked for: it goes on.
        begun = is_begun(spec, split, output, ending=ending)
        for file in cube_files(spec, split, output, ending=ending):
            check_output(file, what="volumes", force=force or begun)
        with bar("export") as progress:
            files = export_cubes(
                spec, split, output, ending=ending, cache=cache_for(spec.image), progress=progress
            )
        yield f"{counted(len(files), 'volume')} written to {output}"
        return
    check_output(output, ".npz", what="images", force=force)
    with bar("export") as progress:
        arrays = load(spec, split, cache=cache_for(spec.image), progress=progress)
    arrays = arrays.corners() if corners else arrays
    arrays.save(output)
    if arrays.intensity is not None:
        low, high = arrays.intensity
        yield f"intensities {low:g}:{high:g} are black to white"
    yield f"{counted(len(arrays), 'image')} {arrays.images.shape[1:]} written to {output}"
