"""``mtneuro-data interpolate``: fill label slices between annotated ones."""

from collections.abc import Iterator
from typing import Annotated

from cyclopts import Parameter

from mtneuro_data._shared.terminal import Force, Output, bar, check_output
from mtneuro_data.commands._task import counted


def interpolate(
    uri: str,
    /,
    *,
    slices: Annotated[tuple[int, ...], Parameter(consume_multiple=True)],
    output: Output,
    force: Force = False,
    undecided: int = 255,
) -> Iterator[str]:
    """Interpolate labels between annotated slices, and mark the pixels that a person must decide.

    Example: `mtneuro-data interpolate labels.nii.gz --slices 0 50 100 -o filled.nii.gz`

    Parameters
    ----------
    uri
        A volume of labels in which some slices are annotated.
    slices
        The annotated slices, ascending.
    output
        File to write; its ending sets the format, as in cutout.
    undecided
        Label for the pixels that a person must decide.
    """
    import numpy as np

    from mtneuro_data.interpolation import interpolated_labels
    from mtneuro_data.saving import FORMATS, check_replaceable, save_volume
    from mtneuro_data.volume import open_volume

    check_replaceable(output)
    check_output(output, *FORMATS, what="a volume", force=force)
    volume = open_volume(uri)
    depth = volume.shape[0]
    if any(not 0 <= at < depth for at in slices):
        raise ValueError(f"--slices must lie within [0, {depth}), got {list(slices)}")
    annotated = np.concatenate([volume[at : at + 1, :, :] for at in slices])
    with bar("interpolate") as progress:
        filled = interpolated_labels(annotated, np.array(slices), undecided=undecided, progress=progress)
    save_volume(output, filled, voxel_size_um=volume.voxel_size_um, labels=True)
    share = float((filled == undecided).mean())
    told = f"{counted(len(filled), 'slice')} from {slices[0]} on, {share:.2%} undecided ({undecided})"
    yield f"{told}, written to {output}"
