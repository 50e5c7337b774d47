"""Turn out-of-memory errors into a message that names the setting to lower."""

from collections.abc import Generator
from contextlib import contextmanager

import torch


@contextmanager
def memory_errors_named(work: str, *, remedy: str) -> Generator[None]:
    """Turn out-of-memory errors, of a GPU or of the machine, into one that says what to do.

    Parameters
    ----------
    work
        What did not fit.
    remedy
        What to do about it.

    Raises
    ------
    ValueError
        In place of the error for memory; other errors pass.

    Examples
    --------
    >>> with memory_errors_named("training", remedy="lower batch_size"):
    ...     raise torch.OutOfMemoryError("tried to allocate 80 GiB")
    Traceback (most recent call last):
    ValueError: training must fit into memory, got: out of memory; lower batch_size
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        text = str(error).lower()
        if (
            isinstance(error, torch.OutOfMemoryError | MemoryError)
            or "allocate memory" in text
            or "out of memory" in text
        ):
            raise ValueError(f"{work} must fit into memory, got: out of memory; {remedy}") from error
        raise
