"""The runs of Task 3: the features, what each encoder knows of them, and the picture of one."""

from collections.abc import Sequence

import numpy as np

from mtneuro_suite.plan.costs import (
    arrays_run,
    check_known,
    forward_cost,
    image_count,
    pixel_count,
    with_roles,
)
from mtneuro_suite.plan.inputs import Inputs, RegionInput
from mtneuro_suite.plan.table1 import Encoders
from mtneuro_suite.preset.model import Preset, SemanticsPreset
from mtneuro_suite.runs.run import Run


def semantics_runs(
    preset: Preset,
    three: SemanticsPreset,
    inputs: Inputs,
    encoders: Encoders,
    trained: Sequence[RegionInput],
) -> tuple[Run, list[Run], list[Run]]:
    """Return the run that measures the features, those that read them off, and those that draw.

    Raises
    ------
    ValueError
        If the slices are too few for the cross-validation, or what is to be drawn is not trained.
    """
    from mtneuro_probe import block_splits

    named = (*preset.task1.methods, *preset.task1.rows) if preset.task1 else ()
    check_known("task3.umap_method", (three.umap_method,), named)
    positions = [position for task in inputs.semantics for position in task.samples("all")]
    # Raises where the slices are too few for the cross-validation.
    block_splits(np.array([cube for cube, _ in positions]), np.array([z for _, z in positions]))
    samples = [arrays_run(task, inputs) for task in inputs.semantics]
    roles, needs = with_roles(samples=samples)
    features = Run(
        kind="features",
        title="measure the semantic features",
        settings={"view": three.view, "label_values": dict(inputs.label_values), "roles": roles},
        needs=needs,
        cost=3,
    )
    images = image_count(inputs.semantics)
    pixels = pixel_count(inputs.semantics[0]) // inputs.semantics_downsample**2
    read_out = three.encoders if preset.inputs == "paper" else tuple(region.name for region in trained)
    training_sets = {region.name: region.training_set for region in trained}
    runs: dict[tuple[str, str, int], Run] = {}
    for (row, task, seed), encoder in encoders.items():
        if task not in read_out:
            continue
        roles, needs = with_roles(encoder=[encoder], samples=samples, features=[features])
        runs[row, task, seed] = Run(
            kind="semantics",
            title=f"read features off {row} from {task}, seed {seed}",
            settings={
                "model": row,
                "seed": seed,
                "task": task,
                "training_set": training_sets[task],
                "view": three.view,
                "downsample": inputs.semantics_downsample,
                "roles": roles,
            },
            needs=needs,
            cost=3 + images * forward_cost(pixels),
        )
    drawn: list[Run] = []
    # Of mixup's variants the first.
    drawn_row = next(row for row, _, _ in runs if three.umap_method in (row, row.partition(" p=")[0]))
    for task in read_out:
        roles, needs = with_roles(semantics=[runs[drawn_row, task, preset.seeds[0]]])
        drawn.append(
            Run(
                kind="umap",
                title=f"UMAP of {three.umap_method} from {task}",
                # The paper's seed; the figure is of one run.
                settings={"neighbours": three.umap_neighbours, "seed": 42, "roles": roles},
                needs=needs,
                cost=15,
            )
        )
    return features, list(runs.values()), drawn
