"""Compiled networks: the same mathematics, fused by torch's compiler."""

import os
import shutil
from importlib.util import find_spec

import torch
from torch import nn

_COMPILERS = ("g++", "clang++", "cl")


def check_compiler(device: torch.device) -> None:
    """Refuse to compile where torch's compiler has not what it needs.

    Raises
    ------
    ValueError
        If there is no C++ compiler for a CPU, or no Triton for a GPU.
    """
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


def compile_encoders(method: nn.Module) -> None:
    """Have a method's encoder, and its target's, compiled at their first pass; the heads are small.

    In place, so that the names of the weights stay as they are. Copies of the encoders are not compiled.
    """
    for name in ("encoder", "target_encoder"):
        network = getattr(method, name, None)
        if isinstance(network, nn.Module):
            network.compile()
