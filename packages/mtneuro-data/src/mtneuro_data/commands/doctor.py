"""``mtneuro-data doctor``: check that a volume, or the benchmark's data, can be reached."""

import sys
from collections.abc import Iterator


def doctor(uri: str | None = None, /) -> Iterator[str]:
    """Check the cache, the host, the credentials, what is described and a small cutout of it.

    Ends with status 1 if a check fails.

    Example: `mtneuro-data doctor precomputed://gs://bucket/em`

    Parameters
    ----------
    uri
        A volume, of which the middle is read; the benchmark's own channels by default.
    """
    from mtneuro_data.doctor import findings

    well = True
    for finding in findings(uri):
        yield f"{'ok  ' if finding.ok else 'FAIL'}  {finding.what}: {finding.words}"
        well = well and finding.ok
    if not well:
        sys.exit(1)
