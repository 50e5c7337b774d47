"""Train an encoder of clouds of points on their regions."""

from pathlib import Path
from typing import ClassVar

from mtneuro_ssl import TrainSettings, executed_modules

from mtneuro_suite.runs.logs import training_logs
from mtneuro_suite.runs.step import Outcome, Progress, Roles, Step
from mtneuro_suite.steps.points import clouds_of


class PointEncoder(Step):
    """Train an encoder on the clouds of the images of role ``train``."""

    kind: ClassVar = "point_encoder"

    train: TrainSettings
    """How it is trained."""

    @property
    def device(self) -> str:
        """Where it is trained."""
        return self.train.device

    def executed_modules(self) -> tuple[str, ...]:
        """Return the modules of the method and of the network."""
        return executed_modules(self.train)

    def run(self, roles: Roles, out: Path, progress: Progress) -> Outcome:
        """Write a model folder, ``model``."""
        from mtneuro_ssl import run_loggers, train

        clouds = clouds_of(roles["train"][0], "whole")
        train(
            clouds.points,
            self.train,
            labels=clouds.region,
            class_names=clouds.region_names,
            out=out / "model",
            progress=progress,
            loggers=training_logs(run_loggers, out / "model"),
        )
        return Outcome(extra={"images": len(clouds)})
