"""The command line of mtneuro-probe."""

import os
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, CycloptsError, Parameter

from mtneuro_probe.sample import CORNERS

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

    from mtneuro_probe.embeddings import Embeddings
    from mtneuro_probe.reading import LabelFile

app = App(
    name="mtneuro-probe",
    help=(
        "What an embedding knows about tissue: measure label images, read the measurements out of "
        "embeddings, and draw both."
    ),
    help_format="markdown",
    suppress_keyboard_interrupt=False,
    default_parameter=Parameter(negative=""),
)

FIGURE_SUFFIXES = (".png", ".pdf", ".svg")

Output = Annotated[Path, Parameter(name=["--output", "-o"])]


@app.command
def features(
    labels: Path,
    /,
    *,
    output: Output,
    cube: str | None = None,
    first_z: int = 0,
    voxel_size_um: tuple[float, float, float] | None = None,
    vessel_value: int = 1,
    cell_value: int = 2,
    axon_value: int = 3,
    not_annotated: Annotated[
        tuple[Literal["vessel", "cell", "axon"], ...], Parameter(consume_multiple=True)
    ] = (),
    ignore: Annotated[tuple[int, ...], Parameter(consume_multiple=True)] = (),
    minimum_area_px: int = 1,
    neighbour: int = 1,
) -> None:
    """Measure the five semantic features of every image of a label volume.

    Writes one row an image: vessel and axon density (fractions of the image), cell count, mean cell size
    (µm²) and mean distance to the nearest cell (µm). A missing value is left empty.

    Example: `mtneuro-probe features labels.npz -o features.csv --not-annotated axon`

    Parameters
    ----------
    labels
        Label images: an .npz export (its masks), an .npy array (images, y, x), or a Zarr.
    output
        Table to write, .csv or .parquet.
    cube
        Name of the cube for the ids of the rows, where the file has none. By default the file's name.
    first_z
        Slice number of the first image, where the file has no ids.
    voxel_size_um
        Voxel size z y x in micrometres. By default the file's own, or else 1.17 1.17 1.17.
    vessel_value
        Label value of blood vessels.
    cell_value
        Label value of cells.
    axon_value
        Label value of axons.
    not_annotated
        Labels that nobody drew in this volume; their features are missing.
    ignore
        Further label values that count as background.
    minimum_area_px
        Smaller components of the cell label are no cells.
    neighbour
        Which neighbour the distance goes to; 1 is the nearest.
    """
    from mtneuro_probe.features import LABEL_VALUES, semantic_features
    from mtneuro_probe.reading import load_labels
    from mtneuro_probe.tables import check_table_path, save_table

    check_table_path(output)
    _check_folder(output)
    source = load_labels(labels)
    given = {"vessel": vessel_value, "cell": cell_value, "axon": axon_value}
    # A file that names its classes knows better than the defaults, but not than the user.
    named = given if given != dict(LABEL_VALUES) or source.label_values is None else source.label_values
    with _bar("features") as progress:
        table = semantic_features(
            source.labels,
            sample_id=_ids(source, cube if cube is not None else labels.name.split(".")[0], first_z),
            voxel_size_um=voxel_size_um or source.voxel_size_um or (1.17, 1.17, 1.17),
            label_values={name: value for name, value in named.items() if name not in not_annotated},
            ignore=ignore,
            minimum_area_px=minimum_area_px,
            neighbour=neighbour,
            progress=progress,
        )
    save_table(output, table)
    print(
        table.describe().loc[["count", "mean", "std", "min", "max"]].T.to_string(float_format="{:.4g}".format)
    )
    print(f"{len(table)} images -> {output}")


@app.command
def readout(
    embeddings: Path,
    features: Path | None = None,
    /,
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    figure: Path | None = None,
    n_splits: int = 5,
    gap: int = 10,
    regions: Path | None = None,
    test: Path | None = None,
) -> None:
    """Score how much of each feature, or of the brain region, a linear model finds in embeddings.

    Features: R² on the same samples (the paper's) and cross-validated over blocks of slices with a gap.
    Regions: accuracy on the samples of another embeddings file.

    Example: `mtneuro-probe readout embeddings.npz features.csv -o readout.csv --figure r2.png`

    Example: `mtneuro-probe readout train.npz --test test.npz --regions images.npz`

    Parameters
    ----------
    embeddings
        Embeddings file (.npz).
    features
        Table of features of the same samples (.csv or .parquet).
    output
        Table of scores to write, .csv or .parquet.
    figure
        Figure to write: bars of R², or the confusion matrix (.png, .pdf or .svg).
    n_splits
        Number of contiguous blocks of slices that each cube is cut into.
    gap
        Slices between training and test samples of one cube.
    regions
        An .npz with `region` and `sample_id`, such as an export: scores regions instead of features.
    test
        Embeddings file that regions are scored on.
    """
    for path, suffixes in ((output, (".csv", ".parquet")), (figure, FIGURE_SUFFIXES)):
        if path is not None:
            _check_suffix(path, suffixes)
            _check_folder(path)
    if regions is not None:
        if features is not None or test is None:
            raise ValueError("--regions needs --test EMBEDDINGS, and no table of features beside it")
        _score_regions(embeddings, test, regions, output=output, figure=figure)
        return
    if features is None:
        raise ValueError("readout needs a table of features, or --regions and --test; see readout --help")
    from mtneuro_probe.embeddings import load_embeddings, matched
    from mtneuro_probe.readout import feature_readout
    from mtneuro_probe.tables import load_features, save_table

    loaded = load_embeddings(embeddings)
    values = matched(loaded, load_features(features))
    with _bar("readout") as progress:
        table = feature_readout(loaded.embeddings, values, n_splits=n_splits, gap=gap, progress=progress)
    print(table.to_string(float_format="{:.3f}".format, na_rep="–"))
    if output is not None:
        save_table(output, table)
    if figure is not None:
        from mtneuro_probe.figures import r2_figure

        _save_figure(figure, r2_figure(table))


