"""``mtneuro-data info``: describe a volume or a task."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mtneuro_data._shared.terminal import bar
from mtneuro_data.commands._task import Intensity, cache_for, counted, named_task

if TYPE_CHECKING:
    from mtneuro_data.task import TaskSpec

_WORD = re.compile(r"[\w-]+")
"""What may be meant as a task's name: no path, pattern or file with an ending."""

_PUBLISHED = "/prasad/prasad"
"""Part of the URI and of the web address of each of the benchmark's channels."""

_CITATION = """\
data           Prasad et al. 2020, A three-dimensional thalamocortical dataset for characterizing brain
               heterogeneity, Scientific Data 7; CC BY 4.0
benchmark      Quesada et al. 2022, MTNeuro, NeurIPS Datasets and Benchmarks
not for        clinical use: one healthy mouse brain, one modality, annotated by few people"""


def info(uri: str, /, *, source: str | None = None, intensity: Intensity = None) -> Iterator[str]:
    """Describe a volume or a task.

    For a volume, show its shape, type and voxel size. For a task, show the number of images of each split and
    the proportion of each class by region and split, for which all labels are read.

    Example: `mtneuro-data info bossdb://prasad/prasad2020/image`

    Example: `mtneuro-data info semantics --source phantom`

    Parameters
    ----------
    uri
        The volume's URI or path, or a task's name or file.
    source
        Volumes to read in place of the task's own: bossdb, phantom, or phantom?seed=7.
    """
    from mtneuro_data._shared.words import unknown_name
    from mtneuro_data.paper import task_names
    from mtneuro_data.sources.lengths import in_words
    from mtneuro_data.volume import open_volume

    if uri in task_names() or uri.endswith((".json", ".toml")):
        yield from _task_lines(named_task(uri, source, intensity))
        return
    if _WORD.fullmatch(uri) and not Path(uri).exists():
        raise FileNotFoundError(f"no file or folder at {uri}; {unknown_name('a task', uri, task_names())}")
    volume = open_volume(uri)
    z, y, x = volume.shape
    size = volume.voxel_size_um
    yield f"uri            {volume.uri}"
    yield f"shape (z,y,x)  {z} x {y} x {x}"
    yield f"type           {volume.dtype}"
    yield f"voxel size     {'not stated' if size is None else in_words(size)}"
    if any(volume.offset):
        yield f"offset         {', '.join(map(str, volume.offset))} (z, y, x), in its own frame"
    if volume.kind is not None:
        yield f"kind           {volume.kind}"
    if volume.source.encoding is not None:
        yield f"encoding       {volume.source.encoding}"
    yield f"bytes          {z * y * x * volume.dtype.itemsize:,}"
    if _PUBLISHED in uri:
        yield _CITATION


def _task_lines(task: "TaskSpec") -> Iterator[str]:
    from mtneuro_data.grey import resolved_window
    from mtneuro_data.loading import load
    from mtneuro_data.opening import open_raw

    yield f"task           {task.name}, {task.kind}"
    yield f"regions        {', '.join(task.regions)}"
    yield f"fingerprint    {task.fingerprint}"
    for split, count in task.counts().items():
        yield f"{split:14} {counted(count, 'image')}"
    for one, cube, two, other in task.touching():
        yield f"touching       {cube} of {one} and {other} of {two}"
    if task.intensity is not None:
        image, _ = open_raw(task, tuple(task.splits), cache=cache_for(task.image))
        yield "intensity      {:g}:{:g}".format(*resolved_window(task.intensity, task, image))
    if _PUBLISHED in task.image:
        yield _CITATION
    if task.kind == "region":
        return
    for split in task.splits:
        with bar(split) as progress:
            shares = load(task, split, cache=cache_for(task.image), progress=progress).class_shares()
        for region, classes in shares.items():
            listed = ", ".join(f"{name} {share:.2%}" for name, share in classes.items())
            yield f"{split:8} {region:5} {listed}"
