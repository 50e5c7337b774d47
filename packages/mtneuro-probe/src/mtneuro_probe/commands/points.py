"""The command ``points``: the objects of label images as point clouds."""

from collections.abc import Iterator
from typing import Annotated

from cyclopts import Parameter

import mtneuro_probe as probe
from mtneuro_probe._shared.terminal import Force, Output, RangesOption, bar, check_output
from mtneuro_probe.commands.labels import label_value, named_value
from mtneuro_probe.files import open_volume


def points(
    labels: str,
    /,
    *,
    output: Output,
    force: Force = False,
    cube: str | None = None,
    first_z: int = 0,
    ranges: RangesOption = None,
    voxel_size_um: Annotated[
        tuple[float, float, float] | None, Parameter(name=["--voxel-size", "--voxel-size-um"])
    ] = None,
    label: tuple[str, ...] = (),
    ignore: Annotated[tuple[int | str, ...], Parameter(consume_multiple=True)] = (),
    instances: str | None = None,
    connectivity: int = 8,
    corners: bool = False,
    minimum_area_px: int = 1,
    most_points: int = 4096,
) -> Iterator[str]:
    """Turn every image of a label volume into the point cloud of its objects.

    A point is the class of a connected component, the distance of its centroid from the middle of the image
    (y, x, in µm) and its area (µm²); pixels where neither the file nor --voxel-size states the size of a
    voxel. A segmentation network's prediction is a label volume too. `mtneuro-ssl train` learns from the file
    with the encoder `deepsets`.

    Example: `mtneuro-probe points labels.npz -o points.npz --label cell --label "blood vessel" --ignore axon`

    Example: `mtneuro-probe points instances.zarr -o neurons.npz --instances neuron --minimum-area-px 20`

    Parameters
    ----------
    labels
        Label images, as for `features`.
    output
        File of point clouds to write, .npz: `points` (images, points, 4), `count`, `sample_id` and
        `class_names`, and where they are known `voxel_size_um`, `region` and `region_names`.
    cube
        Name of the cube for the ids of the images, where the file has none. By default the file's name.
    first_z
        Number of the file's first slice, where the file has no ids.
    voxel_size_um
        Voxel size z y x in micrometres, where the file does not state it.
    label
        A label whose objects are points: NAME=VALUE, or the name of a class in the file, once for each. By
        default every class that the file names, or else vessel 1, cell 2 and axon 3.
    ignore
        Further labels that count as background, their values or their names in the file.
    instances
        The labels are ids of instances: every value but 0 and those given above is one object of this name,
        also where it touches another.
    connectivity
        How many neighbours of a pixel count as connected: 4 or 8.
    corners
        Write the clouds of the four corners of each image, each about its own middle.
    minimum_area_px
        Smaller objects are left out.
    most_points
        Points of an image at most; more are refused.
    """
    check_output(output, ".npz", what="point clouds", force=force)
    for option, number in (("--minimum-area-px", minimum_area_px), ("--most-points", most_points)):
        if number < 1:
            raise ValueError(f"{option} must be at least 1, got {number}")
    volume = open_volume(labels, key="masks", cube=cube, first_z=first_z, ranges=ranges)
    names, size = volume.class_names, voxel_size_um or volume.voxel_size_um
    values = None
    if label:
        values = dict(named_value(text, names) for text in label)
    elif names is not None and instances is None:
        left_out = {label_value(one, names, "--ignore") for one in ignore}
        values = {name: value for value, name in enumerate(names) if value and value not in left_out}
    with bar("points") as progress:
        clouds = probe.point_clouds(
            volume.array,
            values,
            instances=instances,
            sample_id=volume.sample_id,
            voxel_size_um=size,
            connectivity=connectivity,
            corners=corners,
            ignore=[label_value(one, names, "--ignore") for one in ignore],
            minimum_area_px=minimum_area_px,
            most_points=most_points,
            region=volume.region,
            region_names=volume.region_names,
            progress=progress,
        )
    for name, number, area in zip(
        clouds.class_names[1:], clouds.counts().mean(axis=0), clouds.mean_sizes().mean(axis=0), strict=True
    ):
        unit = "px²" if size is None else "µm²"
        yield f"{name}: {number:.4g} an image, of {area:.4g} {unit}"
    if size is None:
        yield f"{labels} states no voxel size, so lengths are in pixels; --voxel-size Z Y X, in µm, names it"
    probe.save_point_clouds(output, clouds)
    yield f"clouds of {len(clouds)} images, of {clouds.points.shape[1]} points at most, written to {output}"
