"""Tell whether a report shows the results as they are now, so that it need not be drawn again."""

from collections.abc import Sequence
from pathlib import Path

from mtneuro_suite._shared.digests import digest, file_digest
from mtneuro_suite.execute.handshake import sources
from mtneuro_suite.plan.plan import Plan
from mtneuro_suite.runs.failure import Failure
from mtneuro_suite.runs.store import Store

_HEAD_BYTES = 4096
"""How much of a report is read: its state stands before style and pictures."""


def report_state(plan: Plan, store: Store, failures: Sequence[Failure]) -> str:
    """Return a digest of all that a report shows: results, failures, settings, and what draws them.

    Parameters
    ----------
    plan, store
        The runs, and where their results are.
    failures
        Runs that failed.
    """
    templates = sorted((Path(__file__).parent / "templates").iterdir())
    return digest(
        {
            "results": {run.id: store.stamp(run) for run in plan.runs},
            "failures": [[failure.run.id, failure.reason] for failure in failures],
            "preset": plan.preset.model_dump(mode="json"),
            "sources": sources(),
            "templates": [file_digest(path) for path in templates],
        }
    )


def shows(path: Path, state: str) -> bool:
    """Return whether a file is a whole report of a state.

    Parameters
    ----------
    path
        The report, which may be missing; it is renamed into place, so that what is there is whole.
    state
        From `report_state`.
    """
    try:
        with path.open("rb") as file:
            return f'content="{state}"'.encode() in file.read(_HEAD_BYTES)
    except OSError:
        return False
