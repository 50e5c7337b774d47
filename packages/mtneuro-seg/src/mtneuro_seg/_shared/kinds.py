"""Refuse a value of another kind than a call takes."""


def check_type(value: object, kind: type, name: str, *, mend: str = "") -> None:
    """Raise unless a value is of a kind.

    Parameters
    ----------
    value
        The value.
    kind
        The class that it must have.
    name
        What to call it in an error.
    mend
        What the error adds behind the kind.

    Raises
    ------
    TypeError
        Naming both.

    Examples
    --------
    >>> check_type("model", dict, "model", mend=", as load returns it")
    Traceback (most recent call last):
    TypeError: model must be dict, as load returns it, got str
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be {kind.__name__}{mend}, got {type(value).__name__}")
