"""Compiled networks, and what a failure to compile means to a user."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def compiled(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """Return a function that computes what the network does, compiled for the first shape that it is given.

    The network itself stays as it is: its weights keep their names, and other shapes may go through it.
    """
    return torch.compile(network.forward, dynamic=False)


@contextmanager
def compilation_named() -> Generator[None]:
    """Turn the compiler's errors into one that says what to do, and forget what was compiled in the end.

    Raises
    ------
    ValueError
        In place of the compiler's errors; other errors pass.
    """
    from torch._dynamo import reset
    from torch._dynamo.exc import TorchDynamoException

    try:
        yield
    except TorchDynamoException as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(
            f"the network must compile where compile=True, got: {reason}; install a C++ compiler (g++), or "
            "leave it out"
        ) from error
    finally:
        # Every network compiles anew, and torch bears only so many versions of one class before it gives up.
        reset()
