"""Score one encoder on the test sets of one or more sub-tasks of Task 1."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from jaxtyping import Int64
from mtneuro_data import TaskArrays
from mtneuro_ssl import TrainSettings, executed_modules

from mtneuro_suite.runs.logs import training_logs
from mtneuro_suite.runs.row import Row
from mtneuro_suite.runs.step import Outcome, Progress, Roles, Step
from mtneuro_suite.steps.embedder import Samples, embedder
from mtneuro_suite.steps.over_cubes import CubeCounts
from mtneuro_suite.steps.reading import at_a_time, joined_arrays
from mtneuro_suite.steps.trained_encoder import trained_encoder

if TYPE_CHECKING:
    from mtneuro_ssl import Model

TEST = "test "
"""A role that begins so holds the test arrays of the sub-task that it goes on to name."""


def tests_of(roles: Roles) -> dict[str, Sequence[Path]]:
    """Return the folders of the test samples of each sub-task."""
    return {name.removeprefix(TEST): folders for name, folders in roles.items() if name.startswith(TEST)}


class Regions(Step):
    """Score the encoder of role ``encoder``, which learnt from role ``train``, on each role ``test TASK``."""

    kind: ClassVar = "regions"

    model: str
    supervised: bool
    """Whether the model classifies by itself; others are read out linearly."""

    seed: int
    training_set: str
    linear: TrainSettings | None = None
    """How a linear layer is trained on the encoder and whole images, as the original's code does; without
    it a logistic regression reads the corners' embeddings."""

    @property
    def device(self) -> str:
        """Where the linear layer is trained."""
        return "cpu" if self.linear is None else self.linear.device

    def executed_modules(self) -> tuple[str, ...]:
        """Return the modules of the encoder and of the linear layer's training."""
        return () if self.linear is None else executed_modules(self.linear)

    def run(self, roles: Roles, out: Path, progress: Progress) -> Outcome:
        """Return accuracies and confusion matrices."""
        from mtneuro_probe import region_readout

        folder, model, reader = roles["encoder"][0], None, None
        if self.linear is not None:
            model = self._with_linear_layer(self.linear, roles, out)
        elif self.supervised:
            model = trained_encoder(folder)
        else:
            reader = embedder(folder)
        tests = tests_of(roles)
        rows: list[Row] = []
        extra: dict[str, Any] = {}
        learnt = Samples(folders=roles["train"], view="corners")
        steps = len(tests) + 1
        names = learnt.arrays.region_names
        train_embeddings = None if reader is None else reader.embed(learnt)
        progress(1, steps)
        for done, (task, folders) in enumerate(tests.items(), start=2):
            tested = Samples(folders=folders, view="corners")
            corners = tested.arrays
            scores: dict[str, tuple[TaskArrays, Int64[np.ndarray, " n"]]] = {}
            if model is not None:
                if self.supervised:
                    whole = joined_arrays(folders)
                    scores["whole"] = whole, _predicted(model, whole)
                scores["corners"] = corners, _predicted(model, corners)
            if reader is not None and train_embeddings is not None:
                readout = region_readout(
                    train_embeddings,
                    learnt.arrays.region,
                    reader.embed(tested),
                    corners.region,
                    class_names=names,
                    seed=self.seed,
                )
                scores["corners"] = corners, readout.predicted
                extra[f"converged {task}"] = readout.converged
            for view, (arrays, predicted) in scores.items():
                confusion = confusion_of(arrays.region, predicted, len(names))
                rows += accuracy_rows(
                    confusion,
                    view,
                    cubes=CubeCounts.of(arrays.region == predicted, arrays.sample_id),
                    task=task,
                    **self.model_dump(include={"model", "seed", "training_set"}),
                )
                extra[f"confusion {task} {view}"] = confusion.tolist()
            progress(done, steps)
        return Outcome(rows, {**extra, "region_names": list(names)})

    def _with_linear_layer(self, settings: TrainSettings, roles: Roles, out: Path) -> "Model":
        """Return the encoder, whose weights stay, with a linear layer trained on role ``train``."""
        from mtneuro_ssl import run_loggers, train

        data = joined_arrays(roles["train"])
        weights = {"encoder_weights": str(roles["encoder"][0] / "model")}
        return train(
            data.images,
            settings.model_copy(update=weights),
            labels=data.region,
            class_names=data.region_names,
            out=out / "linear",
            loggers=training_logs(run_loggers, out / "linear"),
        )


def _predicted(model: "Model", arrays: TaskArrays) -> Int64[np.ndarray, " n"]:
    """Return the region for which a model that classifies takes each sample."""
    return model.predict(arrays.images, batch_size=at_a_time(arrays.images)).astype(np.int64)


def confusion_of(
    truth: Int64[np.ndarray, " n"], prediction: Int64[np.ndarray, " n"], classes: int
) -> Int64[np.ndarray, "c c"]:
    """Return the number of samples, a row for each true region and a column for each predicted one."""
    return np.bincount(truth * classes + prediction, minlength=classes**2).reshape(classes, classes)


def accuracies(confusion: Int64[np.ndarray, "c c"]) -> tuple[float, float]:
    """Return the fraction of the samples that are right, and its mean over the regions that there are."""
    from mtneuro_probe import balanced_accuracy

    return float(confusion.trace() / confusion.sum()), balanced_accuracy(confusion)


def accuracy_rows(
    confusion: Int64[np.ndarray, "c c"],
    view: str,
    *,
    task: str,
    model: str,
    seed: int,
    training_set: str,
    cubes: CubeCounts | None = None,
) -> list[Row]:
    """Return the accuracy and the balanced accuracy of a model on whole images, or corners, of a sub-task.

    With cubes the accuracy has its interval over them, and a row for each.
    """
    accuracy, balanced = accuracies(confusion)
    low, high = (cubes and cubes.interval) or (None, None)
    key: dict[str, Any] = {
        "task": task,
        "training_set": training_set,
        "test_set": f"{task}:test",
        "model": model,
        "seed": seed,
    }
    n = int(confusion.sum())
    rows = [
        Row(**key, metric=f"accuracy_{view}", value=accuracy, n=n, low=low, high=high),
        Row(**key, metric=f"balanced_accuracy_{view}", value=balanced, n=n),
    ]
    for cube, right, samples in zip(cubes.cubes, cubes.right, cubes.samples, strict=True) if cubes else ():
        share = float(right / samples)
        rows.append(Row(**key, metric=f"accuracy_{view}", value=share, n=int(samples), cube=cube))
    return rows
