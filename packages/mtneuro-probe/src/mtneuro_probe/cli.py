"""The command line of mtneuro-probe."""

import os
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, CycloptsError, Group, Parameter

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

app = App(
    name="mtneuro-probe",
    help=(
        "What an embedding knows about tissue: measure label images, read the measurements out of "
        "embeddings, map them, and draw it all."
    ),
    help_format="markdown",
    suppress_keyboard_interrupt=False,
    default_parameter=Parameter(negative=""),
)

FIGURE_SUFFIXES = (".png", ".pdf", ".svg")
TABLE_SUFFIXES = (".csv", ".parquet")

_MEANING = Group("What the labels mean")
_MEASURED = Group("What is measured")
_FEATURES = Group("Features")
_REGIONS = Group("Regions, instead of features")

Output = Annotated[Path, Parameter(name=["--output", "-o"])]
OptionalOutput = Annotated[Path | None, Parameter(name=["--output", "-o"])]


@app.command
def features(
    labels: Path,
    /,
    *,
    output: Output,
    cube: str | None = None,
    first_z: int = 0,
    voxel_size_um: tuple[float, float, float] | None = None,
    vessel_value: Annotated[int | None, Parameter(group=_MEANING)] = None,
    cell_value: Annotated[int | None, Parameter(group=_MEANING)] = None,
    axon_value: Annotated[int | None, Parameter(group=_MEANING)] = None,
    not_annotated: Annotated[
        tuple[Literal["vessel", "cell", "axon"], ...], Parameter(consume_multiple=True, group=_MEANING)
    ] = (),
    label: Annotated[tuple[str, ...], Parameter(group=_MEANING)] = (),
    ignore: Annotated[tuple[int, ...], Parameter(consume_multiple=True, group=_MEANING)] = (),
    feature: Annotated[tuple[str, ...], Parameter(group=_MEASURED)] = (),
    definition: Annotated[Literal["image", "original"], Parameter(group=_MEASURED)] = "image",
    components: Annotated[Literal["2d", "3d"], Parameter(group=_MEASURED)] = "2d",
    connectivity: Annotated[int | None, Parameter(group=_MEASURED)] = None,
    corners: Annotated[bool, Parameter(group=_MEASURED)] = False,
    minimum_area_px: Annotated[int, Parameter(group=_MEASURED)] = 1,
    neighbour: Annotated[int, Parameter(group=_MEASURED)] = 1,
    workers: int = 1,
) -> None:
    """Measure the semantic features of every image of a label volume.

    Writes one row an image: by default vessel and axon density (fractions of the image), cell count, mean
    cell size (µm²) and mean distance to the nearest cell (µm). A missing value is left empty.

    Example: `mtneuro-probe features labels.npz -o features.csv --not-annotated axon`

    Example: `mtneuro-probe features em.zarr -o synapses.csv --label synapse=5 --voxel-size-um 0.04 0.004
    0.004`

    Parameters
    ----------
    labels
        Label images: an .npz export (its masks), an .npy array (images, y, x), or a Zarr, which is streamed.
    output
        Table to write, .csv or .parquet.
    cube
        Name of the cube for the ids of the rows, where the file has none. By default the file's name.
    first_z
        Slice number of the first image, where the file has no ids.
    voxel_size_um
        Voxel size z y x in micrometres. By default the file's own, or else 1.17 1.17 1.17.
    vessel_value
        Label value of blood vessels. By default as the file's class names say, or else 1.
    cell_value
        Label value of cells. By default as the file's class names say, or else 2.
    axon_value
        Label value of axons. By default as the file's class names say, or else 3.
    not_annotated
        Labels that nobody drew in this volume; their features are missing.
    label
        Measure density, count, size and distance of a label of your own instead: NAME=VALUE, once for each.
    ignore
        Further label values that count as background.
    feature
        Name of a feature, once for each; `all` for every one. By default the paper's five.
    definition
        `original` gives the original benchmark's numbers, slips included, for the four corners of each slice.
    components
        Whether cells are found in each image by itself or in the volume.
    connectivity
        Which pixels join: 4 or 8 in 2d (8 by default), 6, 18 or 26 in 3d (6).
    corners
        Measure the four corners of each image.
    minimum_area_px
        Smaller components of a label are left out.
    neighbour
        Which neighbour the distance goes to; 1 is the nearest.
    workers
        Number of processes.
    """
    _check_output(output, TABLE_SUFFIXES)
    from mtneuro_probe.features import label_features, semantic_features
    from mtneuro_probe.reading import load_volume
    from mtneuro_probe.registry import ALL_FEATURES, FEATURES, LABEL_VALUES
    from mtneuro_probe.tables import save_table

    source = load_volume(labels)
    known = LABEL_VALUES if source.label_values is None else source.label_values
    given = {"vessel": vessel_value, "cell": cell_value, "axon": axon_value}
    named = {**known, **{name: value for name, value in given.items() if value is not None}}
    ids = source.ids(cube if cube is not None else labels.name.split(".")[0], first_z=first_z)
    size = voxel_size_um or source.voxel_size_um or (1.17, 1.17, 1.17)
    with _bar("features") as progress:
        if label:
            if feature or definition != "image" or not_annotated or any(given.values()):
                raise ValueError(
                    "--label measures labels of your own, and goes with no other label or feature"
                )
            table = label_features(
                source.array,
                dict(_named_value(text) for text in label),
                sample_id=ids,
                voxel_size_um=size,
                components=components,
                connectivity=connectivity,
                corners=corners,
                ignore=ignore,
                minimum_area_px=minimum_area_px,
                neighbour=neighbour,
                workers=workers,
                progress=progress,
            )
        else:
            table = semantic_features(
                source.array,
                sample_id=ids,
                voxel_size_um=size,
                label_values={name: value for name, value in named.items() if name not in not_annotated},
                features=ALL_FEATURES if "all" in feature else feature or FEATURES,
                definition=definition,
                components=components,
                connectivity=connectivity,
                corners=corners,
                ignore=ignore,
                minimum_area_px=minimum_area_px,
                neighbour=neighbour,
                workers=workers,
                progress=progress,
            )
    save_table(output, table)
    print(
        table.describe().loc[["count", "mean", "std", "min", "max"]].T.to_string(float_format="{:.4g}".format)
    )
    print(f"{len(table)} rows -> {output}")


