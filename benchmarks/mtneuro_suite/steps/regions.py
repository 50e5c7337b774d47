"""Score one encoder on the test sets of one or more sub-tasks of Task 1."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from jaxtyping import Int64
from mtneuro_ssl import TrainSettings, executed_modules

from mtneuro_suite.runs.row import Row
from mtneuro_suite.runs.step import Outcome, Progress, Roles, Step
from mtneuro_suite.steps.reading import at_a_time, joined_arrays
from mtneuro_suite.steps.trained_encoder import trained_encoder

if TYPE_CHECKING:
    from mtneuro_ssl import Model

TEST = "test "
"""A role that begins so holds the test arrays of the sub-task that it goes on to name."""


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
        from mtneuro_ssl import embed

        model = trained_encoder(roles["encoder"][0])
        classifies = self.supervised
        if self.linear is not None:
            model, classifies = self._with_linear_layer(self.linear, roles, out), True
        tests = {name.removeprefix(TEST): folders for name, folders in roles.items() if name.startswith(TEST)}
        rows: list[Row] = []
        extra: dict[str, Any] = {}
        train = joined_arrays(roles["train"])
        steps = len(tests) + 1
        batch = at_a_time(train.images)
        train_corners = train.corners()
        train_embeddings = None if classifies else embed(model, train_corners.images, batch_size=batch)
        progress(1, steps)
        for done, (task, folders) in enumerate(tests.items(), start=2):
            test = joined_arrays(folders)
            corners = test.corners()
            classes = len(test.region_names)
            scores: dict[str, Int64[np.ndarray, "c c"]] = {}
            if train_embeddings is None:
                if self.supervised:
                    whole = model.predict(test.images, batch_size=batch)
                    scores["whole"] = confusion_of(test.region, whole, classes)
                parts = model.predict(corners.images, batch_size=batch)
                scores["corners"] = confusion_of(corners.region, parts, classes)
            else:
                readout = region_readout(
                    train_embeddings,
                    train_corners.region,
                    embed(model, corners.images, batch_size=batch),
                    corners.region,
                    class_names=train.region_names,
                    seed=self.seed,
                )
                scores["corners"] = readout.confusion
                extra[f"converged {task}"] = readout.converged
            for view, confusion in scores.items():
                rows += accuracy_rows(
                    confusion, view, task=task, **self.model_dump(include={"model", "seed", "training_set"})
                )
                extra[f"confusion {task} {view}"] = confusion.tolist()
            progress(done, steps)
        return Outcome(rows, {**extra, "region_names": list(train.region_names)})

    def _with_linear_layer(self, settings: TrainSettings, roles: Roles, out: Path) -> "Model":
        """Return the encoder, whose weights stay, with a linear layer trained on role ``train``."""
        from mtneuro_ssl import train

        data = joined_arrays(roles["train"])
        weights = {"encoder_weights": str(roles["encoder"][0] / "model")}
        return train(
            data.images,
            settings.model_copy(update=weights),
            labels=data.region,
            class_names=data.region_names,
            out=out / "linear",
        )


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
    confusion: Int64[np.ndarray, "c c"], view: str, *, task: str, model: str, seed: int, training_set: str
) -> list[Row]:
    """Return the accuracy and the balanced accuracy of a model on whole images, or corners, of a sub-task."""
    metrics = ("accuracy", "balanced_accuracy")
    return [
        Row(
            task=task,
            training_set=training_set,
            test_set=f"{task}:test",
            model=model,
            seed=seed,
            metric=f"{metric}_{view}",
            value=value,
            n=int(confusion.sum()),
        )
        for metric, value in zip(metrics, accuracies(confusion), strict=True)
    ]
