"""Write a network as ONNX, for any batch and size, and compare what onnxruntime makes of it with torch."""

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .extras import check_extra
from .files import written_beside
from .words import one_line

TOLERANCE = 1e-4
"""Largest difference from torch's answer that passes, as a part of its largest number if that is above 1."""

_MOST = 200
"""Most characters of the exporter's own reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """The sizes that an exported network takes.

    Examples
    --------
    >>> Sizes(smallest=(32, 32), multiple=(8, 8)).others()
    [(40, 48), (48, 40)]
    >>> Sizes(smallest=(64, 64)).others()
    []
    """

    smallest: tuple[int, ...]
    """A size that it takes, (y, x) or (z, y, x)."""

    multiple: tuple[int, ...] | None = None
    """What each axis must be a multiple of; without it no other size is taken."""

    def others(self) -> list[tuple[int, ...]]:
        """Return two more sizes, where there are any, none of whose axes is as long as that of another."""
        if self.multiple is None:
            return []
        steps = [range(1, len(self.smallest) + 1), range(len(self.smallest), 0, -1)]
        return [
            tuple(n + k * m for n, m, k in zip(self.smallest, self.multiple, each, strict=True))
            for each in steps
        ]


def write_onnx(
    network: nn.Module,
    path: Path,
    *,
    sizes: Sizes,
    output: str,
    output_axes: Sequence[str] = (),
    about: Mapping[str, str],
    what: str,
) -> float:
    """Write a network as ONNX, once its answers are compared, and return their largest difference.

    The input ``image`` is float32 (batch, 1, [z,] y, x), normalised as for the network; batch is free.

    Parameters
    ----------
    network
        In evaluation mode, on the CPU.
    path
        File to write, in place of one that is there.
    sizes
        The sizes that it shall take.
    output
        Name of the output.
    output_axes
        Names of its axes behind the second.
    about
        What the file states of itself, beside its graph.
    what
        What errors call the network.

    Raises
    ------
    ValueError
        If an optional package is missing, the network cannot be exported, or onnxruntime computes something
        else; the message says why and what may help.
    """
    for package in ("onnx", "onnxscript", "onnxruntime"):
        check_extra(package, extra="export", what="an export")
    axes = ("z", "y", "x")[-len(sizes.smallest) :]
    example = _example(sizes.smallest, batch=2)
    shapes: dict[int, Any] = {0: torch.export.Dim("batch")}
    for axis, name, multiple in zip(range(2, example.ndim), axes, sizes.multiple or (), strict=False):
        shapes[axis] = multiple * torch.export.Dim(f"_{name}") if multiple > 1 else torch.export.Dim(name)
    try:
        with _quiet(), torch.inference_mode(False), torch.no_grad():
            program: Any = torch.onnx.export(
                network,
                (example,),
                dynamo=True,
                dynamic_shapes=(shapes,),
                input_names=["image"],
                output_names=[output],
                verbose=False,
            )
    except Exception as error:  # of many kinds, and with a page of advice for those who write exporters
        raise ValueError(f"{what} cannot be exported to ONNX{_elsewhere(sizes)}: {_reason(error)}") from error
    _name_axes(program.model, (*("batch", "channel"), *axes), (*("batch", "channel"), *output_axes))
    program.model.metadata_props.update(about)
    with written_beside(path) as beside:
        program.save(beside)
        return _compared(network, beside, sizes, what=what)


def _name_axes(model: Any, given: Sequence[str], made: Sequence[str]) -> None:
    """Give the axes of input and output their names, where they are free."""
    for value, names in ((model.graph.inputs[0], given), (model.graph.outputs[0], made)):
        for axis, name in enumerate(names):
            if value.shape is not None and not isinstance(value.shape[axis], int):
                value.shape[axis] = name


def _compared(network: nn.Module, path: Path, sizes: Sizes, *, what: str) -> float:
    """Return the largest difference of onnxruntime's answers from torch's, or raise where it is too large."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # an error is raised, too
    session: Any = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    largest = 0.0
    for batch, size in ((2, sizes.smallest), *((1 + 2 * k, each) for k, each in enumerate(sizes.others()))):
        given = _example(size, batch=batch)
        with torch.inference_mode():
            ours = network(given).numpy()
        words = f"{batch} of {' x '.join(map(str, size))}"
        try:
            theirs = session.run(None, {"image": given.numpy()})[0]
        except Exception as error:  # of a class of onnxruntime's binding
            raise ValueError(
                f"{what} does not run as ONNX on {words}{_elsewhere(sizes)}: {_reason(error)}"
            ) from error
        difference = float(np.abs(ours - theirs).max()) if ours.shape == theirs.shape else float("inf")
        near = difference <= TOLERANCE * max(1.0, float(np.abs(ours).max()))
        if not near and not as_exact(network, given, ours=ours, theirs=theirs):
            raise ValueError(
                f"{what} answers otherwise as ONNX, by {difference:.2g} on {words}: the exporter may keep "
                f"something of one size{_elsewhere(sizes)}"
            )
        largest = max(largest, difference)
    return largest


def as_exact(network: nn.Module, given: Tensor, *, ours: np.ndarray, theirs: np.ndarray) -> bool:
    """Return whether answers are about as near to those in double precision as torch's own are.

    Some networks, as the attention of MA-Net, make much of a rounding error.

    Parameters
    ----------
    network
        The network, which stays as it is.
    given
        What both were given.
    ours, theirs
        Torch's answer and the other, in single precision.
    """
    if ours.shape != theirs.shape:
        return False
    try:
        with torch.inference_mode():
            exact = copy.deepcopy(network).double()(given.double()).numpy()
    except (RuntimeError, TypeError):  # it has no double precision
        return False
    return bool(np.abs(theirs - exact).max() <= 2 * np.abs(ours - exact).max())


def _example(size: tuple[int, ...], *, batch: int) -> Tensor:
    generator = torch.Generator().manual_seed(sum(size))
    return torch.randn(batch, 1, *size, generator=generator)


def _elsewhere(sizes: Sizes) -> str:
    """Return what may help: another size, or one size alone."""
    return (
        " (--size may name another size)" if sizes.multiple is None else " (--size exports it for one size)"
    )


def _reason(error: BaseException) -> str:
    """Return the innermost reason in words, without the exporter's advice and colours."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = one_line(RuntimeError(str(error).strip().partition("\n")[0]))
    return f"{type(error).__name__}: {text[:_MOST]}"


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """Let the exporter say nothing: what matters is raised."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
