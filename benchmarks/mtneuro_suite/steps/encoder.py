"""Train one encoder, go on where an interrupted run stopped, or take a trained one as it is."""

import shutil
from pathlib import Path
from typing import ClassVar

from mtneuro_ssl import TrainSettings, executed_modules

from mtneuro_suite.runs.logs import training_logs
from mtneuro_suite.runs.step import Outcome, Progress, Roles, Step
from mtneuro_suite.steps.reading import joined_arrays
from mtneuro_suite.steps.taken import Taken


class Encoder(Step):
    """Train an encoder on the arrays of role ``train``, or take a trained one."""

    kind: ClassVar = "encoder"

    train: TrainSettings
    """How it is trained, or was."""

    taken: Taken | None = None
    weights: str = ""
    """Digest of the model folder that training starts from."""

    @property
    def device(self) -> str:
        """Where it is trained."""
        return "cpu" if self.taken else self.train.device

    def executed_modules(self) -> tuple[str, ...]:
        """Return the modules of the method and of the network."""
        return executed_modules(self.train)

    def run(self, roles: Roles, out: Path, progress: Progress) -> Outcome:
        """Write a model folder, ``model``."""
        from mtneuro_ssl import load_model, run_loggers, train

        if self.taken is not None:
            load_model(self.taken.folder, trusted=(self.train.encoder,))
            shutil.copytree(self.taken.folder, out / "model", dirs_exist_ok=True)
            return Outcome()
        data = joined_arrays(roles["train"])
        train(
            data.images,
            self.train,
            labels=data.region,
            class_names=data.region_names,
            sample_id=data.sample_id,
            out=out / "model",
            progress=progress,
            loggers=training_logs(run_loggers, out / "model"),
        )
        return Outcome(extra={"images": len(data.images)})
