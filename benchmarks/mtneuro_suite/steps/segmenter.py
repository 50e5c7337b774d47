"""Train one segmentation network, or take a trained one as it is, and score it."""

from pathlib import Path
from typing import ClassVar

from mtneuro_seg import TrainSettings

from mtneuro_suite.runs.logs import training_logs
from mtneuro_suite.runs.step import Outcome, Progress, Roles
from mtneuro_suite.steps.reading import labelled_arrays
from mtneuro_suite.steps.segmentation_scores import ScoredNetwork, scored
from mtneuro_suite.steps.taken import Taken


class Segmenter(ScoredNetwork):
    """Train a network on role ``train``, or take a trained one, and score it on role ``test``."""

    kind: ClassVar = "segmenter"

    train: TrainSettings
    """How it is trained, or was."""

    taken: Taken | None = None

    @property
    def device(self) -> str:
        """Where it is trained."""
        return "cpu" if self.taken else self.train.device

    def executed_modules(self) -> tuple[str, ...]:
        """Return the module of the network."""
        from mtneuro_seg import executed_modules

        return executed_modules(self.train)

    def settings(self, roles: Roles) -> TrainSettings:
        """Return how it is trained."""
        return self.train

    def run(self, roles: Roles, out: Path, progress: Progress) -> Outcome:
        """Write a model folder, ``model``, and examples; return the scores."""
        from mtneuro_seg import load_model, run_loggers, train

        if self.taken is not None:
            model = load_model(self.taken.folder, trusted=(self.train.model,))
            return scored(model, self, roles, out, extra={})
        data, masks = labelled_arrays(roles["train"])
        model = train(
            data.images,
            self.settings(roles),
            masks=masks,
            class_names=data.class_names,
            out=out / "model",
            progress=progress,
            loggers=training_logs(run_loggers, out / "model"),
        )
        return scored(model, self, roles, out, extra={"images": len(data.images)})
