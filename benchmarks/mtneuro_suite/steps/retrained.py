"""Train a segmentation network as a search chose, and score it."""

from typing import ClassVar

from mtneuro_seg import TrainSettings

from mtneuro_suite.runs.step import Roles
from mtneuro_suite.steps.reading import result
from mtneuro_suite.steps.segmenter import Segmenter


class Retrained(Segmenter):
    """Train a network on role ``train`` as role ``choice`` says, and score it on role ``test``."""

    kind: ClassVar = "retrained"

    def settings(self, roles: Roles) -> TrainSettings:
        """Return the chosen settings, with this run's seed and device."""
        chosen = result(roles["choice"][0])["extra"]["settings"]
        own = self.train.model_dump(include={"seed", "device"})
        return TrainSettings.model_validate({**chosen, **own})