@app.command
def readout(
    embeddings: Path,
    features: Path | None = None,
    /,
    *,
    output: OptionalOutput = None,
    figure: Path | None = None,
    images: Path | None = None,
    n_splits: int = 5,
    gap: int = 10,
    seed: int = 0,
    scatter: Annotated[Path | None, Parameter(group=_FEATURES)] = None,
    permutations: Annotated[int, Parameter(group=_FEATURES)] = 200,
    within_cubes: Annotated[bool, Parameter(group=_FEATURES)] = False,
    second_annotation: Annotated[Path | None, Parameter(group=_FEATURES)] = None,
    regions: Annotated[Path | None, Parameter(group=_REGIONS)] = None,
    test: Annotated[Path | None, Parameter(group=_REGIONS)] = None,
    classifier: Annotated[Literal["logistic", "knn"], Parameter(group=_REGIONS)] = "logistic",
    confident: Annotated[Path | None, Parameter(group=_REGIONS)] = None,
) -> None:
    """Score how much of each feature, or of the brain region, a linear model finds in embeddings.

    Features: R² on the same samples (the paper's) and cross-validated over blocks of slices with a gap,
    with its interval and what chance gives. Regions: accuracy on the samples of another embeddings file, or
    cross-validated in the same way.

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
    images
        The images themselves (.npz, .npy or Zarr): adds the floors that need no encoder, and shows which
        images the region readout is sure of.
    n_splits
        Number of contiguous blocks of slices that each cube is cut into.
    gap
        Slices between training and test samples of one cube.
    seed
        Seed of the interval and the permutations.
    scatter
        Figure to write: each feature as measured against as read out.
    permutations
        Number of permutations for what chance gives; 0 for none.
    within_cubes
        Permute inside each cube only: is a feature known beyond its mean in the cube?
    second_annotation
        The same features by a second annotator, for the highest score that can be expected.
    regions
        An .npz with `region` and `sample_id`, such as an export.
    test
        Embeddings file that regions are scored on. Without it they are cross-validated.
    classifier
        Logistic regression or nearest neighbours.
    confident
        Figure to write: the images it is most and least sure of; needs --images.
    """
    _check_output(output, TABLE_SUFFIXES)
    for path in (figure, scatter, confident):
        _check_output(path, FIGURE_SUFFIXES)
    if regions is not None:
        if features is not None or scatter is not None or second_annotation is not None:
            raise ValueError("--regions scores regions, and goes with no features, scatter or annotation")
        if confident is not None and images is None:
            raise ValueError("--confident needs the images, --images VOLUME")
        _score_regions(
            embeddings, test, regions, output, figure, confident, images,
            classifier=classifier, n_splits=n_splits, gap=gap, seed=seed,
        )  # fmt: skip
        return
    if features is None or test is not None or confident is not None:
        raise ValueError("readout needs a table of features, or --regions (and --test); see readout --help")
    from mtneuro_probe.baselines import floor_embeddings
    from mtneuro_probe.embeddings import load_embeddings, matched
    from mtneuro_probe.reading import images_of, load_volume
    from mtneuro_probe.readout import feature_predictions, feature_readout
    from mtneuro_probe.tables import load_features, save_table

    loaded = load_embeddings(embeddings)
    values = matched(loaded, load_features(features))
    second = None if second_annotation is None else matched(loaded, load_features(second_annotation))
    floors = None
    if images is not None:
        volume = load_volume(images, key="images")
        floors = floor_embeddings(images_of(loaded, volume, cube=images.name.split(".")[0]), seed=seed)
    with _bar("readout") as progress:
        table = feature_readout(
            loaded.embeddings,
            values,
            n_splits=n_splits,
            gap=gap,
            n_permutations=permutations,
            within_cubes=within_cubes,
            floors=floors,
            second_annotation=second,
            seed=seed,
            progress=progress,
        )
    _print_scores(table)
    if output is not None:
        save_table(output, table)
    if figure is not None:
        from mtneuro_probe.readout_figures import r2_figure

        _save_figure(figure, r2_figure(table))
    if scatter is not None:
        from mtneuro_probe.readout_figures import scatter_figure

        predicted = feature_predictions(loaded.embeddings, values, n_splits=n_splits, gap=gap)
        _save_figure(scatter, scatter_figure(values, predicted))


