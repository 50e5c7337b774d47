"""``mtneuro-ssl import``."""

from pathlib import Path

from mtneuro_ssl._shared.settings import changed_values
from mtneuro_ssl._shared.terminal import Changes, Force, Output, SettingsFile, check_output
from mtneuro_ssl.settings import TrainSettings
from mtneuro_ssl.settings_file import file_values


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

    A checkpoint of BYOL, MYOW or MYOW-m is read (its online encoder is taken), an encoder with a linear
    stage, and a supervised classifier. A checkpoint's heads are kept, so that a run may start from it
    (start_from). Nothing in the file is executed.

    Example: `mtneuro-ssl import ckpt-800.pt -o byol`

    Parameters
    ----------
    weights
        File of weights (.pt).
    output
        Model folder to write.
    settings
        Settings file (.toml or .json), such as the network file that the weights were trained by.
    changes
        One setting that the weights do not tell, as key=value, such as method=myow-m; may be given several
        times, and overrides the file.
    """
    check_output(output, what="a model", force=force)
    given = {} if settings is None else file_values(settings, known=TrainSettings.model_fields)
    from mtneuro_ssl._shared.model_folder import check_destination
    from mtneuro_ssl.original import original_heads, original_model

    check_destination(output)
    model = original_model(weights, **changed_values(given, changes))
    model.save(output, source=weights.name, heads=original_heads(weights))
    return f"model of {model.dim} features ({model.settings.method}) written to {output}"
