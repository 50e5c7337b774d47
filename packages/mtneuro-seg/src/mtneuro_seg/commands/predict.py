"""``mtneuro-seg predict``."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mtneuro_seg._shared.factories import look_here
from mtneuro_seg._shared.terminal import Force, Output, RangesOption, bar, check_output
from mtneuro_seg.commands.options import Device, Intensity, Trust, VoxelSize
from mtneuro_seg.volume.settings import SweepSettings

if TYPE_CHECKING:
    from mtneuro_seg._shared.volume_file import VolumeFile
    from mtneuro_seg.model import Model


def predict(
    model: Path,
    volume: str,
    /,
    *,
    output: Output,
    force: Force = False,
    sweep: Annotated[SweepSettings | None, Parameter(name="*", consume_multiple=True)] = None,
    probabilities: Path | None = None,
    device: Device = "auto",
    scheduler: str | None = None,
    tls: Path | None = None,
    trust: Trust = (),
    ranges: RangesOption = None,
    voxel_size_um: VoxelSize = None,
    intensity: Intensity = None,
) -> Iterator[str]:
    """Label a volume of any size, or a set of images, with a model.

    A window slides over the volume, and overlapping windows are blended. A .zarr is written shard by shard in
    constant memory; an interrupted prediction resumes when the same command is run again.

    - `mtneuro-seg predict models/unet brain.zarr -o labels.zarr`
    - `mtneuro-seg predict phantom-unet brain.zarr -o labels.zarr`

    Parameters
    ----------
    model
        Model folder, a model that comes with the package (`mtneuro-seg models --pretrained`), or a repository
        of one on the Hugging Face hub: owner/name or owner/name@REVISION.
    volume
        A volume (z, y, x) as a Zarr array, an OME-Zarr group or a .npy, or whatever else an installed
        mtneuro-data opens, such as bossdb://lab/scan/em; or images, in a .npz too.
    output
        Labels to write, uint8 in the shape of VOLUME: a .zarr, .npy or .npz; or an .ome.zarr, with levels and
        colours for napari and Neuroglancer.
    sweep
        How the window slides.
    probabilities
        Write the probability of each class too, (class, z, y, x), to this .zarr or .ome.zarr.
    device
        Where to compute; auto takes a GPU if there is one.
    scheduler
        Share the work among the workers of this Dask scheduler, such as tls://10.0.0.1:8786.
    tls
        Folder of the scheduler's certificates: ca.pem, cert.pem and key.pem.
    trust
        A factory, as package.module:factory or file.py:factory, that may be called if
        MODEL names it as its network.
    ranges
        The part of VOLUME to label.
    voxel_size_um
        Voxel size z y x in micrometres, where the volume does not state it; it is kept with the labels.
    intensity
        Intensities that become black and white, LO:HI, such as 0:4095. By default as the model was trained.
    """
    from mtneuro_seg._shared.hub import found_folder
    from mtneuro_seg._shared.intensity import parsed_window
    from mtneuro_seg.files import (
        check_labels_path,
        check_zarr_path,
        partial_folder,
        regions_of,
        seen_through,
    )

    _check_apart(volume, output, probabilities)
    check_labels_path(output)
    if probabilities is not None:
        check_zarr_path(probabilities)
    # What was begun here is gone on with.
    resumed = output.suffix == ".zarr" and partial_folder(output).is_dir()
    for path, what in ((output, "labels"), (probabilities, "probabilities")):
        if path is not None:
            check_output(path, what=what, force=force or resumed)
    if output.suffix != ".zarr" and (probabilities is not None or scheduler is not None):
        raise ValueError(f"--probabilities and --scheduler need a .zarr to write to, got {str(output)!r}")
    if tls is not None and scheduler is None:
        raise ValueError(f"--tls names the certificates of a --scheduler, got {str(tls)!r} and no scheduler")
    window = parsed_window(intensity)
    look_here(trust)
    chosen = sweep or SweepSettings()
    if scheduler is not None:
        from mtneuro_seg.volume.cluster import predict_volume_on_cluster

        with bar("shards") as progress:
            predict_volume_on_cluster(
                scheduler,
                found_folder(model),
                volume=volume,
                out=output,
                ranges=ranges,
                trusted=trust,
                sweep=chosen,
                probabilities=probabilities,
                device=None if device == "auto" else device,
                tls=tls,
                voxel_size_um=voxel_size_um,
                intensity=window,
                progress=progress,
            )
        yield f"labels written to {output}"
        return
    from mtneuro_seg._shared.devices import chosen_device
    from mtneuro_seg._shared.volume_file import open_volume_file
    from mtneuro_seg.fitting import fitted
    from mtneuro_seg.model import load_model
    from mtneuro_seg.volume.predict import predict_volume

    loaded = load_model(found_folder(model), trusted=trust)
    place = chosen_device(device).type
    source = open_volume_file(volume, ranges=ranges)
    source = replace(source, voxel_size_um=voxel_size_um or source.voxel_size_um)
    source = seen_through(source, window)
    loaded = fitted(loaded, source.array, voxel_size_um=source.voxel_size_um)
    shape = tuple(source.array.shape)
    with bar("predicting") as progress:
        if output.suffix == ".zarr" and len(shape) == 3:
            predict_volume(
                loaded,
                source.array,
                out=output,
                sweep=chosen,
                probabilities=probabilities,
                voxel_size_um=source.voxel_size_um,
                source_name=Path(volume).name,
                sample_id=source.sample_id,
                about=regions_of(source),
                lower=source.lower,
                device=place,
                progress=progress,
            )
        elif probabilities is not None or output.name.endswith(".ome.zarr"):
            raise ValueError(f"--probabilities and .ome.zarr need a volume (z, y, x), got shape {shape}")
        else:
            _predict_in_memory(loaded, source, output, sweep=chosen, device=place, progress=progress)
    yield f"labels {shape} written to {output}"


def _check_apart(volume: str, output: Path, probabilities: Path | None) -> None:
    """Raise if two of the paths are the same: the volume would be overwritten."""
    given = (Path(volume.partition("#")[0]), output, probabilities)
    paths = [path.resolve() for path in given if path is not None]
    if len(set(paths)) < len(paths):
        raise ValueError(f"VOLUME, --output and --probabilities must be different files, got {str(output)!r}")


def _predict_in_memory(
    model: "Model",
    source: "VolumeFile",
    output: Path,
    *,
    sweep: SweepSettings,
    device: str,
    progress: Callable[[int, int], None],
) -> None:
    from mtneuro_seg._shared.memory import memory_errors_named
    from mtneuro_seg.files import regions_of, save_labels
    from mtneuro_seg.inference import predict as predict_labels
    from mtneuro_seg.volume.predict import swept_labels

    with memory_errors_named("a volume that is not written to a .zarr", remedy="write to a .zarr"):
        array = source.loaded()
        if array.ndim == 3:
            labels = swept_labels(
                model, array, sweep=sweep, sample_id=source.sample_id, device=device, progress=progress
            )
        else:
            size = sweep.batch_size
            labels = predict_labels(model, array, batch_size=size, device=device, progress=progress)
    save_labels(
        output,
        labels,
        class_names=model.class_names,
        voxel_size_um=source.voxel_size_um,
        sample_id=source.sample_id,
        about=regions_of(source),
    )
