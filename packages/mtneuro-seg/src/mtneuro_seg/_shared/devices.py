"""Choose the device to compute on, and do on it what not every device can."""

from collections.abc import Generator
from contextlib import contextmanager

import torch
from torch import Tensor

DEVICES = ("auto", "cpu", "cuda", "mps")
"""Names of devices. ``mps`` is the GPU of a Mac."""

_LACKING = {"cuda": "a CUDA GPU and driver", "mps": "the GPU of a Mac (Metal)"}


def is_available(name: str, /) -> bool:
    """Return whether torch can compute on ``"cuda"`` or ``"mps"`` here; on a CPU it always can."""
    there = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
    return there[name]() if name in there else True


def check_available(name: str, /, *, instead: str = "'cpu'") -> None:
    """Raise ``ValueError`` if torch cannot compute on a kind of device here; say what to use instead."""
    if not is_available(name):
        raise ValueError(f"device {name!r} needs {_LACKING[name]}, found none; use {instead}")


def chosen_device(name: str | None = None, /) -> torch.device:
    """Return the device of that name; ``"auto"`` and None take a CUDA GPU, else a Mac's, else the CPU.

    Raises
    ------
    ValueError
        If it is ``"cuda"`` or ``"mps"`` and there is none, or any other name.

    Examples
    --------
    >>> chosen_device("cpu")
    device(type='cpu')
    """
    if name not in (None, *DEVICES):
        raise ValueError(f"device must be 'auto', 'cpu', 'cuda' or 'mps', got {name!r}")
    if name in (None, "auto"):
        return torch.device(next(each for each in ("cuda", "mps", "cpu") if is_available(each)))
    check_available(name, instead="'auto' or 'cpu'")
    return torch.device(name)


def check_full_precision(device: torch.device, precision: str, /) -> None:
    """Raise ``ValueError`` if a Mac's GPU is to compute in mixed precision, which Lightning leaves out there.

    Examples
    --------
    >>> check_full_precision(torch.device("mps"), "bf16-mixed")
    Traceback (most recent call last):
    ValueError: precision must be '32-true' on device 'mps', got 'bf16-mixed'
    """
    if device.type == "mps" and precision != "32-true":
        raise ValueError(f"precision must be '32-true' on device 'mps', got {precision!r}")


def in_double(values: Tensor, /) -> Tensor:
    """Return values in double precision, on their device, or the CPU for a Mac's GPU, which has none."""
    return values.cpu().double() if values.device.type == "mps" else values.double()


@contextmanager
def random_state_kept(device: torch.device, /) -> Generator[None]:
    """Restore the state of torch's random numbers, of the CPU and of a device, behind the block."""
    gpus = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(gpus):
        state = torch.mps.get_rng_state() if device.type == "mps" else None
        try:
            yield
        finally:
            if state is not None:
                torch.mps.set_rng_state(state)


@contextmanager
def missing_operations_named() -> Generator[None]:
    """Turn torch's error for an operation that a Mac's GPU lacks into one that says what to do.

    Raises
    ------
    ValueError
        In place of that error; other errors pass.

    Examples
    --------
    >>> with missing_operations_named():
    ...     raise NotImplementedError("'aten::a' is not there for MPS. If you want")
    Traceback (most recent call last):
    ValueError: device 'mps' must have every operation, got: 'aten::a' is not there for MPS; use 'cpu'
    """
    try:
        yield
    except (NotImplementedError, TypeError) as error:
        if "MPS" not in str(error):
            raise
        first = str(error).split(". ")[0].rstrip(".")
        raise ValueError(f"device 'mps' must have every operation, got: {first}; use 'cpu'") from error
