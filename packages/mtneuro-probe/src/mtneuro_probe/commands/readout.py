"""The command ``readout``: features or regions read out of embeddings and scored."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Group, Parameter

from mtneuro_probe._shared.terminal import RangesOption, bar
from mtneuro_probe.commands.outputs import OptionalOutput, check_figures, check_table

if TYPE_CHECKING:
    import numpy as np

    from mtneuro_probe.embeddings import Embeddings

_FEATURES = Group("Features")
_REGIONS = Group("Regions, instead of features")


def readout(
    embeddings: Path,
    features: Path | None = None,
    /,
    *,
    output: OptionalOutput = None,
    figure: Path | None = None,
    images: str | None = None,
    ranges: RangesOption = None,
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
) -> Iterator[str]:
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
        The images themselves (.npz, .npy, Zarr, or with mtneuro-data installed whatever it opens): adds the
        floors that need no encoder, and shows which images the region readout is sure of.
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
    check_table(output)
    check_figures(figure, scatter, confident)
    if ranges is not None and images is None:
        raise ValueError("--z, --y and --x say which part of --images VOLUME to read, and need it")
    from mtneuro_probe.embeddings import load_embeddings
    from mtneuro_probe.files import open_volume
    from mtneuro_probe.matching import images_of

    def pictures(of: "Embeddings") -> "np.ndarray | None":
        if images is None:
            return None
        volume = open_volume(images, key="images", ranges=ranges)
        return images_of(of, volume.loaded(), volume.sample_id or ())

    if regions is not None:
        if features is not None or scatter is not None or second_annotation is not None:
            raise ValueError("--regions scores regions, and goes with no features, scatter or annotation")
        if confident is not None and images is None:
            raise ValueError("--confident needs the images, --images VOLUME")
        yield from _scored_regions(
            load_embeddings(embeddings),
            None if test is None else load_embeddings(test),
            regions,
            output=output,
            figure=figure,
            confident=confident,
            pictures=pictures,
            classifier=classifier,
            n_splits=n_splits,
            gap=gap,
            seed=seed,
        )
        return
    if features is None or test is not None or confident is not None:
        raise ValueError("readout needs a table of features, or --regions (and --test); see readout --help")
    yield from _scored_features(
        load_embeddings(embeddings),
        features,
        output=output,
        figure=figure,
        scatter=scatter,
        pictures=pictures,
        n_splits=n_splits,
        gap=gap,
        seed=seed,
        permutations=permutations,
        within_cubes=within_cubes,
        second_annotation=second_annotation,
    )


def _scored_features(
    embeddings: "Embeddings",
    features: Path,
    *,
    output: Path | None,
    figure: Path | None,
    scatter: Path | None,
    pictures: Callable[["Embeddings"], "np.ndarray | None"],
    n_splits: int,
    gap: int,
    seed: int,
    permutations: int,
    within_cubes: bool,
    second_annotation: Path | None,
) -> Iterator[str]:
    from mtneuro_probe.files import save_figure
    from mtneuro_probe.matching import matched
    from mtneuro_probe.readout.features import feature_predictions, feature_readout
    from mtneuro_probe.readout.floors import floor_embeddings
    from mtneuro_probe.tables import load_features, save_table

    values = matched(embeddings, load_features(features))
    second = None if second_annotation is None else matched(embeddings, load_features(second_annotation))
    shown = pictures(embeddings)
    with bar("readout") as progress:
        table = feature_readout(
            embeddings.embeddings,
            values,
            n_splits=n_splits,
            gap=gap,
            n_permutations=permutations,
            within_cubes=within_cubes,
            floors=None if shown is None else floor_embeddings(shown, seed=seed),
            second_annotation=second,
            seed=seed,
            progress=progress,
        )
    scores = table.drop(columns="reason").dropna(axis=1, how="all")
    yield scores.to_string(float_format="{:.3f}".format, na_rep="–")
    for name, reason in zip(table.index, table["reason"].tolist(), strict=True):
        if reason:
            yield f"{name}: {reason}"
    if output is not None:
        save_table(output, table)
        yield f"scores written to {output}"
    if figure is not None:
        from mtneuro_probe.figures.scores import r2_figure

        save_figure(figure, r2_figure(table))
        yield f"figure written to {figure}"
    if scatter is not None:
        from mtneuro_probe.figures.scatter import scatter_figure

        predicted = feature_predictions(embeddings.embeddings, values, n_splits=n_splits, gap=gap)
        save_figure(scatter, scatter_figure(values, predicted))
        yield f"figure written to {scatter}"


def _scored_regions(
    fitted: "Embeddings",
    test: "Embeddings | None",
    regions: Path,
    *,
    output: Path | None,
    figure: Path | None,
    confident: Path | None,
    pictures: Callable[["Embeddings"], "np.ndarray | None"],
    classifier: Literal["logistic", "knn"],
    n_splits: int,
    gap: int,
    seed: int,
) -> Iterator[str]:
    import pandas as pd

    from mtneuro_probe.files import load_regions, save_figure
    from mtneuro_probe.matching import rows_of
    from mtneuro_probe.readout.regions import region_cross_validation, region_readout
    from mtneuro_probe.tables import save_table

    ids, region, names = load_regions(regions)
    scored = fitted if test is None else test
    fitted_region, truth = (region[rows_of(each, ids, what="a region")] for each in (fitted, scored))
    if test is None:
        score = region_cross_validation(
            fitted.embeddings,
            fitted_region,
            sample_id=fitted.sample_id,
            class_names=names,
            classifier=classifier,
            n_splits=n_splits,
            gap=gap,
            seed=seed,
        )
    else:
        score = region_readout(
            fitted.embeddings,
            fitted_region,
            test.embeddings,
            truth,
            class_names=names,
            classifier=classifier,
            test_sample_id=test.sample_id,
            run_length=max(1, gap),
            seed=seed,
        )
    told = "" if score.converged else " (a fit did not converge)"
    yield (
        f"accuracy {score.accuracy:.3f} "
        f"(95 % interval {score.accuracy_low:.3f} to {score.accuracy_high:.3f}, "
        f"chance {score.chance:.3f}) on {score.n_test} samples, fitted on {score.n_train}{told}"
    )
    confusion = pd.DataFrame(score.confusion, index=score.class_names, columns=score.class_names)
    yield confusion.rename_axis(index="true \\ named").to_string()
    if output is not None:
        save_table(output, confusion.rename_axis("region"))
        yield f"confusion matrix written to {output}"
    if figure is not None:
        from mtneuro_probe.figures.confusion import confusion_figure

        save_figure(figure, confusion_figure(score.confusion, score.class_names))
        yield f"figure written to {figure}"
    shown = None if confident is None else pictures(scored)
    if confident is not None and shown is not None:
        from mtneuro_probe.figures.confidence import confidence_figure

        save_figure(confident, confidence_figure(shown, score, truth))
        yield f"figure written to {confident}"
