"""Labels as a command names them: by value, or by the name that their class has in the file."""

from collections.abc import Sequence

from mtneuro_probe._shared.words import unknown_name


def named_value(text: str, names: Sequence[str] | None) -> tuple[str, int]:
    """Return the name and the value that ``--label`` gives, as NAME=VALUE or the name of a class in the file.

    Raises
    ------
    ValueError
        If it is neither.

    Examples
    --------
    >>> named_value("synapse=5", None), named_value("cell", ("background", "cell"))
    (('synapse', 5), ('cell', 1))
    """
    name, equals, value = text.partition("=")
    if not name or (equals and not value):
        raise ValueError(f"--label must read NAME=VALUE, such as synapse=5, or NAME, got {text!r}")
    return name, label_value(value if equals else name, names, "--label")


def label_value(label: int | str, names: Sequence[str] | None, option: str) -> int:
    """Return a label's value, given itself or as the name of a class in the file.

    Raises
    ------
    ValueError
        If the file names no such class.

    Examples
    --------
    >>> label_value("7", None, "--ignore"), label_value("cell", ("background", "cell"), "--ignore")
    (7, 1)
    """
    if isinstance(label, int) or label.isdecimal():
        return int(label)
    if names is None:
        raise ValueError(
            f"{option} must give a value, such as 5, as the file names no classes, got {label!r}"
        )
    if label not in names:
        raise ValueError(unknown_name(f"the label of {option}", label, names))
    return names.index(label)
