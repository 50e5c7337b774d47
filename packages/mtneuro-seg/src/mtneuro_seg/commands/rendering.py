"""``mtneuro-seg render``."""

from pathlib import Path

from mtneuro_seg.commands.terminal import Output, check_figure, save_figure
from mtneuro_seg.settings import default_class_names


def render(
    labels: Path,
    *,
    out: Output,
    step: int = 1,
    size: int = 400,
) -> str:
    """Draw the labelled structures of a volume as shaded surfaces in 3D; no display is needed.

    Example: mtneuro-seg render labels.zarr -o labels.png

    Parameters
    ----------
    labels
        Labels (z, y, x): a .npz with `masks`, a .npy, a Zarr array or an OME-Zarr group.
    out
        The picture to write (.png, .pdf, .svg).
    step
        Use every so many voxels along each axis, for a large volume.
    size
        Pixels along each side of the picture.
    """
    check_figure(out)
    if step < 1 or size < 1:
        raise ValueError(f"step and size must be at least 1, got {step} and {size}")
    import numpy as np

    from mtneuro_seg.surfaces import surface_figure
    from mtneuro_seg.volumes import open_volume

    volume = open_volume(labels, key="masks")
    if volume.array.ndim != 3:
        raise ValueError(f"labels must have axes (z, y, x), got shape {tuple(volume.array.shape)}")
    thinned = np.asarray(volume.array[::step, ::step, ::step])
    names = volume.class_names or default_class_names(max(int(thinned.max()) + 1, 2))
    drawn = surface_figure(
        thinned, class_names=names, voxel_size_um=volume.voxel_size_um or (1, 1, 1), size=size
    )
    return save_figure(drawn, out)
