"""The command ``map``: a map of embeddings turned into a map of a feature."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

import mtneuro_probe as probe
from mtneuro_probe._shared.files import written_beside
from mtneuro_probe._shared.terminal import Force, Output, Ranges, bar, check_output
from mtneuro_probe.commands.outputs import check_figures, write_figure
from mtneuro_probe.files import open_embedding_map, open_volume


def map(  # noqa: A001 - the verb's name
    embeddings: Path,
    features: Path,
    embedding_map: Path,
    /,
    *,
    feature: str,
    output: Output,
    force: Force = False,
    figure: Path | None = None,
    image: str | None = None,
    z: str = "0:1",
    step_um: tuple[float, float] | None = None,
    n_splits: int = 5,
    gap: int = 10,
) -> Iterator[str]:
    """Turn a map of embeddings into a map of a feature: cell density over the brain without a pixel label.

    Fits the readout of one feature to labelled samples, and applies it wherever the map has an embedding.

    Example: `mtneuro-probe map embeddings.npz features.csv slice.zarr --feature cell_count -o cells.zarr`

    Parameters
    ----------
    embeddings
        Embeddings file (.npz) of the labelled samples.
    features
        Table of their features (.csv or .parquet).
    embedding_map
        Embeddings over a slice (y, x, features) or a volume (z, y, x, features): an .npy array or a Zarr
        array, which is streamed; NaN where there is none. By the same encoder, of images of the same size.
    feature
        Name of the feature to map.
    output
        Map to write: a Zarr folder (.zarr) or an array (.npy).
    figure
        Figure of the map to write (.png, .pdf or .svg).
    image
        The slice itself, or the volume that it lies in, to show beside the map: .npy, .npz, Zarr, or with
        mtneuro-data installed whatever it opens.
    z
        Which slice of a volume's map, and of the image's volume, the figure shows, as 5:6 for slice 5.
    step_um
        Distance between neighbouring embeddings y x in micrometres, for the figure's axes. By default the
        map's own.
    n_splits
        Number of blocks of slices over which the ridge's strength is chosen.
    gap
        Slices left out between blocks.
    """
    check_output(output, ".zarr", ".npy", what="a map", force=force)
    check_figures(figure, force=force)
    import zarr

    from mtneuro_probe.readout.maps import fraction_outside
    from mtneuro_probe.tables import load_features

    loaded = probe.load_embeddings(embeddings)
    table = probe.matched(loaded, load_features(features))
    model = probe.fit_readout(loaded.embeddings, table, feature=feature, n_splits=n_splits, gap=gap)
    source, step = open_embedding_map(embedding_map)
    slices = source.shape[0] if len(source.shape) == 4 else 1
    at = 0 if figure is None else _slice_of(z, slices)
    volume = None if image is None else open_volume(image, key="images").array
    picture = None if volume is None else np.asarray(volume[at if volume.shape[0] > 1 else 0])
    with bar("map") as progress:
        if output.suffix == ".npy":
            written = probe.feature_map(model, source, progress=progress)
            with written_beside(output) as beside:
                np.save(beside, written)
        else:
            probe.write_feature_map(
                model,
                source,
                path=output,
                replace=force,
                feature=feature,
                unit=probe.feature_unit(feature),
                step_um=step,
                progress=progress,
            )
            written = zarr.open_array(output, mode="r")
    strange = fraction_outside(written, table[feature].to_numpy(dtype=np.float64))
    yield f"{strange:.1%} of the map lies outside the range of the labelled samples"
    yield f"{feature} of {' x '.join(str(size) for size in written.shape)} places written to {output}"
    if figure is not None:
        plane_um = step_um or (None if step is None else (step[-2], step[-1]))
        shown = np.asarray(written[at] if len(written.shape) == 3 else written[...])
        if z.isdecimal():
            yield f"--z {z} is now --z {z}:{at + 1}"
        yield from write_figure(
            figure, lambda: probe.map_figure(shown, feature=feature, step_um=plane_um, image=picture)
        )


def _slice_of(z: str, count: int) -> int:
    """Return the one slice, of so many, that a range names: 5 for 5:6, or for the older form 5."""
    part, _, _ = Ranges(z=f"{z}:{int(z) + 1}" if z.isdecimal() else z).slices((count, 1, 1))
    if part.stop - part.start > 1:
        raise ValueError(f"--z must be a range of one slice, which the figure shows, such as 5:6, got {z!r}")
    return part.start
