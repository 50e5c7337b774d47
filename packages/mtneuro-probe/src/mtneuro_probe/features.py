"""Semantic features: what an expert would count in a label image."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Float

from mtneuro_probe._shared.volume_file import LazyArray
from mtneuro_probe._shared.words import unknown_name
from mtneuro_probe.measures.original import ORIGINAL_COLUMNS, original_features
from mtneuro_probe.measures.table import check_images, check_values, checked_index, measured_table
from mtneuro_probe.registry import (
    FEATURES,
    LABEL_VALUES,
    REGISTRY,
    checked_names,
    distinct_values,
    label_measures,
    named_values,
)


def semantic_features(
    labels: LazyArray,
    *,
    sample_id: Sequence[str] | np.ndarray | None = None,
    voxel_size_um: Sequence[float] | Float[np.ndarray, "3"] | None = None,
    label_values: Mapping[str, int] | None = None,
    instances: str | None = None,
    features: Sequence[str] = FEATURES,
    definition: Literal["image", "original"] = "image",
    components: Literal["2d", "3d"] = "2d",
    connectivity: int | None = None,
    corners: bool = False,
    ignore: Sequence[int] = (),
    minimum_area_px: int = 1,
    neighbour: int = 1,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Return semantic features of each label image: by default the five of the paper's Task 3.

    Cells are the 8-connected components of the cell label within one image. With p pixels in an
    image, of which p_v are vessel and p_a axon, and cells of areas A_i with centroids c_i,

    - ``vessel_density`` = p_v / p and ``axon_density`` = p_a / p, fractions of the image;
    - ``cell_count`` = the number N of cells;
    - ``cell_size`` = mean of A_i in µm², missing where there is no cell;
    - ``nearest_neighbour_distance`` = mean over i of the distance from c_i to its nearest other
      c_j in µm, missing where there are fewer than two cells.

    The further features of ``ALL_FEATURES`` are defined, with their sources, where the package's
    documentation lists them.

    Parameters
    ----------
    labels
        Integer label images ``(images, y, x)``, 0 = background: an array, or anything that is sliced like
        one. A Zarr array is read piece by piece and may be larger than memory.
    sample_id
        Ids of the images, the table's index. By default ``labels/z0``, ``labels/z1``, …
    voxel_size_um
        Voxel size ``(z, y, x)`` in micrometres. Without it lengths and areas count pixels, and the names of
        their columns end in ``_px``: ``cell_size_px`` in px², ``nearest_neighbour_distance_px`` in px.
    label_values
        The value of ``vessel``, ``cell`` and ``axon``, by default ``LABEL_VALUES``. A name that is left out
        was not annotated: its features are missing throughout.
    instances
        The one of the three names whose objects are told apart in the labels themselves, as ids of instances
        are: every value but 0, ``label_values`` (none by default then) and ``ignore`` is one object, also
        where it touches another, and where an image shows it in several pieces.
    features
        Names of the features, the table's columns.
    definition
        ``image`` as above; ``original`` gives the numbers of the original benchmark's code, in its units
        (percent and pixels) and with its mistakes, for the four corners of each slice; see
        ``original_features``. It takes no other setting.
    components
        ``2d``: cells are found in each image by itself. ``3d``: in the volume that consecutive slices of
        a cube form by their ids, in any order, before any corner is cut; two outlines in an image that join
        above or below it are then one cell. Without ids, the images are consecutive slices of one volume.
        The volume must fit in memory.
    connectivity
        Which pixels join: 4 or 8 in 2D, 6, 18 or 26 in 3D. By default 8, and 6 in 3D.
    corners
        Measure the four corners of each image, of half its height and width; their ids end in
        ``/tl``, ``/tr``, ``/bl``, ``/br``.
    ignore
        Further label values that may be there and count as background.
    minimum_area_px
        Smaller components of the cell label are no cells. Densities count every pixel.
    neighbour
        Which neighbour the distance goes to; 1 is the nearest. An image needs more cells than this.
    workers
        Number of processes. The numbers do not depend on it.
    progress
        Called with the number of images done and of all images.

    Returns
    -------
    features
        A float64 column a feature, a row an image, NaN where a feature is missing.

    Raises
    ------
    ValueError
        If the labels are no stack of integer images or hold a value that nothing names, or a setting is
        outside its range.

    Notes
    -----
    A cell cut by the edge of the image counts as the part that is seen, and cells outside
    are no neighbours: sizes are lower and distances upper bounds near the edge. Source: the paper,
    section 4.3 and appendix 5.

    Examples
    --------
    Two cells of one pixel each, 3 pixels apart, and a vessel of two pixels:

    >>> image = np.zeros((1, 4, 5), np.uint8)
    >>> image[0, 0, [0, 3]] = 2
    >>> image[0, 3, :2] = 1
    >>> semantic_features(image, voxel_size_um=(2, 2, 2)).iloc[0].to_dict()
    {'vessel_density': 0.1, 'axon_density': 0.0, 'cell_count': 2.0, 'cell_size': 4.0,
    'nearest_neighbour_distance': 6.0}
    """
    if label_values is None:
        label_values = LABEL_VALUES if instances is None else {}
    values = named_values(label_values, instances=instances)
    if definition == "original":
        given = (
            dict(values),
            tuple(features),
            components,
            connectivity,
            minimum_area_px,
            neighbour,
            instances,
        )
        if given != (dict(LABEL_VALUES), FEATURES, "2d", None, 1, 1, None):
            raise ValueError("definition='original' takes no other setting of what is measured")
        check_images(labels)
        index = checked_index(sample_id, labels.shape[0], corners=True)
        whole = np.asarray(labels[...])
        check_values(whole, values, ignore)
        table = original_features(whole, progress=progress)
        return pd.DataFrame(table, columns=list(ORIGINAL_COLUMNS), index=index)
    if definition != "image":
        raise ValueError(unknown_name("definition", definition, ("image", "original")))
    wanted = {name: REGISTRY[name] for name in checked_names(features)}
    return measured_table(
        labels,
        wanted,
        values,
        sample_id=sample_id,
        voxel_size_um=voxel_size_um,
        components=components,
        connectivity=connectivity,
        corners=corners,
        ignore=ignore,
        minimum_area_px=minimum_area_px,
        neighbour=neighbour,
        instances=instances,
        workers=workers,
        progress=progress,
    )


