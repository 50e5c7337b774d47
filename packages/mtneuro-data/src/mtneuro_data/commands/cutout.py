"""``mtneuro-data cutout``: write a box of a volume to a file."""

from collections.abc import Iterator
from dataclasses import replace

from mtneuro_data._shared.terminal import Force, Output, Ranges, RangesOption, check_output
from mtneuro_data.commands._task import cache_for


def cutout(
    uri: str,
    /,
    *,
    output: Output,
    force: Force = False,
    ranges: RangesOption = None,
    cube: str | None = None,
    labels: bool | None = None,
    intensity: str | None = None,
) -> Iterator[str]:
    """Write a box of any volume as .npy, .npz, .tif, .zarr (OME-Zarr 0.5), .nii or .nii.gz.

    OME-Zarr opens in napari and Neuroglancer, NIfTI in ITK-SNAP. A file of labels corrected there can be
    given to any command that reads a volume.

    Example: `mtneuro-data cutout phantom://pixel_labels --cube A-CTX --z 110:380 --labels -o ctx.nii.gz`

    Parameters
    ----------
    uri
        The volume's URI or path.
    output
        File to write; its ending sets the format.
    ranges
        The part to write; all by default.
    cube
        Read the rows and columns of one of the paper's cubes, A-CTX to D-ZI, in place of --y and --x.
    labels
        The voxels are labels: the levels of an OME-Zarr are majorities, not means. By default what the
        volume's storage states, an image if it states nothing.
    intensity
        Write grey levels, uint8, of these intensities from black to white, LO:HI, such as 0:4095. By default
        voxels are written as they are stored.
    """
    from mtneuro_data._shared.intensity import parsed_window, windowed
    from mtneuro_data.saving import FORMATS, check_replaceable, save_volume
    from mtneuro_data.volume import open_volume

    check_replaceable(output)
    check_output(output, *FORMATS, what="a volume", force=force)
    window = parsed_window(intensity)
    if window is not None and labels:
        raise ValueError("--intensity maps an image to grey levels; leave it out with --labels")
    part = ranges or Ranges()
    if cube is not None:
        part = _with_face(part, cube)
    volume = open_volume(uri, cache=cache_for(uri))
    voxels = volume[part.slices(volume.shape)]
    if window is not None:
        voxels = windowed(voxels, window)
    of_labels = volume.kind == "annotation" if labels is None else labels
    save_volume(output, voxels, voxel_size_um=volume.voxel_size_um, labels=of_labels)
    told = ", as an image (if it holds labels: --labels)" if labels is None and volume.kind is None else ""
    unknown = "" if volume.voxel_size_um else ", without a voxel size, which its storage does not state"
    yield f"{' x '.join(map(str, voxels.shape))} {voxels.dtype} written to {output}{told}{unknown}"


def _with_face(part: Ranges, cube: str) -> Ranges:
    """Return a part of a volume with the rows and columns of one of the paper's cubes."""
    from mtneuro_data._shared.words import unknown_name
    from mtneuro_data.paper import builtin_task

    cubes = builtin_task("roi-c3").cubes
    if part.y or part.x:
        raise ValueError("--cube replaces --y and --x; give one or the other, got both")
    if cube not in cubes:
        raise ValueError(unknown_name("--cube", cube, cubes))
    return replace(part, y="{}:{}".format(*cubes[cube].y), x="{}:{}".format(*cubes[cube].x))
