"""The command ``features``: label images measured to a table."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter

import mtneuro_probe as probe
from mtneuro_probe._shared.terminal import Force, Output, RangesOption, bar
from mtneuro_probe.commands.labels import label_value, named_value
from mtneuro_probe.commands.outputs import check_table, write_table
from mtneuro_probe.files import open_volume

_MEANING = Group("What the labels mean")
_MEASURED = Group("What is measured")


def features(
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
    vessel_value: Annotated[int | str | None, Parameter(group=_MEANING)] = None,
    cell_value: Annotated[int | str | None, Parameter(group=_MEANING)] = None,
    axon_value: Annotated[int | str | None, Parameter(group=_MEANING)] = None,
    not_annotated: Annotated[
        tuple[Literal["vessel", "cell", "axon"], ...], Parameter(consume_multiple=True, group=_MEANING)
    ] = (),
    label: Annotated[tuple[str, ...], Parameter(group=_MEANING)] = (),
    ignore: Annotated[tuple[int | str, ...], Parameter(consume_multiple=True, group=_MEANING)] = (),
    instances: Annotated[str | None, Parameter(group=_MEANING)] = None,
    feature: Annotated[tuple[str, ...], Parameter(group=_MEASURED)] = (),
    definition: Annotated[Literal["image", "original"], Parameter(group=_MEASURED)] = "image",
    components: Annotated[Literal["2d", "3d"], Parameter(group=_MEASURED)] = "2d",
    connectivity: Annotated[int | None, Parameter(group=_MEASURED)] = None,
    corners: Annotated[bool, Parameter(group=_MEASURED)] = False,
    minimum_area_px: Annotated[int, Parameter(group=_MEASURED)] = 1,
    neighbour: Annotated[int, Parameter(group=_MEASURED)] = 1,
    workers: int = 1,
) -> Iterator[str]:
    """Measure the semantic features of every image of a label volume.

    Writes one row an image: by default vessel and axon density (fractions of the image), cell count, mean
    cell size (µm²) and mean distance to the nearest cell (µm). A missing value is left empty. Where neither
    the file nor --voxel-size states the size of a voxel, lengths and areas count pixels, in columns that end
    in _px.

    Example: `mtneuro-probe features labels.npz -o features.csv --not-annotated axon`

    Example: `mtneuro-probe features em.zarr -o synapses.csv --label synapse=5 --voxel-size 0.04 0.004
    0.004`

    Example: `mtneuro-probe features instances.zarr -o neurons.csv --instances neuron`

    Parameters
    ----------
    labels
        Label images: an .npz export (its masks), an .npy array (images, y, x), a Zarr or OME-Zarr, which is
        streamed, or with mtneuro-data installed whatever it opens, such as bossdb://lab/scan/labels.
    output
        Table to write, .csv or .parquet.
    cube
        Name of the cube for the ids of the rows, where the file has none. By default the file's name.
    first_z
        Number of the file's first slice, where the file has no ids.
    voxel_size_um
        Voxel size z y x in micrometres, where the file does not state it.
    vessel_value
        Label of blood vessels: its value, or its name in the file. By default as the file's class names say,
        or else 1.
    cell_value
        Label of cells, likewise. By default as the file's class names say, or else 2.
    axon_value
        Label of axons, likewise. By default as the file's class names say, or else 3.
    not_annotated
        Labels that were not annotated in this volume; their features are missing.
    label
        Measure a label of your own instead: NAME=VALUE, or the name of a class in the file, once for each. By
        default as the file's class names say, where they name others than the three above.
    ignore
        Further labels that count as background, their values or their names in the file.
    instances
        The labels are ids of instances: every value but 0 and those given above is one object of this name,
        also where it touches another. The name is cell, vessel or axon, or one of your own.
    feature
        Name of a feature, once for each; `all` for every one. By default the paper's five, and of labels of
        your own density, count, size and distance of each: NAME_density, NAME_count, … (also NAME_width,
        NAME_length_density, NAME_eccentricity, NAME_orientation, NAME_coherence).
    definition
        `original` gives the original benchmark's numbers, mistakes included,
        for the four corners of each slice.
    components
        Whether cells are found in each image by itself or in the volume.
    connectivity
        How many neighbours of a pixel count as connected: 4 or 8 in 2d (8 by default), 6, 18 or 26 in 3d (6).
    corners
        Measure the four corners of each image.
    minimum_area_px
        Smaller components of a label are left out.
    neighbour
        Neighbour to measure the distance to; 1 is the nearest.
    workers
        Number of processes.
    """
    check_table(output, force=force)
    for option, number in (
        ("--workers", workers),
        ("--minimum-area-px", minimum_area_px),
        ("--neighbour", neighbour),
    ):
        if number < 1:
            raise ValueError(f"{option} must be at least 1, got {number}")
    from mtneuro_probe.registry import every_measure, values_of

    given = {"vessel": vessel_value, "cell": cell_value, "axon": axon_value}
    of_paper = definition != "image" or not_annotated or any(value is not None for value in given.values())
    own_instances = instances not in (None, *given)
    if (label or own_instances) and of_paper:
        raise ValueError(
            f"{'--label' if label else f'--instances {instances}'} measures labels of your own: leave "
            "--definition, --not-annotated, --vessel-value, --cell-value and --axon-value out"
        )
    volume = open_volume(labels, key="masks", cube=cube, first_z=first_z, ranges=ranges)
    names = volume.class_names
    size = voxel_size_um or volume.voxel_size_um
    with bar("features") as progress:
        settings: dict[str, Any] = {
            "sample_id": volume.sample_id,
            "voxel_size_um": size,
            "components": components,
            "connectivity": connectivity,
            "corners": corners,
            "ignore": [label_value(value, names, "--ignore") for value in ignore],
            "instances": instances,
            "minimum_area_px": minimum_area_px,
            "neighbour": neighbour,
            "workers": workers,
            "progress": progress,
        }
        own = dict(named_value(text, names) for text in label)
        known = names or ()
        if not label and instances is None and not of_paper and len(values_of(known)) < len(known[1:]):
            own = {name: value for value, name in enumerate(known) if value}
        if own or own_instances:
            measured = [*own, *([] if instances is None else [instances])]
            named = tuple(every_measure(measured)) if "all" in feature else feature
            table = probe.label_features(volume.array, own, features=named, **settings)
        else:
            values = dict(probe.LABEL_VALUES if names is None else values_of(names))
            if instances is not None:
                values = {}
            values |= {
                name: label_value(value, names, f"--{name}-value")
                for name, value in given.items()
                if value is not None
            }
            _check_different(values)
            table = probe.semantic_features(
                volume.array,
                label_values={name: value for name, value in values.items() if name not in not_annotated},
                features=probe.ALL_FEATURES if "all" in feature else feature or probe.FEATURES,
                definition=definition,
                **settings,
            )
    spread = table.describe().loc[["count", "mean", "std", "min", "max"]].T
    yield spread.to_string(float_format="{:.4g}".format)
    if size is None and definition == "image":
        yield f"{labels} states no voxel size, so lengths are in pixels; --voxel-size Z Y X, in µm, names it"
    yield from write_table(output, table)


def _check_different(values: Mapping[str, int]) -> None:
    """Raise ``ValueError`` where two labels have one value."""
    if len(set(values.values())) < len(values):
        told = ", ".join(f"--{name}-value {value}" for name, value in values.items())
        raise ValueError(f"each label must have a value of its own, got {told}")
