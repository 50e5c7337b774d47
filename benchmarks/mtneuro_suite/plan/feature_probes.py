"""The runs of Task 3's further probes: one for each encoder that is read out."""

from collections.abc import Iterable

from mtneuro_suite.plan.inputs import Inputs
from mtneuro_suite.preset.model import SemanticsPreset
from mtneuro_suite.runs.run import Run
from mtneuro_suite.steps import FeatureProbes, PointSemantics, Semantics


def feature_probe_runs(
    three: SemanticsPreset, inputs: Inputs, semantics: Iterable[Run[Semantics] | Run[PointSemantics]]
) -> list[Run[FeatureProbes]]:
    """Return the runs that read features off embeddings by other probes than the paper's; none by default.

    Parameters
    ----------
    three
        What to run.
    inputs
        What is read.
    semantics
        The runs whose embeddings, and whose features, are read.
    """
    if "knn" not in three.probes:
        return []
    return [
        Run(
            step=FeatureProbes(
                model=run.step.model,
                seed=run.step.seed,
                task=run.step.task,
                training_set=run.step.training_set,
                depth=inputs.region(run.step.task).depth,
                neighbours=three.neighbours,
            ),
            title=f"probe features of {run.step.model} from {run.step.task}, seed {run.step.seed}",
            needs={"semantics": (run,), "features": tuple(run.needs["features"])},
            cost=2,
        )
        for run in semantics
    ]