def _score_regions(
    train: Path,
    test: Path | None,
    regions: Path,
    output: Path | None,
    figure: Path | None,
    confident: Path | None,
    images: Path | None,
    *,
    classifier: Literal["logistic", "knn"],
    n_splits: int,
    gap: int,
    seed: int,
) -> None:
    import pandas as pd

    from mtneuro_probe.embeddings import load_embeddings
    from mtneuro_probe.reading import images_of, load_regions, load_volume, rows_of
    from mtneuro_probe.regions import region_cross_validation, region_readout
    from mtneuro_probe.tables import save_table

    ids, region, names = load_regions(regions)
    fitted = load_embeddings(train)
    truth = region[rows_of(fitted, ids, what="a region")]
    scored = fitted
    if test is None:
        score = region_cross_validation(
            fitted.embeddings,
            truth,
            sample_id=fitted.sample_id,
            class_names=names,
            classifier=classifier,
            n_splits=n_splits,
            gap=gap,
            seed=seed,
        )
    else:
        scored = load_embeddings(test)
        tested = region[rows_of(scored, ids, what="a region")]
        score = region_readout(
            fitted.embeddings,
            truth,
            scored.embeddings,
            tested,
            class_names=names,
            classifier=classifier,
            test_sample_id=scored.sample_id,
            run_length=max(1, gap),
            seed=seed,
        )
        truth = tested
    told = "" if score.converged else " (a fit did not converge)"
    print(
        f"accuracy {score.accuracy:.3f} "
        f"(95 % interval {score.accuracy_low:.3f} to {score.accuracy_high:.3f}, "
        f"chance {score.chance:.3f}) on {score.n_test} samples, fitted on {score.n_train}{told}"
    )
    confusion = pd.DataFrame(score.confusion, index=score.class_names, columns=score.class_names)
    print(confusion.rename_axis(index="true \\ named").to_string())
    if output is not None:
        save_table(output, confusion.rename_axis("region"))
    if figure is not None:
        from mtneuro_probe.figures import confusion_figure

        _save_figure(figure, confusion_figure(score.confusion, score.class_names))
    if confident is not None and images is not None:
        from mtneuro_probe.image_figures import confidence_figure

        volume = load_volume(images, key="images")
        pictures = images_of(scored, volume, cube=images.name.split(".")[0])
        _save_figure(confident, confidence_figure(pictures, score, truth))


