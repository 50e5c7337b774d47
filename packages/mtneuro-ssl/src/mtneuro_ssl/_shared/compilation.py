"""Refuse to compile networks where a compiler is missing, and explain the compiler's errors."""

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec

import torch

_COMPILERS = ("g++", "clang++", "cl")


def check_compiler(device: torch.device, /) -> None:
    """Raise unless the device has the compiler that ``torch.compile`` needs.

    Raises
    ------
    ValueError
        If there is no C++ compiler for a CPU, or no Triton for a GPU; or for a Mac's GPU.
    """
    if device.type == "mps":
        raise ValueError(
            "compile must be false on device 'mps', for which torch compiles in part only, got true"
        )
    if device.type == "cuda":
        if find_spec("triton") is None:
            raise ValueError(
                "compile needs Triton on a GPU, found none: install triton, or set compile=false"
            )
        return
    chosen = os.environ.get("CXX")
    if not any(map(shutil.which, (chosen,) if chosen else _COMPILERS)):
        raise ValueError(
            f"compile needs a C++ compiler on a CPU, found none of {chosen or ', '.join(_COMPILERS)}: "
            "install one, name it in CXX, or set compile=false"
        )


@contextmanager
def compilation_errors_named() -> Generator[None]:
    """Turn the compiler's errors into one that says what to do, and drop the compiled code at the end.

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
            f"the network must compile where compile is set, got: {reason}; set compile=false"
        ) from error
    finally:
        # Every network compiles anew, and torch keeps only so many versions of one class before it gives up.
        reset()