def _score_regions(
    train: Path, test: Path, regions: Path, *, output: Path | None, figure: Path | None
) -> None:
    import pandas as pd

    from mtneuro_probe.embeddings import load_embeddings
    from mtneuro_probe.reading import load_regions
    from mtneuro_probe.regions import region_readout
    from mtneuro_probe.tables import save_table

    fitted, tested = load_embeddings(train), load_embeddings(test)
    ids, region, names = load_regions(regions)
    score = region_readout(
        fitted.embeddings,
        _regions_of(fitted, ids, region),
        tested.embeddings,
        _regions_of(tested, ids, region),
        class_names=names,
    )
    told = "" if score.converged else " (the fit did not converge)"
    print(f"accuracy {score.accuracy:.3f} on {score.n_test} samples, fitted on {score.n_train}{told}")
    confusion = pd.DataFrame(score.confusion, index=score.class_names, columns=score.class_names)
    print(confusion.rename_axis(index="true \\ named").to_string())
    if output is not None:
        save_table(output, confusion.rename_axis("region"))
    if figure is not None:
        from mtneuro_probe.figures import confusion_figure

        _save_figure(figure, confusion_figure(score.confusion, score.class_names))


@app.command
def umap(
    embeddings: Path,
    /,
    *,
    output: Output,
    features: Path | None = None,
    regions: Path | None = None,
    n_neighbors: int = 100,
    seed: int = 42,
) -> None:
    """Draw embeddings in the plane, coloured by region and by each feature.

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
    _check_suffix(output, FIGURE_SUFFIXES)
    _check_folder(output)
    from mtneuro_probe.embeddings import load_embeddings, matched
    from mtneuro_probe.reading import load_regions
    from mtneuro_probe.tables import load_features

    loaded = load_embeddings(embeddings)
    table = None if features is None else matched(loaded, load_features(features))
    region = names = None
    if regions is not None:
        ids, all_regions, names = load_regions(regions)
        region = _regions_of(loaded, ids, all_regions)
    from mtneuro_probe.figures import umap_figure
    from mtneuro_probe.projection import umap_embedding

    points = umap_embedding(loaded.embeddings, n_neighbors=n_neighbors, seed=seed)
    _save_figure(output, umap_figure(points, region=region, region_names=names, features=table))


def _ids(source: "LabelFile", cube: str, first_z: int) -> "Sequence[str] | np.ndarray":
    if source.sample_id is not None:
        return source.sample_id
    return [f"{cube}/z{first_z + z}" for z in range(len(source.labels))]


def _regions_of(embeddings: "Embeddings", ids: "np.ndarray", region: "np.ndarray") -> "np.ndarray":
    """Return the region of each embedding; a corner without an entry of its own has its image's."""
    import numpy as np

    known = dict(zip(map(str, ids), region.tolist(), strict=True))
    wanted = [str(name) for name in embeddings.sample_id]
    image = [name.rpartition("/")[0] if name.endswith(CORNERS) else name for name in wanted]
    found = [known.get(name, known.get(whole)) for name, whole in zip(wanted, image, strict=True)]
    missing = [name for name, value in zip(wanted, found, strict=True) if value is None]
    if missing:
        raise ValueError(
            f"every embedding must have a region, {len(missing)} have none, "
            f"the first: {', '.join(missing[:10])}"
        )
    return np.array(found, dtype=np.int64)


def _check_suffix(path: Path, suffixes: Sequence[str]) -> None:
    if path.suffix not in suffixes:
        raise ValueError(f"the file to write must end in {', '.join(suffixes)}, got {path}")


def _check_folder(path: Path) -> None:
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"the folder to write to must exist, got {path}; create it first")


def _save_figure(path: Path, figure: "Figure") -> None:
    beside = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        figure.savefig(beside, dpi=150)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    print(f"figure -> {path}")


@contextmanager
def _bar(what: str) -> Generator[Callable[[int, int], None]]:
    """Draw a bar with time left on stderr, and give the callback that moves it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)

        def move(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield move


def main(words: Sequence[str] | None = None) -> None:
    """Run the command line on ``words``, by default the process's arguments.

    A mistake of the caller's is one line on stderr and status 2.
    """
    traced = os.environ.get("MTNEURO_TRACEBACK") == "1"
    try:
        app(
            sys.argv[1:] if words is None else words,
            exit_on_error=False,
            print_error=False,
            result_action="return_none",
        )
    except CycloptsError as error:
        _fail(str(error))
    except (ValueError, OSError) as error:
        if traced:
            raise
        _fail(str(error))
    except KeyboardInterrupt:
        print("mtneuro-probe: interrupted", file=sys.stderr)
        sys.exit(130)


def _fail(message: str) -> None:
    print(f"mtneuro-probe: error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)