@app.command(name="map")
def map_(
    embeddings: Path,
    features: Path,
    embedding_map: Path,
    /,
    *,
    feature: str,
    output: Output,
    figure: Path | None = None,
    image: Path | None = None,
    z: int = 0,
    step_um: tuple[float, float] | None = None,
    n_splits: int = 5,
    gap: int = 10,
) -> None:
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
        Embeddings over a slice (y, x, features) or a volume (z, y, x, features): an .npy array or a Zarr,
        which is streamed; NaN where there is none. By the same encoder, of images of the same size.
    feature
        Name of the feature to map.
    output
        Map to write: a Zarr folder (.zarr) or an array (.npy).
    figure
        Figure of the map to write (.png, .pdf or .svg).
    image
        The slice itself (.npy), to show beside the map.
    z
        Which slice of a volume's map the figure shows.
    step_um
        Distance between neighbouring embeddings y x in micrometres, for the figure's axes. By default the
        map's own.
    n_splits
        Blocks of slices that the ridge's strength is chosen over.
    gap
        Slices between them.
    """
    _check_output(output, (".zarr", ".npy"))
    _check_output(figure, FIGURE_SUFFIXES)
    if output.exists() and output.suffix == ".zarr":
        raise FileExistsError(f"a map is written to a new folder, {output} is there already")
    import numpy as np

    from mtneuro_probe.embeddings import load_embeddings, matched
    from mtneuro_probe.maps import (
        feature_map,
        fitted_readout,
        fraction_outside,
        save_map,
        write_feature_map,
    )
    from mtneuro_probe.reading import load_volume
    from mtneuro_probe.registry import FEATURE_UNITS
    from mtneuro_probe.tables import load_features

    loaded = load_embeddings(embeddings)
    table = matched(loaded, load_features(features))
    model = fitted_readout(loaded.embeddings, table, feature=feature, n_splits=n_splits, gap=gap)
    source = load_volume(embedding_map)
    picture = None if image is None else np.asarray(load_volume(image).array[...])
    with _bar("map") as progress:
        if output.suffix == ".zarr":
            size = source.voxel_size_um
            write_feature_map(
                model,
                source.array,
                path=output,
                feature=feature,
                unit=FEATURE_UNITS.get(feature, ""),
                step_um=size if size is not None and len(size) == len(source.array.shape) - 1 else None,
                progress=progress,
            )
        else:
            save_map(output, feature_map(model, source.array, progress=progress))
    written = load_volume(output).array
    strange = fraction_outside(written, table[feature].to_numpy(dtype=np.float64))
    print(f"{feature}: {' x '.join(map(str, written.shape))} -> {output}")
    print(f"{strange:.1%} of the map lies outside the range of the labelled samples")
    if figure is not None:
        from mtneuro_probe.image_figures import map_figure

        deep = len(written.shape) == 3
        if not 0 <= z < (written.shape[0] if deep else 1):
            raise ValueError(
                f"z must be a slice of the map, 0 to {written.shape[0] - 1 if deep else 0}, got {z}"
            )
        size = source.voxel_size_um
        step = step_um or (None if size is None else (size[-2], size[-1]))
        shown = np.asarray(written[z] if deep else written[...])
        _save_figure(figure, map_figure(shown, feature=feature, step_um=step, image=picture))


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
    _check_output(output, FIGURE_SUFFIXES)
    from mtneuro_probe.embeddings import load_embeddings, matched
    from mtneuro_probe.reading import load_regions, rows_of
    from mtneuro_probe.tables import load_features

    loaded = load_embeddings(embeddings)
    table = None if features is None else matched(loaded, load_features(features))
    region = names = None
    if regions is not None:
        ids, all_regions, names = load_regions(regions)
        region = all_regions[rows_of(loaded, ids, what="a region")]
    from mtneuro_probe.figures import umap_figure
    from mtneuro_probe.projection import umap_embedding

    points = umap_embedding(loaded.embeddings, n_neighbors=n_neighbors, seed=seed)
    _save_figure(output, umap_figure(points, region=region, region_names=names, features=table))


@app.command
def compare(
    first: Path,
    second: Path,
    /,
    *others: Path,
    output: OptionalOutput = None,
    reference: Path | None = None,
    run_length: int = 10,
    seed: int = 0,
) -> None:
    """Say how alike the embeddings of several encoders are, and which of them is closer to a reference.

    CKA: do the same directions spread the samples? RSA: are the same samples alike? Both are 1 for embeddings
    that agree and around 0 for unrelated ones, whatever their dimensions.

    Example: `mtneuro-probe compare byol.npz supervised.npz --reference myow.npz`

    Parameters
    ----------
    first
        Embeddings file (.npz).
    second
        Embeddings of the same samples by another encoder.
    others
        Further ones.
    output
        Table of the pairs to write, .csv or .parquet.
    reference
        Embeddings that each pair is held against: which of the two is closer, with an interval.
    run_length
        Slices that the interval's bootstrap draws together.
    seed
        Seed of the bootstrap.
    """
    _check_output(output, TABLE_SUFFIXES)
    from itertools import combinations

    from mtneuro_probe.embeddings import load_embeddings
    from mtneuro_probe.similarity import aligned, closeness, representation_similarity
    from mtneuro_probe.tables import save_table

    paths = [first, second, *others, *([] if reference is None else [reference])]
    stems = [path.stem for path in paths]
    names = stems if len(set(stems)) == len(stems) else [str(path) for path in paths]
    if len(set(names)) < len(names):
        raise ValueError(f"each embeddings file must be given once, got {', '.join(names)}")
    vectors, ids = aligned({name: load_embeddings(path) for name, path in zip(names, paths, strict=True)})
    with _bar("compare") as progress:
        table = representation_similarity(vectors, progress=progress)
    print(table.to_string(index=False, float_format="{:.3f}".format, na_rep="–"))
    if output is not None:
        save_table(output, table.set_index("first"))
    if reference is not None:
        for a, b in combinations(names[:-1], 2):
            told = closeness(
                vectors[names[-1]], vectors[a], vectors[b], sample_id=ids, run_length=run_length, seed=seed
            )
            sure = told.low > 0 or told.high < 0
            closer = (a if told.difference > 0 else b) if sure else "neither for sure"
            print(
                f"closer to {names[-1]}: {closer} (CKA {a} {told.first:.3f}, {b} {told.second:.3f}; "
                f"difference {told.difference:.3f}, 95 % interval {told.low:.3f} to {told.high:.3f})"
            )


def _named_value(text: str) -> tuple[str, int]:
    name, _, value = text.partition("=")
    if not name or not value.isdecimal():
        raise ValueError(f"--label must read NAME=VALUE with a whole number, such as synapse=5, got {text!r}")
    return name, int(value)


def _check_output(path: Path | None, suffixes: Sequence[str]) -> None:
    if path is None:
        return
    if path.suffix not in suffixes:
        raise ValueError(f"the file to write must end in {', '.join(suffixes)}, got {path}")
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"the folder to write to must exist, got {path}; create it first")


def _print_scores(table: "pd.DataFrame") -> None:
    scores = table.drop(columns="reason").dropna(axis=1, how="all")
    print(scores.to_string(float_format="{:.3f}".format, na_rep="–"))
    for name, reason in zip(table.index, table["reason"].tolist(), strict=True):
        if reason:
            print(f"{name}: {reason}")


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
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
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
