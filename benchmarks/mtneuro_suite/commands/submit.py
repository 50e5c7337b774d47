"""``mtneuro submit``."""

import re
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from mtneuro_suite._shared.terminal import Force, check_output


def submit(
    folder: Path,
    *,
    name: str,
    by: str,
    link: str = "",
    rows: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = (),
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    force: Force = False,
) -> str:
    """Check a folder of results, and write it as one file for a leaderboard.

    Everything is checked that can be: files are whole and as they were written, numbers are those of the
    runs, samples are all that the tasks name, of this version of the suite and of the phantom. What is
    missing or wrong is told in a line, and nothing is written then.

    - `mtneuro submit results/demo --name demo --by "A. Person"`
    - `mtneuro submit results/demo-with-mine --rows mine --name mine --by "A. Person"`

    Parameters
    ----------
    folder
        Results of one preset, such as `results/demo`; its runs must still lie beside it.
    name
        What the submission is called.
    by
        Who made it.
    link
        Where more stands about it: a paper, a repository.
    rows
        Models to be submitted, as the results name them; all by default.
    output
        The file; NAME.submission.json by default.
    """
    from mtneuro_suite.report.submission import ENDING, submission_of, write_submission

    path = output or Path(re.sub(r"[^\w.-]+", "_", name) + ENDING)
    check_output(path, ENDING, what="a submission", force=force)
    made = submission_of(folder, name=name, by=by, link=link, rows=rows)
    write_submission(made, path)
    models = len({row.model for row in made.results.rows})
    return f"{models} models with {len(made.results.rows)} numbers written to {path}"
