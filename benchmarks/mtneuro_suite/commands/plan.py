"""``mtneuro plan``."""

from collections.abc import Iterator
from typing import Annotated

from cyclopts import Group, Parameter

from mtneuro_suite.commands.run import How, What, Where, run


def plan(
    what: Annotated[What | None, Parameter(name="*", group=Group.create_ordered("What"))] = None,
    where: Annotated[Where | None, Parameter(name="*", group=Group.create_ordered("Where"))] = None,
    *,
    estimate: bool = False,
    only: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = (),
) -> Iterator[str]:
    """List what `mtneuro run` with the same options would do, and on request what that costs; run nothing.

    Each line is a run: whether it is done, failed or to do, its name, and what it is. Counts by table follow.

    - `mtneuro plan`: the demo's runs
    - `mtneuro plan --preset paper --source bossdb`: the paper's
    - `mtneuro plan --preset table1 --estimate`: and what they cost here: time, memory, disk, download
    - `mtneuro plan --encoder my_encoder.py:factory`: those of your encoder's row, tried first

    Parameters
    ----------
    estimate
        Say first what the runs will cost (time, memory, disk, download), after a short timing.
    only
        List these runs and what they need, by the names that a list without it shows.
    """
    return run(what, where, How(list_runs=True, estimate=estimate, only=only))
