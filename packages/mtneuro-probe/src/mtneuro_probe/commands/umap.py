"""The command ``umap``: embeddings drawn in the plane."""

from collections.abc import Iterator
from pathlib import Path

from mtneuro_probe._shared.terminal import Output
from mtneuro_probe.commands.outputs import check_figures


def umap(
    embeddings: Path,
    /,
    *,
    output: Output,
    features: Path | None = None,
    regions: Path | None = None,
    n_neighbors: int = 100,
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
    n_neighbors
        Size of the neighbourhood that the layout keeps.
    seed
        Seed of the layout.
    """
    check_figures(output)
    from mtneuro_probe.embeddings import load_embeddings
    from mtneuro_probe.files import load_regions, save_figure
    from mtneuro_probe.matching import matched, rows_of
    from mtneuro_probe.tables import load_features

    loaded = load_embeddings(embeddings)
    table = None if features is None else matched(loaded, load_features(features))
    region = names = None
    if regions is not None:
        ids, every_region, names = load_regions(regions)
        region = every_region[rows_of(loaded, ids, what="a region")]
    from mtneuro_probe.figures.umap import umap_figure
    from mtneuro_probe.projection import umap_embedding

    points = umap_embedding(loaded.embeddings, n_neighbors=n_neighbors, seed=seed)
    save_figure(output, umap_figure(points, region=region, region_names=names, features=table))
    yield f"figure written to {output}"
