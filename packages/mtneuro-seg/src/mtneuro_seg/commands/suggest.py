"""``mtneuro-seg suggest``."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from mtneuro_seg._shared.factories import look_here
from mtneuro_seg._shared.terminal import Force, Output, RangesOption, bar, check_output
from mtneuro_seg.annotation.settings import SuggestSettings
from mtneuro_seg.commands.options import Device, Intensity, Trust, VoxelSize
from mtneuro_seg.volume.settings import SweepSettings


def suggest(
    model: Path,
    volume: str,
    /,
    *,
    output: Output,
    force: Force = False,
    settings: Annotated[SuggestSettings | None, Parameter(name="*", consume_multiple=True)] = None,
    annotated: Annotated[tuple[Path, ...], Parameter(consume_multiple=True, show_default=False)] = (),
    embeddings: Path | None = None,
    sweep: Annotated[SweepSettings | None, Parameter(name="*", consume_multiple=True)] = None,
    device: Device = "auto",
    trust: Trust = (),
    ranges: RangesOption = None,
    voxel_size_um: VoxelSize = None,
    intensity: Intensity = None,
) -> Iterator[str]:
    """Choose the boxes of a volume that a person should annotate next.

    The folder that is written has a table of the boxes, `boxes.csv`, and of each box its image and MODEL's
    labels to correct, as NIfTI for ITK-SNAP and as OME-Zarr for napari. Its README says how to go on, and
    `mtneuro-seg finetune` learns from what was corrected. An interrupted sweep resumes when the same command
    is run again.

    Example: `mtneuro-seg suggest models/unet brain.zarr -o round1 --boxes 8 --strategy uncertainty`

    Parameters
    ----------
    model
        Model folder, a model that comes with the package (`mtneuro-seg models --pretrained`), or a repository
        of one on the Hugging Face hub: owner/name or owner/name@REVISION.
    volume
        A volume (z, y, x) as a Zarr array, an OME-Zarr group or a .npy, or whatever else an installed
        mtneuro-data opens.
    output
        Folder to write. With --force earlier suggestions are replaced; never a file that a person changed.
    settings
        What to suggest.
    annotated
        Folders of earlier suggestions, or tables (.csv) with the columns z0, z1, y0, y1, x0 and x1: boxes
        that have labels. None of them is suggested again, and `diversity` looks for boxes unlike them.
    embeddings
        An .npz of `lower` (n, 3), the first voxels z y x of boxes, and `embeddings` (n, features), for
        `diversity`: the vectors of any encoder, in place of MODEL's own features.
    sweep
        How the window slides by which MODEL sees the volume.
    device
        Where to compute; auto takes a GPU if there is one.
    trust
        A factory, as package.module:factory, that may be called if MODEL names it as its network.
    ranges
        The part of VOLUME to choose from.
    voxel_size_um
        Voxel size z y x in micrometres, where the volume does not state it; the images keep it.
    intensity
        Intensities that become black and white, LO:HI, such as 0:4095. By default as the model was trained.
    """
    from mtneuro_seg._shared.devices import chosen_device
    from mtneuro_seg._shared.hub import found_folder
    from mtneuro_seg._shared.intensity import parsed_window
    from mtneuro_seg._shared.volume_file import open_volume_file
    from mtneuro_seg.annotation.boxes import read_boxes
    from mtneuro_seg.annotation.folder import check_suggestions_path
    from mtneuro_seg.annotation.suggestion import read_embeddings
    from mtneuro_seg.annotation.suggestion import suggest as suggest_boxes
    from mtneuro_seg.files import seen_through
    from mtneuro_seg.fitting import fitted
    from mtneuro_seg.model import load_model

    check_output(output, what="suggestions", force=True)
    check_suggestions_path(output, replace=force)
    earlier = [box for path in annotated for box in read_boxes(path)]
    vectors = None if embeddings is None else read_embeddings(embeddings)
    window = parsed_window(intensity)
    look_here(trust)
    loaded = load_model(found_folder(model), trusted=trust)
    place = chosen_device(device).type
    source = seen_through(open_volume_file(volume, ranges=ranges), window)
    source = replace(source, voxel_size_um=voxel_size_um or source.voxel_size_um)
    loaded = fitted(loaded, source.array, voxel_size_um=source.voxel_size_um)
    with bar("scoring") as progress:
        found = suggest_boxes(
            loaded,
            source.array,
            out=output,
            settings=settings,
            sweep=sweep,
            annotated=earlier,
            embeddings=vectors,
            voxel_size_um=source.voxel_size_um,
            source_name=Path(volume).name,
            lower=source.lower,
            replace=force,
            device=place,
            progress=progress,
        )
    for each in found:
        score = "" if each.score != each.score else f"  {each.score:.4g}"
        yield f"{each.box.name}{score}"
    yield f"{len(found)} boxes written to {output}; its README says how to annotate them"
