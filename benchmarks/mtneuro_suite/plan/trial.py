"""Try the encoders and networks that are not ours, at every size that the runs to do will ask of them."""

import logging
from collections import defaultdict
from collections.abc import Iterable

from mtneuro_data import TaskSpec

from mtneuro_suite._shared.words import one_line
from mtneuro_suite.plan.costs import image_size
from mtneuro_suite.preset.overrides import RANDOM
from mtneuro_suite.runs.run import Run
from mtneuro_suite.steps import (
    Arrays,
    Dense,
    Encoder,
    GivenEmbeddings,
    Probes,
    Regions,
    Segmenter,
    Semantics,
)
from mtneuro_suite.steps.probes import VECTORS_ALONE

Size = tuple[int, ...]

_log = logging.getLogger(__name__)


def try_modules(runs: Iterable[Run]) -> None:
    """Raise unless the encoders and networks of the runs can do what is asked of them.

    Weights that an encoder starts from must be there, or be given by the network at once.
    Each is given a little noise, before any run starts; ours need no trial. An encoder whose pixels are asked
    for, and that has no feature maps, is warned of: its cells of Table 2 stay empty. So are embeddings of a
    file, where an attentive probe asks for maps.

    Raises
    ------
    ValueError
        In one line, what a module does not do, and how to mend it.
    FileNotFoundError
        If weights are neither there nor can be fetched.
    """
    runs = [*runs]
    encoders: dict[str, Encoder] = {}
    sizes: dict[str, set[Size]] = defaultdict(set)
    for run in runs:
        step = run.step
        if isinstance(step, Segmenter):
            if ":" in step.train.model:
                _try_network(step, run)
            continue
        encoder = run if isinstance(step, Encoder) else next(iter(run.needs.get("encoder", ())), None)
        if encoder is not None and isinstance(encoder.step, Encoder) and _is_foreign(encoder.step):
            encoders[encoder.id] = encoder.step
            sizes[encoder.id] |= _asked(run)
    for step in dict.fromkeys(run.step for run in runs if isinstance(run.step, Encoder)):
        if step.taken is None and step.train.encoder_weights is not None:
            _check_weights(step)
    tried = dict.fromkeys((_of_any_seed(step), tuple(sorted(sizes[name]))) for name, step in encoders.items())
    for settings, asked in tried:
        _try_encoder(settings, asked)
    mapped: dict[tuple[str, Size], str] = {}
    without: dict[str, None] = {}
    for run in runs:
        told, asked_of_maps = _maps_asked(run)
        encoder = next(iter(run.needs["encoder"])) if asked_of_maps else None
        if encoder is not None and isinstance(encoder.step, Encoder) and _may_lack_maps(encoder.step):
            mapped |= {(_of_any_seed(encoder.step), size): told for size in asked_of_maps}
        if encoder is not None and isinstance(encoder.step, GivenEmbeddings):
            without[told] = None
    for (settings, size), told in mapped.items():
        _try_maps(settings, size, told)
    for told in without:
        _log.warning("%s: %s", told, VECTORS_ALONE)


def _is_foreign(step: Encoder) -> bool:
    # Asked here, since mtneuro-ssl loads torch to try an encoder.
    return ":" in step.train.encoder or step.train.encoder.startswith("timm/")


def _may_lack_maps(step: Encoder) -> bool:
    return _is_foreign(step) or step.train.entry.family == "classical"


def _of_any_seed(step: Encoder) -> str:
    return step.train.model_copy(update={"seed": 1}).model_dump_json()


def _check_weights(step: Encoder) -> None:
    from mtneuro_ssl import check_weights

    try:
        check_weights(step.train)
    except FileNotFoundError as error:
        name = step.train.encoder.removeprefix("timm/")
        way = f": --encoder timm:{name}{RANDOM}" if step.train.encoder_weights == "hub" else ""
        raise FileNotFoundError(f"{one_line(error)}{way}") from None


def _try_encoder(settings: str, sizes: tuple[Size, ...]) -> None:
    from mtneuro_ssl import TrainSettings, tried_settings

    tried_settings(TrainSettings.model_validate_json(settings), sizes=sizes)


def _maps_asked(run: Run) -> tuple[str, set[Size]]:
    """Return what is empty where an encoder has no feature maps, and the sizes that a run asks them of."""
    step = run.step
    if isinstance(step, Dense):
        sizes = {_size(task) for role in ("train", "test") for task in _tasks(run, role)}
        return f"{step.frozen} has no row in Table 2, which task2.frozen asks for", sizes
    if isinstance(step, Probes) and "attentive" in step.probes:
        sizes = {_halved(_size(task)) for role in run.needs for task in _tasks(run, role)}
        return f"{step.model} has no attentive column in Table 1, which task1.probes asks for", sizes
    return "", set()


def _try_maps(settings: str, size: Size, told: str) -> None:
    from mtneuro_ssl import TrainSettings, check_feature_maps

    try:
        check_feature_maps(TrainSettings.model_validate_json(settings), sizes=[size])
    except ValueError as error:
        _log.warning("%s: %s", told, error)


def _try_network(step: Segmenter, run: Run) -> None:
    from mtneuro_seg import check_network

    deep = step.train.network.axes == 3
    tasks = [task for role in run.needs for task in _tasks(run, role)]
    check_network(
        step.train, sizes=[(task.depth, *image_size(task)) if deep else image_size(task) for task in tasks]
    )


def _asked(run: Run) -> set[Size]:
    """Return the sizes of the images that a run gives to its encoder."""
    step = run.step
    if isinstance(step, Encoder):
        if step.taken is not None:
            return set()
        from mtneuro_ssl import asked_size

        return {asked_size(_size(task), step.train) for task in _tasks(run, "train")}
    if isinstance(step, Semantics):
        whole = {_size(task) for task in _tasks(run, "samples")}
        seen = whole if step.view == "whole" else set(map(_halved, whole))
        return {(*depth, y // step.downsample, x // step.downsample) for *depth, y, x in seen}
    if isinstance(step, Regions):
        whole = {_size(task) for role in run.needs for task in _tasks(run, role)}
        return set(map(_halved, whole)) | (whole if step.supervised or step.linear else set())
    return set()


def _tasks(run: Run, role: str) -> list[TaskSpec]:
    return [need.step.task for need in run.needs[role] if isinstance(need.step, Arrays)]


def _size(task: TaskSpec) -> Size:
    """Return the height and width of a task's images, and the depth of its subvolumes before them."""
    return image_size(task) if task.depth == 1 else (task.depth, *image_size(task))


def _halved(size: Size) -> Size:
    """Return the height and width of an image's corners."""
    *depth, y, x = size
    return (*depth, y // 2, x // 2)
