"""Out of memory, said so that a user knows what to lower."""

from collections.abc import Generator
from contextlib import contextmanager

import torch


@contextmanager
def memory_named(work: str, *, lower: str) -> Generator[None]:
    """Turn torch's out-of-memory errors, of a GPU or of the machine, into one that says what to lower.

    Parameters
    ----------
    work
        What did not fit.
    lower
        What to do about it.

    Raises
    ------
    ValueError
        In place of the error for memory; other errors pass.

    Examples
    --------
    >>> with memory_named("training", lower="lower batch_size"):
    ...     raise torch.OutOfMemoryError("tried to allocate 80 GiB")
    Traceback (most recent call last):
    ValueError: training must fit into memory, got: out of memory; lower batch_size
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        told = str(error).lower()
        if (
            isinstance(error, torch.OutOfMemoryError | MemoryError)
            or "allocate memory" in told
            or "out of memory" in told
        ):
            raise ValueError(f"{work} must fit into memory, got: out of memory; {lower}") from error
        raise
