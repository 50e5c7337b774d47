"""Load one part of a task and keep its arrays, so that every run that needs them reads the same."""

from pathlib import Path
from typing import ClassVar

import numpy as np
from mtneuro_data import TaskSpec

from mtneuro_suite.runs.step import Outcome, Progress, Roles, Step


class Arrays(Step):
    """Load one part of a task."""

    kind: ClassVar = "arrays"

    task: TaskSpec
    files: dict[str, str]
    """Digest of each local file that is read."""

    def executed_modules(self) -> tuple[str, ...]:
        """Return the modules that read the task's volumes."""
        from mtneuro_data import executed_modules

        uris = (self.task.image, self.task.annotation)
        return tuple(module for uri in uris if uri for module in executed_modules(uri))

    def run(self, roles: Roles, out: Path, progress: Progress) -> Outcome:
        """Write ``arrays.npz``."""
        from mtneuro_data import Cache, load

        # Only what comes over a network is worth a second copy on the disk.
        cache = Cache() if self.task.image.startswith("bossdb://") else None
        loaded = load(self.task, "all", cache=cache, progress=progress)
        loaded.save(out / "arrays.npz")
        counts = np.bincount(loaded.region, minlength=len(loaded.region_names))
        return Outcome(
            extra={
                "images": len(loaded),
                "shape": list(loaded.images.shape),
                "per_region": dict(zip(loaded.region_names, counts.tolist(), strict=True)),
            }
        )
