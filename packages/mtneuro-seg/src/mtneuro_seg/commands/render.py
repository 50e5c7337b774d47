"""``mtneuro-seg render``."""

from collections.abc import Iterator

from mtneuro_seg._shared.terminal import Force, Output, RangesOption
from mtneuro_seg.commands.options import VoxelSize, check_figure
from mtneuro_seg.settings import default_class_names

_MOST_LABELS = 64
"""Labels without names are drawn up to so many: each takes time, and more are rather images."""


def render(
    labels: str,
    /,
    *,
    output: Output,
    force: Force = False,
    step: int = 1,
    size: int = 400,
    ranges: RangesOption = None,
    voxel_size_um: VoxelSize = None,
) -> Iterator[str]:
    """Draw the labelled structures of a volume as shaded surfaces in 3D; no display is needed.

    Example: `mtneuro-seg render labels.zarr -o labels.png`

    Parameters
    ----------
    labels
        Labels (z, y, x): a .npz with `masks`, a .npy, a Zarr array, an OME-Zarr group, or whatever else an
        installed mtneuro-data opens.
    output
        The picture to write (.png, .pdf, .svg).
    step
        Use only every STEP-th voxel along each axis, for a large volume.
    size
        Pixels along each side of the picture.
    ranges
        The part of LABELS to draw.
    voxel_size_um
        Voxel size z y x in micrometres, where the file does not state it; without either voxels are cubes.
    """
    check_figure(output, force=force)
    if step < 1 or size < 1:
        raise ValueError(f"--step and --size must be at least 1, got {step} and {size}")
    import numpy as np

    from mtneuro_seg._shared.volume_file import open_volume_file
    from mtneuro_seg.figures import save_figure
    from mtneuro_seg.surfaces import surface_figure

    volume = open_volume_file(labels, key="masks", ranges=ranges)
    if len(volume.array.shape) != 3:
        raise ValueError(f"labels must have axes (z, y, x), got shape {volume.array.shape}")
    thinned = np.asarray(volume.array[::step, ::step, ::step])
    highest = int(thinned.max())
    most = _MOST_LABELS if volume.class_names is None else max(len(volume.class_names), 1)
    if thinned.dtype.kind not in "bui" or highest >= most:
        raise ValueError(
            f"labels must be whole numbers from 0 to {most - 1} to be drawn, "
            f"got {thinned.dtype} up to {highest}; give the labels, if {labels} holds the images"
        )
    names = volume.class_names or default_class_names(max(highest + 1, 2))
    figure = surface_figure(
        thinned, class_names=names, voxel_size_um=voxel_size_um or volume.voxel_size_um, size=size
    )
    save_figure(figure, output)
    yield f"figure written to {output}"