def label_features(
    labels: LazyArray,
    label_values: Mapping[str, int],
    *,
    instances: str | None = None,
    sample_id: Sequence[str] | np.ndarray | None = None,
    voxel_size_um: Sequence[float] | Float[np.ndarray, "3"] | None = None,
    features: Sequence[str] = (),
    components: Literal["2d", "3d"] = "2d",
    connectivity: int | None = None,
    corners: bool = False,
    ignore: Sequence[int] = (),
    minimum_area_px: int = 1,
    neighbour: int = 1,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Return features of any labels: synapses, mitochondria, membranes.

    Parameters
    ----------
    labels, sample_id, voxel_size_um, components, connectivity, corners, ignore, minimum_area_px, neighbour, \
workers, progress
        As in ``semantic_features``.
    label_values
        A name of your own for each label value to measure; may be empty where there are instances.
    instances
        A name of your own for objects that the labels tell apart themselves, as ids of instances do: every
        value but 0, ``label_values`` and ``ignore`` is one object.
    features
        Names of the features, the table's columns: a label's name, an underscore, and ``density``, ``count``,
        ``size``, ``distance``, ``eccentricity``, ``width``, ``length_density``, ``orientation`` or
        ``coherence``. By default the first four of every label.

    Returns
    -------
    features
        A column for each feature; by default ``<name>_density`` (fraction), ``<name>_count``, ``<name>_size``
        (µm²) and ``<name>_distance`` (µm) for each name; without a voxel size ``<name>_size_px`` (px²) and
        ``<name>_distance_px`` (px).

    Raises
    ------
    ValueError
        As ``semantic_features``.

    Examples
    --------
    >>> image = np.zeros((1, 4, 5), np.uint8)
    >>> image[0, 0, [0, 3]] = 7
    >>> label_features(image, {"synapse": 7}, voxel_size_um=(1, 1, 1)).iloc[0].to_dict()
    {'synapse_density': 0.1, 'synapse_count': 2.0, 'synapse_size': 1.0, 'synapse_distance': 3.0}
    >>> features = ["synapse_count", "synapse_eccentricity"]
    >>> label_features(image, {"synapse": 7}, voxel_size_um=(1, 1, 1), features=features).iloc[0].to_dict()
    {'synapse_count': 2.0, 'synapse_eccentricity': 0.0}

    Two instances that touch are two:

    >>> touching = np.array([[[1 << 60, 1 << 60, 9, 9]]])
    >>> label_features(touching, {}, instances="neuron", voxel_size_um=(1, 1, 1))["neuron_count"].tolist()
    [2.0]
    """
    values = distinct_values(label_values, instances=instances)
    wanted = label_measures((*values, *([] if instances is None else [instances])), features)
    return measured_table(
        labels,
        wanted,
        values,
        sample_id=sample_id,
        voxel_size_um=voxel_size_um,
        components=components,
        connectivity=connectivity,
        corners=corners,
        ignore=ignore,
        minimum_area_px=minimum_area_px,
        neighbour=neighbour,
        instances=instances,
        workers=workers,
        progress=progress,
    )
