"""``mtneuro-data doctor``: check that the benchmark's data can be reached."""

import sys
from collections.abc import Iterator


def doctor() -> Iterator[str]:
    """Check the cache, the host, the credentials, the benchmark's channels and a small cutout of each.

    Ends with status 1 if a check fails.

    Example: `mtneuro-data doctor`
    """
    from mtneuro_data.doctor import findings

    well = True
    for finding in findings():
        yield f"{'ok  ' if finding.ok else 'FAIL'}  {finding.what}: {finding.words}"
        well = well and finding.ok
    if not well:
        sys.exit(1)
