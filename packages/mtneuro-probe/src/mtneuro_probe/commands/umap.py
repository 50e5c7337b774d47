"""The command ``umap``: embeddings drawn in the plane."""

from collections.abc import Iterator
from pathlib import Path

import mtneuro_probe as probe
from mtneuro_probe._shared.terminal import Force, Output
from mtneuro_probe.commands.outputs import check_figures, check_seed, write_figure
from mtneuro_probe.files import load_regions


def umap(
    embeddings: Path,
    /,
    *,
    output: Output,
    force: Force = False,
    features: Path | None = None,
    regions: Path | None = None,
    neighbours: int = 100,
    seed: int = 42,
) -> Iterator[str]:
    """Draw embeddings in the plane, coloured by region and by each feature.

    A picture, never a score: distances between groups in it mean little.

    Example: `mtneuro-probe umap embeddings.npz -o umap.png --features features.csv --regions images.npz`

    Parameters
    ----------
    embeddings
        Embeddings file (.npz).
    output
        Figure to write (.png, .pdf or .svg).
    features
        Table of features of the same samples (.csv or .parquet); a panel each.
    regions
        An .npz with `region` and `sample_id`, such as an export; a panel.
    neighbours
        Size of the neighbourhood that the layout preserves.
    seed
        Seed of the layout.
    """
    check_figures(output, force=force)
    check_seed(seed)
    if neighbours < 2:
        raise ValueError(f"--neighbours must be at least 2, got {neighbours}")
    from mtneuro_probe.matching import rows_of
    from mtneuro_probe.tables import load_features

    loaded = probe.load_embeddings(embeddings)
    table = None if features is None else probe.matched(loaded, load_features(features))
    region = names = None
    if regions is not None:
        ids, every_region, names = load_regions(regions)
        region = every_region[rows_of(loaded, ids, what="a region")]
    points = probe.umap_embedding(loaded.embeddings, n_neighbors=neighbours, seed=seed)
    yield from write_figure(
        output,
        lambda: probe.umap_figure(points, region=region, region_names=names, features=table),
    )
