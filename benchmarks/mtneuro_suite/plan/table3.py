"""The runs of Task 3: measure features, read them off each encoder's embeddings, draw one method's UMAP."""

from collections.abc import Sequence

import numpy as np

from mtneuro_suite.plan.arrays import arrays_runs
from mtneuro_suite.plan.costs import forward_cost, image_count, pixel_count
from mtneuro_suite.plan.floors import REGION, several_regions
from mtneuro_suite.plan.inputs import Inputs, RegionInput, of_depth
from mtneuro_suite.plan.models import check_known
from mtneuro_suite.plan.table1 import Embedders
from mtneuro_suite.preset.model import FLOORS, Preset, SemanticsPreset
from mtneuro_suite.runs.run import Run
from mtneuro_suite.steps import Arrays, Ceiling, Features, Semantics, Umap
from mtneuro_suite.steps.semantics import LEARNT, readout_gap


def semantics_runs(
    preset: Preset,
    three: SemanticsPreset,
    inputs: Inputs,
    encoders: Embedders,
    trained: Sequence[RegionInput],
) -> tuple[Run[Features], list[Run[Semantics]], list[Run[Umap]]]:
    """Return the run that measures the features of slices, those that read them off, and those that draw.

    An encoder of subvolumes is read out on subvolumes as deep as those that it learnt from, whose features a
    run of their own measures.

    Raises
    ------
    ValueError
        If the slices are too few for the cross-validation, or what is to be drawn is not trained.
    """
    from mtneuro_probe import block_splits

    named = (*preset.task1.methods, *preset.task1.rows) if preset.task1 else ()
    check_known("task3.umap_method", three.umap_method, named)
    pixels = pixel_count(inputs.semantics[0])
    loaded = inputs.semantics[0].downsample
    # As an encoder's own training images were reduced.
    reduction = {region.name: three.downsample or max(1, region.downsample // loaded) for region in trained}
    read_out = [region.name for region in trained]
    if preset.inputs == "paper":
        # With each cube set that Task 1 added to training.
        halves = ((half, region) for half in three.encoders for region in trained if region.table == "1")
        read_out = [region.name for half, region in halves if region.paper_column == half]
    if inputs.semantics_learnt:
        # Those that learn from the same tissue as readouts do.
        read_out = [region.name for region in trained if not region.test]
    training_sets = {region.name: region.training_set for region in trained}
    depths = {region.name: region.depth for region in trained if region.name in read_out}
    tasks = {depth: tuple(of_depth(task, depth) for task in inputs.semantics) for depth in depths.values()}
    for depth, some in tasks.items():
        positions = [position for task in some for position in task.samples("all")]
        cube, z = (np.array(values) for values in zip(*positions, strict=True))
        # Raises where the slices are too few for the cross-validation.
        if not inputs.semantics_learnt:
            block_splits(cube, z, gap=readout_gap(depth))
    samples = {depth: arrays_runs(some, inputs.fingerprints) for depth, some in tasks.items()}

    def measured(arrays: tuple[Run[Arrays], ...], title: str) -> Run[Features]:
        return Run(
            step=Features(
                view=three.view,
                label_values=dict(inputs.label_values),
                features=inputs.features,
                instances=inputs.semantics[0].instances,
                definition=three.definition,
            ),
            title=title,
            needs={"samples": arrays},
            cost=3,
        )

    title = "measure the semantic features"
    features = {
        depth: measured(samples[depth], title + (f" of {depth} slices each" if depth > 1 else ""))
        for depth in tasks
    }
    learnt: dict[str, tuple[Run, ...]] = {}
    if inputs.semantics_learnt:
        arrays = arrays_runs(inputs.semantics_learnt, inputs.fingerprints)
        learnt = {LEARNT: arrays, "learnt features": (measured(arrays, f"{title} to fit readouts to"),)}
    runs: dict[tuple[str, str, int], Run[Semantics]] = {}
    unasked = {*FLOORS} - {*three.floors}
    if not several_regions(inputs.semantics):
        unasked.add(REGION)
    for (row, task, seed), encoder in encoders.items():
        if task not in read_out or row in unasked:
            continue
        depth = depths[task]
        runs[row, task, seed] = Run(
            step=Semantics(
                model=row,
                seed=seed,
                task=task,
                training_set=training_sets[task],
                view=three.view,
                downsample=reduction[task],
                resampling=three.resampling,
                normalised=three.definition == "image",
            ),
            title=f"read features off {row} from {task}, seed {seed}",
            needs={
                "encoder": (encoder,),
                "samples": samples[depth],
                "features": (features[depth],),
                **learnt,
            },
            cost=3
            + (row not in FLOORS)
            * image_count(tasks[depth])
            * forward_cost(pixels // reduction[task] ** 2, depth),
        )
    # Of mixup's variants the first.
    read = list(dict.fromkeys(row for row, _, _ in runs if row not in FLOORS))
    rows: dict[str, str] = {}
    for method in three.umap_method:
        of_method = [row for row in read if method in (row, row.partition(" p=")[0])]
        if not of_method and preset.task1 and "embeddings" in preset.task1.rows.get(method, {}):
            continue  # of subvolumes, and none is read out
        if not of_method:
            check_known("task3.umap_method", (method,), read)
        rows[method] = of_method[0]
    drawn = [
        Run(
            # The paper's seed; the figure is of one run.
            step=Umap(model=row, neighbours=three.umap_neighbours, seed=42),
            title=f"UMAP of {method} from {task}",
            needs={"semantics": (runs[row, task, preset.seeds[0]],)},
            cost=15,
        )
        for method, row in rows.items()
        for task in read_out
        if (row, task, preset.seeds[0]) in runs
    ]
    return features[min(features)], list(runs.values()), drawn


def ceiling_runs(preset: Preset, features: Run[Features] | None) -> list[Run[Ceiling]]:
    """Return the run that simulates annotators of real tissue; none where labels are exact.

    Parameters
    ----------
    preset
        What to run.
    features
        What is measured of slices; ids of objects, and the original's definition, have no such annotator.
    """
    if features is None or exact_labels(preset):
        return []
    if features.step.instances is not None or features.step.definition != "image":
        return []
    return [
        Run(
            step=Ceiling(features=features.step),
            title="annotate the samples again, by simulated annotators",
            needs={"samples": features.needs["samples"]},
            cost=15,
        )
    ]


def exact_labels(preset: Preset) -> bool:
    """Return whether the labels are the truth itself: those of the phantom."""
    return preset.inputs == "paper" and preset.source.partition("?")[0] == "phantom"
