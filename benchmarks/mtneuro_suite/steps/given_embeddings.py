"""Take embeddings from a file, in place of an encoder."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from mtneuro_suite._shared.digests import file_digest
from mtneuro_suite.runs.step import Outcome, Progress, Roles, Step

EMBEDDINGS = "embeddings.npz"
"""File that the step writes."""


class GivenEmbeddings(Step):
    """Keep the embeddings of a file that somebody made."""

    kind: ClassVar = "embeddings"

    file: Path = Field(exclude=True)
    """Where it is; no part of what names the run, which its content does."""

    digest: str
    """SHA-256 of its content."""

    def run(self, roles: Roles, out: Path, progress: Progress) -> Outcome:
        """Write ``embeddings.npz``."""
        from mtneuro_probe import read_embeddings, save_embeddings

        if file_digest(self.file) != self.digest:
            raise ValueError(f"{self.file} has changed since the suite started; run the same command again")
        found = read_embeddings(self.file)
        save_embeddings(out / EMBEDDINGS, found.embeddings, sample_id=found.sample_id)
        samples, dimensions = found.embeddings.shape
        return Outcome(extra={"samples": samples, "dimensions": dimensions})
