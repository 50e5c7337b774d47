"""``mtneuro-seg import``."""

from pathlib import Path

from mtneuro_seg._shared.settings import changed_values
from mtneuro_seg._shared.terminal import Changes, Force, Output, SettingsFile, check_output
from mtneuro_seg.settings_file import settings_values


def import_(
    weights: Path,
    /,
    *,
    output: Output,
    force: Force = False,
    settings: SettingsFile = None,
    changes: Changes = (),
) -> str:
    """Make a model folder of weights that the original benchmark's code saved.

    Its U-Nets are read, 2D and 3D, and its networks of segmentation-models-pytorch. Nothing in the file is
    executed.

    Example: `mtneuro-seg import UNet_2D_3class.pt -o models/unet`

    Parameters
    ----------
    weights
        File of weights (.pt).
    output
        Model folder to write.
    settings
        Settings file (.toml or .json), such as the network file that the weights were trained by.
    changes
        One setting that the weights do not tell, as key=value, such as activation=elu; may be given several
        times, and overrides the file.
    """
    check_output(output, what="a model", force=force)
    given = changed_values({} if settings is None else settings_values(settings), changes)
    from mtneuro_seg._shared.model_folder import check_destination
    from mtneuro_seg.original import original_model

    check_destination(output)
    model = original_model(weights, **given)
    model.save(output)
    return f"{model.settings.network.title} of {model.settings.classes} classes written to {output}"
