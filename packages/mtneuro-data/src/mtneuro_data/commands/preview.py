"""``mtneuro-data preview``: draw every cube of a task."""

from collections.abc import Iterator

from mtneuro_data._shared.terminal import Force, Output, bar, check_output
from mtneuro_data.commands._task import Intensity, cache_for, counted, named_task


def preview(
    task: str,
    /,
    *,
    output: Output,
    force: Force = False,
    source: str | None = None,
    intensity: Intensity = None,
) -> Iterator[str]:
    """Draw the middle slice of each of a task's cubes, without and with its labels, as a PNG.

    Example: `mtneuro-data preview semantics --source phantom -o cubes.png`

    Parameters
    ----------
    task
        A task's name or file.
    output
        Picture to write, .png.
    source
        Volumes to read in place of the task's own: bossdb, phantom, or phantom?seed=7.
    """
    from PIL import Image

    from mtneuro_data._shared.files import written_beside
    from mtneuro_data.preview import contact_sheet

    check_output(output, ".png", what="a picture", force=force)
    spec = named_task(task, source, intensity)
    with bar("preview") as progress:
        sheet = contact_sheet(spec, cache=cache_for(spec.image), progress=progress)
    with written_beside(output) as beside:
        Image.fromarray(sheet).save(beside, format="PNG")
    yield f"{counted(len(spec.cubes), 'cube')} written to {output}"
