"""``mtneuro-data correlation``: plot the correlation of slices against their distance."""

from collections.abc import Iterator

from mtneuro_data._shared.terminal import Output, bar, check_output
from mtneuro_data.commands._task import cache_for, named_task


def correlation(
    task: str,
    /,
    *,
    output: Output,
    source: str | None = None,
    furthest: int = 30,
    threshold: float = 0.1,
) -> Iterator[str]:
    """Plot the correlation of slices against their distance, and say which gap to leave.

    Example: `mtneuro-data correlation roi-c1 --source phantom -o correlation.png`

    Parameters
    ----------
    task
        A task's name or file; the cubes of its first split are measured.
    output
        Picture to write, .png.
    source
        Volumes to read in place of the task's own: bossdb, phantom, or phantom?seed=7.
    furthest
        Largest distance, in slices.
    threshold
        Correlation below which two slices count as unlike.
    """
    from PIL import Image

    from mtneuro_data._shared.files import written_beside
    from mtneuro_data.correlation import correlation_plot, task_correlations

    spec = named_task(task, source)
    check_output(output, ".png", what="a picture")
    with bar("correlation") as progress:
        curves = task_correlations(spec, furthest=furthest, cache=cache_for(spec.image), progress=progress)
    with written_beside(output) as beside:
        Image.fromarray(correlation_plot(curves, threshold=threshold)).save(beside, format="PNG")
    yield f"{len(curves)} curves written to {output}"
    for name, curve in curves.items():
        gap = curve.gap(threshold)
        first = ", ".join(f"{value:.2f}" for value in curve.correlation[1:8])
        words = f"more than {len(curve.correlation) - 1}" if gap is None else str(gap)
        yield f"{name:10} correlation at 1, 2, ... slices: {first}; gap {words}"
    gaps = [curve.gap(threshold) for curve in curves.values()]
    known = [gap for gap in gaps if gap is not None]
    if len(known) == len(gaps):
        yield f"leave {max(known)} slices between train and test; the task leaves {spec.z_buffer}"
    else:
        yield f"some cubes are still alike {furthest} slices apart; the task leaves {spec.z_buffer}"
