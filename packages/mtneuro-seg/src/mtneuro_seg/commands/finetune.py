"""``mtneuro-seg finetune``."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from mtneuro_seg._shared.factories import look_here
from mtneuro_seg._shared.settings import changed_values
from mtneuro_seg._shared.terminal import Changes, Force, Output, bar, check_output
from mtneuro_seg.commands.options import Device, Log, Trust


def finetune(
    model: Path,
    /,
    *folders: Path,
    output: Output,
    force: Force = False,
    accept: Annotated[tuple[str, ...], Parameter(consume_multiple=True, show_default=False)] = (),
    changes: Changes = (),
    device: Device = "auto",
    log: Log = (),
    log_folder: Path | None = None,
    trust: Trust = (),
) -> Iterator[str]:
    """Train a model on with the boxes that a person corrected, and write the new model's folder.

    It starts from MODEL's weights and settings, with a tenth of its learning rate. A box is learnt from if
    its labels differ from those that were suggested; voxels of the label 255 are not. The folders are only
    read. An interrupted training resumes when the same command is run again.

    Example: `mtneuro-seg finetune models/unet round1 -o models/round1`

    Parameters
    ----------
    model
        Model folder to start from, or a repository, as for `predict`.
    folders
        Folders that `mtneuro-seg suggest` wrote, with corrections: give those of all rounds, so that nothing
        is forgotten.
    output
        Model folder to write.
    accept
        Names of boxes, as in boxes.csv, whose labels are right as they were suggested; `all` for every one.
    changes
        One setting that is to differ from MODEL's, as key=value, such as epochs=5 or learning_rate=0.0003;
        may be given several times. `mtneuro-seg train --help` lists them.
    device
        Where to compute; auto takes a GPU if there is one.
    log
        Also log the settings and the history: `wandb` (Weights & Biases; `WANDB_MODE=offline` sends nothing),
        `mlflow` (at `MLFLOW_TRACKING_URI`, or into a file) or `tensorboard`; may be given several times, and
        each needs the extra of its name. An interrupted training goes on in the same log.
    log_folder
        Folder of what is logged; by default `logs` beside OUTPUT.
    trust
        A factory, as package.module:factory, that may be called if MODEL names it as its network.
    """
    check_output(output, what="a model", force=True)
    if log_folder is not None:
        check_output(log_folder / output.name, what="a log", force=True)
    if not folders:
        raise ValueError("FOLDERS must name a folder of suggestions, such as round1, got none")
    given: dict[str, Any] = {"device": device} | changed_values({}, changes)
    look_here(trust)
    from mtneuro_seg._shared.hub import found_folder
    from mtneuro_seg._shared.logs import run_loggers
    from mtneuro_seg.annotation.finetuning import corrected_images, tuned_settings
    from mtneuro_seg.annotation.finetuning import finetune as finetune_model
    from mtneuro_seg.model import load_model

    if output.resolve() == model.resolve():
        raise ValueError(f"--output must be another folder than MODEL, got {str(output)!r}")
    loggers = run_loggers(log, out=output, folder=log_folder)
    loaded = load_model(found_folder(model), trusted=trust)
    tuned_settings(loaded.settings, given)
    corrected = corrected_images(folders, model=loaded, accept=accept)
    for each in corrected.boxes:
        yield f"{each.box.name}  {each.changed:.2%} of its labels changed"
    if corrected.others:
        yield f"{len(corrected.others)} boxes left out, which were not changed: {', '.join(corrected.others)}"
    with bar("training") as progress:
        tuned = finetune_model(
            loaded,
            folders,
            out=output,
            changes=given,
            accept=accept,
            replace=force,
            progress=progress,
            loggers=loggers,
        )
    last = tuned.history[-1]
    yield f"{tuned.settings.model}: {last['step']} steps, loss {last['loss']:.4f}"
    yield f"model written to {output}"
