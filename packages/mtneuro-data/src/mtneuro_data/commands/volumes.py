"""``mtneuro-data cutout`` and ``interpolate``: volumes in, a volume out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from mtneuro_data.commands.terminal import Output, bar, check_output


def cutout(
    uri: str,
    /,
    *,
    output: Output,
    z: str = "",
    y: str = "",
    x: str = "",
    cube: str | None = None,
    labels: Annotated[bool, Parameter(negative="")] = False,
) -> Iterator[str]:
    """Write a box of any volume as .npy, .npz, .tif, .zarr (OME-Zarr 0.5), .nii or .nii.gz.

    OME-Zarr opens in napari and Neuroglancer, NIfTI in ITK-SNAP; labels corrected there are read back by
    giving the saved file wherever a volume is asked for.

    Example: `mtneuro-data cutout phantom://pixel_labels --cube A-CTX --z 110:380 --labels -o ctx.nii.gz`

    Parameters
    ----------
    uri
        The volume's URI or path.
    output
        File to write; its ending says the format.
    z
        Slices, as 110:380; all by default.
    y
        Rows, as 900:1156; all by default.
    x
        Columns, as 4600:4856; all by default.
    cube
        Rows and columns of one of the paper's cubes in place of --y and --x: A-CTX to D-ZI.
    labels
        The voxels are labels: reduce them by majority in the levels of an OME-Zarr.
    """
    from mtneuro_data.cache import Cache
    from mtneuro_data.saving import save_volume
    from mtneuro_data.volume import open_volume

    _check_volume_output(output)
    if cube is not None:
        y, x = _face(cube, y, x)
    volume = open_volume(uri, cache=Cache() if uri.startswith("bossdb://") else None)
    box = tuple(_range(text, size) for text, size in zip((z, y, x), volume.shape, strict=True))
    voxels = volume[box]
    save_volume(output, voxels, voxel_size_um=volume.voxel_size_um or (1.0, 1.0, 1.0), labels=labels)
    yield f"{' x '.join(map(str, voxels.shape))} {voxels.dtype} -> {output}"


def _check_volume_output(output: Path) -> None:
    from mtneuro_data.saving import FORMATS

    if not output.name.endswith(FORMATS):
        raise ValueError(f"--output must end in one of {', '.join(FORMATS)}, got {output.name}")
    check_output(output, output.suffix)


def _face(cube: str, y: str, x: str) -> tuple[str, str]:
    from mtneuro_data.paper import builtin_task
    from mtneuro_data.settings import nearest

    cubes = builtin_task("roi-c3").cubes
    if y or x:
        raise ValueError("--cube stands in place of --y and --x, got both")
    if cube not in cubes:
        raise ValueError(f'unknown cube "{cube}"; {nearest(cube, cubes)}')
    return "{}:{}".format(*cubes[cube].y), "{}:{}".format(*cubes[cube].x)


def _range(text: str, size: int) -> slice:
    parts = text.split(":") if text else ["0", str(size)]
    if len(parts) != 2 or not all(part.isdecimal() for part in parts):
        raise ValueError(f"a range is given as first:end, such as 110:380, got {text}")
    lo, hi = int(parts[0]), int(parts[1])
    if not lo < hi <= size:
        raise ValueError(f"a range must satisfy 0 <= first < end <= {size}, got {text}")
    return slice(lo, hi)


def interpolate(
    uri: str,
    /,
    *,
    slices: Annotated[tuple[int, ...], Parameter(consume_multiple=True, negative="")],
    output: Output,
    undecided: int = 255,
) -> Iterator[str]:
    """Fill the label slices between annotated ones, and mark what cannot be decided.

    Example: `mtneuro-data interpolate labels.nii.gz --slices 0 50 100 -o filled.nii.gz`

    Parameters
    ----------
    uri
        A volume of labels in which some slices are annotated.
    slices
        The annotated slices, ascending.
    output
        File to write; its ending says the format, as in cutout.
    undecided
        Label for the pixels that a person must decide.
    """
    import numpy as np

    from mtneuro_data.interpolation import interpolated_labels
    from mtneuro_data.saving import save_volume
    from mtneuro_data.volume import open_volume

    _check_volume_output(output)
    volume = open_volume(uri)
    depth = volume.shape[0]
    if any(not 0 <= at < depth for at in slices):
        raise ValueError(f"--slices must lie within [0, {depth}), got {list(slices)}")
    annotated = np.concatenate([volume[at : at + 1, :, :] for at in slices])
    with bar("interpolate") as progress:
        filled = interpolated_labels(annotated, np.array(slices), undecided=undecided, progress=progress)
    size = volume.voxel_size_um or (1.0, 1.0, 1.0)
    save_volume(output, filled, voxel_size_um=size, labels=True)
    share = float((filled == undecided).mean())
    yield f"{len(filled)} slices from {slices[0]} on, {share:.2%} undecided ({undecided}) -> {output}"
