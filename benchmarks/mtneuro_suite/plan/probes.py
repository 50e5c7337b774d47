"""The runs of Task 1's further probes: one for each encoder that is scored, with all that are asked for."""

from mtneuro_suite.plan.arrays import arrays_runs
from mtneuro_suite.plan.costs import forward_cost, image_count, pixel_count
from mtneuro_suite.plan.inputs import Inputs
from mtneuro_suite.plan.table1 import Embedders
from mtneuro_suite.preset.model import FLOORS, Preset, RegionPreset
from mtneuro_suite.runs.run import Run
from mtneuro_suite.steps import Encoder, Probes
from mtneuro_suite.steps.regions import TEST


def probe_runs(preset: Preset, one: RegionPreset, inputs: Inputs, encoders: Embedders) -> list[Run[Probes]]:
    """Return the runs that read regions off encoders by other probes than the paper's; none by default.

    Parameters
    ----------
    preset, one
        What to run.
    inputs
        What is read.
    encoders
        Encoders, or what stands in their place, by row, task and seed.
    """
    probes = one.further_probes
    found: list[Run[Probes]] = []
    for (row, task, seed), encoder in encoders.items() if probes else ():
        region = inputs.region(task)
        tested = inputs.tested(task)
        if not tested or not region.several or (row in FLOORS and row not in one.floors):
            continue
        tests = {f"{TEST}{other.name}": arrays_runs(other.test, inputs.fingerprints) for other in tested}
        corners = 4 * (image_count(region.train) + sum(image_count(other.test) for other in tested))
        found.append(
            Run(
                step=Probes(
                    model=row,
                    seed=seed,
                    training_set=region.training_set,
                    probes=probes,
                    neighbours=one.neighbours,
                    place=preset.device,
                ),
                title=f"probe {row} from {task}, seed {seed}",
                needs={
                    "encoder": (encoder,),
                    "train": arrays_runs(region.train, inputs.fingerprints),
                    **tests,
                },
                cost=5 + 2 * corners * forward_cost(pixel_count(region.train[0]) / 4, region.depth)
                if isinstance(encoder.step, Encoder)
                else 2,
            )
        )
    return found
