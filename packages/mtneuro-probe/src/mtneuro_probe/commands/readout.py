"""The command ``readout``: features or regions read out of embeddings and scored."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Group, Parameter

import mtneuro_probe as probe
from mtneuro_probe._shared.terminal import Force, Ranges, RangesOption, bar
from mtneuro_probe.commands.outputs import (
    OptionalOutput,
    check_figures,
    check_run_length,
    check_seed,
    check_table,
    interval_text,
    write_figure,
    write_table,
)
from mtneuro_probe.files import load_regions, open_volume

if TYPE_CHECKING:
    import numpy as np

_FEATURES = Group("Features")
_REGIONS = Group("Regions, instead of features")


def readout(
    embeddings: Path,
    features: Path | None = None,
    /,
    *,
    output: OptionalOutput = None,
    force: Force = False,
    figure: Path | None = None,
    images: str | None = None,
    ranges: RangesOption = None,
    n_splits: int = 5,
    gap: int = 10,
    seed: int = 0,
    scatter: Annotated[Path | None, Parameter(group=_FEATURES)] = None,
    permutations: Annotated[int, Parameter(group=_FEATURES)] = 200,
    within_cubes: Annotated[bool, Parameter(group=_FEATURES, negative="--no-within-cubes")] = True,
    run_length: int | None = None,
    second_annotation: Annotated[Path | None, Parameter(group=_FEATURES)] = None,
    regions: Annotated[Path | None, Parameter(group=_REGIONS)] = None,
    test: Annotated[Path | None, Parameter(group=_REGIONS)] = None,
    classifier: Annotated[Literal["logistic", "knn"], Parameter(group=_REGIONS)] = "logistic",
    confident: Annotated[Path | None, Parameter(group=_REGIONS)] = None,
) -> Iterator[str]:
    """Score how much of each feature, or of the brain region, a linear model finds in embeddings.

    Features: R² on the same samples (the paper's; where embeddings have too many dimensions for it, that of
    their principal components) and cross-validated over blocks of slices with a gap, with its interval and
    what chance gives. Regions: accuracy on the samples of another embeddings file, or
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
        The images themselves (.npz, .npy, Zarr, or with mtneuro-data installed whatever it opens): adds
        baselines that need no encoder, and shows which images the region readout is sure of.
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
        Permute inside each cube only: is a feature known beyond its mean in the cube? With --no-within-cubes,
        whatever tells cubes apart counts too.
    run_length
        Slices that the interval's bootstrap draws together; by default as many as are alike.
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
    check_table(output, force=force)
    check_figures(figure, scatter, confident, force=force)
    if permutations < 0:
        raise ValueError(f"--permutations must be at least 0, got {permutations}")
    if n_splits < 2:
        raise ValueError(f"--n-splits must be at least 2, got {n_splits}")
    check_run_length(run_length)
    check_seed(seed)
    if ranges is not None and images is None:
        raise ValueError("--z, --y and --x say which part of --images VOLUME to read, and need it")
    if regions is not None:
        if features is not None or scatter is not None or second_annotation is not None:
            raise ValueError(
                "--regions scores regions: leave out features, --scatter and --second-annotation"
            )
        if confident is not None and images is None:
            raise ValueError("--confident needs the images, --images VOLUME")
        yield from _score_regions(
            embeddings, test, regions, output, figure, confident, images, ranges,
            classifier=classifier, n_splits=n_splits, gap=gap, run_length=run_length, seed=seed,
        )  # fmt: skip
        return
    if features is None or test is not None or confident is not None:
        raise ValueError("readout needs a table of features, or --regions (and --test); see readout --help")
    from mtneuro_probe.tables import load_features

    fitted = probe.load_embeddings(embeddings)
    values = probe.matched(fitted, load_features(features))
    second = None if second_annotation is None else probe.matched(fitted, load_features(second_annotation))
    floors = None if images is None else probe.floor_embeddings(_pictures(images, fitted, ranges), seed=seed)
    with bar("readout") as progress:
        table = probe.feature_readout(
            fitted.embeddings,
            values,
            n_splits=n_splits,
            gap=gap,
            n_permutations=permutations,
            within_cubes=within_cubes,
            run_length=run_length,
            floors=floors,
            second_annotation=second,
            seed=seed,
            progress=progress,
        )
    scores = table.drop(columns=["reason", "interval_reason"]).dropna(axis=1, how="all")
    yield scores.to_string(float_format="{:.3f}".format, na_rep="–")
    for name, reason in zip(table.index, table["reason"].tolist(), strict=True):
        if reason:
            yield f"{name}: {reason}"
    for name, reason in zip(table.index, table["interval_reason"].tolist(), strict=True):
        if reason:
            yield f"{name}: no interval: {reason}"
    yield from write_table(output, table)
    yield from write_figure(figure, lambda: probe.r2_figure(table))
    if scatter is not None:
        predicted = probe.feature_predictions(fitted.embeddings, values, n_splits=n_splits, gap=gap)
        yield from write_figure(scatter, lambda: probe.scatter_figure(values, predicted))


def _pictures(images: str, of: probe.Embeddings, ranges: Ranges | None) -> "np.ndarray":
    from mtneuro_probe.matching import images_of

    volume = open_volume(images, key="images", ranges=ranges)
    return images_of(of, volume.loaded(), volume.sample_id or ())


def _score_regions(
    train: Path,
    test: Path | None,
    regions: Path,
    output: Path | None,
    figure: Path | None,
    confident: Path | None,
    images: str | None,
    ranges: Ranges | None,
    *,
    classifier: Literal["logistic", "knn"],
    n_splits: int,
    gap: int,
    run_length: int | None,
    seed: int,
) -> Iterator[str]:
    import pandas as pd

    from mtneuro_probe.matching import rows_of

    ids, region, names = load_regions(regions)
    fitted = probe.load_embeddings(train)
    scored = fitted if test is None else probe.load_embeddings(test)
    known, truth = (region[rows_of(each, ids, what="a region")] for each in (fitted, scored))
    if test is None:
        score = probe.region_cross_validation(
            fitted.embeddings,
            known,
            sample_id=fitted.sample_id,
            class_names=names,
            classifier=classifier,
            n_splits=n_splits,
            gap=gap,
            run_length=run_length,
            seed=seed,
        )
    else:
        score = probe.region_readout(
            fitted.embeddings,
            known,
            scored.embeddings,
            truth,
            class_names=names,
            classifier=classifier,
            test_sample_id=scored.sample_id,
            run_length=run_length,
            seed=seed,
        )
    told = "" if score.converged else " (a fit did not converge)"
    within = interval_text(score.accuracy_low, score.accuracy_high, score.interval_reason)
    yield (
        f"accuracy {score.accuracy:.3f} "
        f"({within}, "
        f"chance {score.chance:.3f}) on {score.n_test} samples, fitted on {score.n_train}{told}"
    )
    yield f"balanced accuracy {score.balanced_accuracy:.3f}: the mean of the regions' own"
    confusion = pd.DataFrame(score.confusion, index=score.class_names, columns=score.class_names)
    yield confusion.rename_axis(index="true \\ predicted").to_string()
    yield from write_table(output, confusion.rename_axis("region"))
    yield from write_figure(figure, lambda: probe.confusion_figure(score.confusion, score.class_names))
    if confident is not None and images is not None:
        pictures = _pictures(images, scored, ranges)
        yield from write_figure(confident, lambda: probe.confidence_figure(pictures, score, truth))
