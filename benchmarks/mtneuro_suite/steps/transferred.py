"""Score a segmentation network that another run trained on other test arrays."""

from pathlib import Path
from typing import ClassVar

from mtneuro_suite.runs.step import Outcome, Progress, Roles
from mtneuro_suite.steps.reading import result
from mtneuro_suite.steps.segmentation_scores import ScoredNetwork, scored


class Transferred(ScoredNetwork):
    """Score the network of role ``network``, as it is, on role ``test``."""

    kind: ClassVar = "transferred"

    def run(self, roles: Roles, out: Path, progress: Progress) -> Outcome:
        """Write examples; return the scores."""
        from mtneuro_seg import load_model

        folder = roles["network"][0]
        # The file has been compared with what was planned, and its factory was trusted then.
        factory = result(folder)["settings"]["train"]["model"]
        model = load_model(folder / "model", trusted=(factory,))
        return scored(model, self, roles, out, extra={})
