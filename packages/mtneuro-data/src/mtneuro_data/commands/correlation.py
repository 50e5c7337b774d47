"""``mtneuro-data correlation``: plot the correlation of slices against their distance."""

from collections.abc import Iterator

from mtneuro_data._shared.terminal import Force, Output, bar, check_output
from mtneuro_data.commands._task import Intensity, cache_for, counted, named_task


def correlation(
    task: str,
    /,
    *,
    output: Output,
    force: Force = False,
    source: str | None = None,
    furthest: int | None = None,
    threshold: float = 0.1,
    intensity: Intensity = None,
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
        Largest distance, in slices; by default 30, or as far as the cubes reach.
    threshold
        Correlation below which two slices count as unlike.
    """
    from PIL import Image

    from mtneuro_data._shared.files import written_beside
    from mtneuro_data.correlation import DISTANCES, correlation_plot, task_correlations

    check_output(output, ".png", what="a picture", force=force)
    spec = named_task(task, source, intensity)
    most = max(box.shape[0] for _, box in spec.boxes(next(iter(spec.splits)))) - 1
    if furthest is None:
        furthest = min(DISTANCES, most)
    elif not 1 <= furthest <= most:
        raise ValueError(f"--furthest must lie within [1, {most}], the cubes' slices but one, got {furthest}")
    if not -1 <= threshold <= 1:
        raise ValueError(f"--threshold must be a correlation, -1 to 1, got {threshold}")
    with bar("correlation") as progress:
        curves = task_correlations(spec, furthest=furthest, cache=cache_for(spec.image), progress=progress)
    with written_beside(output) as beside:
        Image.fromarray(correlation_plot(curves, threshold=threshold)).save(beside, format="PNG")
    yield f"{counted(len(curves), 'curve')} written to {output}"
    for name, curve in curves.items():
        gap = curve.gap(threshold)
        first = ", ".join(f"{value:.2f}" for value in curve.correlation[1:8])
        words = f"more than {len(curve.correlation) - 1}" if gap is None else str(gap)
        yield f"{name:10} correlation at 1, 2, ... slices: {first}; gap {words}"
    gaps = [curve.gap(threshold) for curve in curves.values()]
    known = [gap for gap in gaps if gap is not None]
    if len(known) == len(gaps):
        told = f"leave {counted(max(known), 'slice')} between train and test"
    else:
        told = f"some cubes are still alike {counted(furthest, 'slice')} apart"
    yield f"{told}; the task leaves {spec.z_buffer}"
