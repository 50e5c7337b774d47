"""The runs of Task 2 that read frozen encoders out: one a row, class setting and seed."""

from mtneuro_suite.plan.arrays import arrays_runs
from mtneuro_suite.plan.costs import forward_cost, image_count, pixel_count
from mtneuro_suite.plan.inputs import Inputs, SegmentationInput
from mtneuro_suite.plan.models import merged_settings
from mtneuro_suite.plan.rows import TableRow, frozen_rows
from mtneuro_suite.plan.table1 import Encoders
from mtneuro_suite.preset.model import Preset, RegionPreset, SegmentationPreset
from mtneuro_suite.runs.run import Run
from mtneuro_suite.steps import Dense, Encoder


def dense_runs(
    preset: Preset, one: RegionPreset, two: SegmentationPreset, inputs: Inputs, encoders: Encoders
) -> list[Run[Dense]]:
    """Return the runs that read the pixels' classes off frozen encoders, in the 2D halves of Table 2.

    Parameters
    ----------
    preset, one, two
        What to run.
    inputs
        What is read.
    encoders
        Trained encoders by row, task and seed. Of a row that learns in several tasks the first is taken.

    Raises
    ------
    ValueError
        If a name is no row of Task 1, its encoder takes subvolumes alone, or a setting of the heads is not
        allowed.
    """
    halves = [half for half in inputs.segmentation if half.dimensions == 2]
    found: list[Run[Dense]] = []
    for row in frozen_rows(one, two):
        for seed in preset.seeds if row.seeded else preset.seeds[:1]:
            encoder = _encoder(row, encoders, seed=seed)
            found += [_readout(row, encoder, half, preset, two, inputs, seed=seed) for half in halves]
    return found


def _encoder(row: TableRow, encoders: Encoders, *, seed: int) -> Run[Encoder]:
    """Return a row's encoder of images of the first task that it learns in; of any seed where it has one."""
    of_row = [(number, run) for (name, _, number), run in encoders.items() if name == row.frozen]
    flat = [(number, run) for number, run in of_row if run.step.train.depth is None]
    if not flat:
        raise ValueError(
            f"task2.frozen must name encoders of images, got {row.frozen!r}, which has none of images in "
            "task1.tasks; leave it out"
        )
    return next((run for number, run in flat if number == seed), flat[0][1])


def _readout(
    row: TableRow,
    encoder: Run[Encoder],
    half: SegmentationInput,
    preset: Preset,
    two: SegmentationPreset,
    inputs: Inputs,
    *,
    seed: int,
) -> Run[Dense]:
    from mtneuro_data import UNLABELLED
    from mtneuro_ssl import PixelProbeSettings

    probe = merged_settings(
        PixelProbeSettings,
        "task2.head_settings",
        {"ignore_label": UNLABELLED},
        two.head_settings,
        {"head": row.head, "seed": seed if row.head == "convolutional" else 0},
    )
    images = image_count(half.train) + image_count(half.test)
    return Run(
        step=Dense(
            model=row.name,
            task=half.name,
            training_set=half.training_set,
            test_set=f"{half.name}:test",
            seed=seed,
            frozen=row.frozen,
            probe=probe,
            place=preset.device,
        ),
        title=f"read {row.name} out, {half.name}, seed {seed}",
        needs={
            "encoder": (encoder,),
            "train": arrays_runs(half.train, inputs.fingerprints),
            "test": arrays_runs(half.test, inputs.fingerprints),
        },
        cost=5 + 2 * images * forward_cost(pixel_count(half.train[0])),
    )
