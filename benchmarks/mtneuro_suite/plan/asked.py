"""Which samples the encoders of Tables 1 and 3 are asked to embed."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import numpy as np
from mtneuro_data import TaskSpec

from mtneuro_suite._shared.sample_ids import CORNERS
from mtneuro_suite.plan.costs import image_size
from mtneuro_suite.runs.run import Run
from mtneuro_suite.steps import Arrays, Regions, Semantics
from mtneuro_suite.steps.reading import Resampling, View
from mtneuro_suite.steps.regions import TEST
from mtneuro_suite.steps.sample_names import sample_names
from mtneuro_suite.steps.semantics import LEARNT


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The images of one ``arrays`` run, or their corners, at one resolution."""

    arrays: Run[Arrays]
    view: View
    downsample: int
    """Reduction of the images after they are loaded."""

    resampling: Resampling
    """How they are then reduced."""

    uses: tuple[str, ...]
    """Training and test sets, as results name them, that the samples are of."""

    @property
    def task(self) -> TaskSpec:
        """The part of a task that the run loads."""
        return self.arrays.step.task

    @property
    def sample_id(self) -> np.ndarray:
        """Ids of the samples in order, ``(samples,)`` unicode."""
        whole = [f"{cube}/z{z}" for cube, z in self.task.samples("all")]
        corners = [f"{name}/{corner}" for name in whole for corner in CORNERS]
        return np.array(corners if self.view == "corners" else whole, dtype=np.str_)

    @property
    def names(self) -> np.ndarray:
        """Their names among all samples of all tasks, ``(samples,)`` unicode."""
        return sample_names(
            self.task,
            self.arrays.step.files,
            self.sample_id,
            downsample=self.downsample,
            resampling=self.resampling,
        )

    @property
    def size(self) -> tuple[int, ...]:
        """Height and width of a sample, behind its slices where it is a subvolume."""
        parts = 2 if self.view == "corners" else 1
        face = [edge // parts // self.downsample for edge in image_size(self.task)]
        return (*([self.task.depth] if self.task.depth > 1 else []), *face)


def asked_samples(runs: Iterable[Run]) -> list[Asked]:
    """Return the samples that runs of Tables 1 and 3 embed, each once; other runs embed none.

    Corners, in Table 1: what classifies whole images by itself is no matter of embeddings.
    """
    uses: dict[tuple[str, View, int, Resampling], dict[str, None]] = {}
    arrays: dict[str, Run[Arrays]] = {}
    for run in runs:
        step = run.step
        view: View = "corners"
        downsample, resampling = 1, "area"
        if isinstance(step, Regions):
            sets = {"train": step.training_set}
            sets |= {role: f"{role.removeprefix(TEST)}:test" for role in run.needs if role.startswith(TEST)}
        elif isinstance(step, Semantics):
            sets = {"samples": "semantics:all"}
            if LEARNT in run.needs:
                sets[LEARNT] = "semantics:learnt"
            view, downsample, resampling = step.view, step.downsample, step.resampling
        else:
            continue
        for role, name in sets.items():
            for need in run.needs[role]:
                if isinstance(need.step, Arrays):
                    arrays[need.id] = cast("Run[Arrays]", need)
                    uses.setdefault((need.id, view, downsample, resampling), {})[name] = None
    return [
        Asked(
            arrays=arrays[name],
            view=view,
            downsample=downsample,
            resampling=resampling,
            uses=tuple(sets),
        )
        for (name, view, downsample, resampling), sets in uses.items()
    ]
