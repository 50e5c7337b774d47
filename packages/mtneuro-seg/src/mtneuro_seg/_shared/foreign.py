"""A module that somebody else wrote, tried once: its answer, or what is wrong with it, in one line."""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from textwrap import shorten

import torch
from torch import Tensor, nn

from .words import one_line

_REASON_LENGTH = 240
"""Most characters of the error that a module raised."""


def described(answer: object) -> str:
    """Return in a few words what a module answered.

    Examples
    --------
    >>> described(torch.zeros(2, 3)), described({"out": 1, "aux": 2}), described((1, 2)), described(None)
    ('a tensor of shape (2, 3)', "a dict of 'out', 'aux'", 'a tuple of 2', 'NoneType')
    """
    if isinstance(answer, Tensor):
        return f"a tensor of shape {tuple(answer.shape)}"
    if isinstance(answer, Mapping):
        return f"a dict of {', '.join(map(repr, answer))}"
    if isinstance(answer, tuple | list):
        return f"a {type(answer).__name__} of {len(answer)}"
    return type(answer).__name__


def reason(error: Exception) -> str:
    """Return an error of code that is not ours on one line, with its type."""
    return shorten(f"{type(error).__name__}: {one_line(error)}".rstrip(": "), _REASON_LENGTH)


@contextmanager
def module_errors_named(requirement: str, /, *, remedy: Callable[[], str] | None = None) -> Generator[None]:
    """Turn whatever a module raises into one line; what the machine lacks memory for passes.

    Parameters
    ----------
    requirement
        What the module must do.
    remedy
        Called after an error: returns how to mend it, or an empty text.

    Raises
    ------
    ValueError
        In place of the module's error.

    Examples
    --------
    >>> with module_errors_named("net must take images of 8 x 8"):
    ...     raise IndexError("too many axes")
    Traceback (most recent call last):
    ValueError: net must take images of 8 x 8, got IndexError: too many axes
    """
    try:
        yield
    except Exception as error:
        text = str(error).lower()
        short_of_memory = isinstance(error, torch.OutOfMemoryError | MemoryError) or "out of memory" in text
        if short_of_memory or "allocate memory" in text:
            raise
        mend = "" if remedy is None else remedy()
        raise ValueError(f"{requirement}, got {reason(error)}" + (f"; {mend}" if mend else "")) from error


def answer_of(module: nn.Module, given: Tensor, /, *, name: str, remedy: str = "") -> Tensor:
    """Return what a module answers in evaluation mode and without gradients.

    Parameters
    ----------
    module
        The module; it is left in the mode that it was in.
    given
        What it is given: images ``(n, 1, ...)``, or vectors ``(n, features)``.
    name
        What to call it in an error.
    remedy
        How to mend that it does not take what it is given.

    Raises
    ------
    ValueError
        If it raises an error, or answers with anything but one tensor.
    """
    requirement = f"{name} must take {words_of(given)}"
    training = module.training
    module.eval()
    try:
        with (
            torch.no_grad(),
            module_errors_named(requirement, remedy=lambda: _channels(module, given) or remedy),
        ):
            answer = module(given.clone())  # it may write into what it is given
    finally:
        module.train(training)
    if not isinstance(answer, Tensor):
        raise ValueError(f"{name} must return one tensor, got {described(answer)}: return one part of it")
    return answer


def check_module(module: nn.Module, given: Tensor, answer: Tensor, /, *, twin: nn.Module, name: str) -> None:
    """Raise unless a module's answer can be relied on, and its weights can be saved and loaded.

    Parameters
    ----------
    module
        The module.
    given, answer
        What it was given, and what it answered.
    twin
        Another module that the same code has made, or a copy; it gets the weights of the first.
    name
        What to call it in an error.

    Raises
    ------
    ValueError
        If the module changes what it is given or answers with numbers that are not finite; if its twin cannot
        load its weights, or answers otherwise with them.
    """
    if not answer.isfinite().all():
        raise ValueError(f"{name} must return finite numbers, got nan or inf for {words_of(given)}")
    with module_errors_named(f"{name} must load the weights that it saves (its state_dict)"):
        twin.load_state_dict({key: value.clone() for key, value in module.state_dict().items()})
    copied = given.clone()
    with torch.no_grad():
        found = twin.eval()(copied)
    if not torch.equal(copied, given):
        raise ValueError(
            f"{name} must leave what it is given as it is, got another input after its forward pass: begin "
            "it with x = x.clone(), or change x by no operation in place (such as x += 1)"
        )
    if _alike(answer, found):
        return
    if not _alike(answer, answer_of(module, given, name=name)):
        raise ValueError(
            f"{name} must answer alike when it is asked twice in evaluation mode, got two answers: let its "
            "dropout or noise follow self.training"
        )
    raise ValueError(
        f"{name} must answer alike after its weights are saved and loaded, got another answer: keep all "
        "that it learns or draws in parameters, or in buffers (self.register_buffer)"
    )


def check_training_answer(twin: nn.Module, given: Tensor, answer: Tensor, /, *, name: str) -> None:
    """Raise unless a module answers in training mode with a tensor of the shape of its other answer.

    Parameters
    ----------
    twin
        A copy of the module, whose state may change.
    given, answer
        What the module was given, and its answer in evaluation mode.
    name
        What to call it in an error.

    Raises
    ------
    ValueError
        If it raises an error, or answers with anything else, such as further outputs for their own losses.
    """
    twin.train()
    with torch.no_grad(), module_errors_named(f"{name} must take {words_of(given)} in training mode"):
        found = twin(given.clone())
    if not isinstance(found, Tensor) or found.shape != answer.shape:
        raise ValueError(
            f"{name} must return {described(answer)} in training mode too, got {described(found)}: "
            "leave out what it returns for losses of its own"
        )


def _alike(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one, other, rtol=1e-3, atol=1e-4)


def words_of(given: Tensor) -> str:
    """Return in words what a module is given.

    Examples
    --------
    >>> words_of(torch.zeros(2, 1, 8, 16)), words_of(torch.zeros(2, 5))
    ('images of 8 x 16 and 1 channel, (2, 1, 8, 16)', 'vectors of 5 features, (2, 5)')
    """
    if given.ndim == 2:
        return f"vectors of {given.shape[1]} features, {tuple(given.shape)}"
    return f"images of {' x '.join(map(str, given.shape[2:]))} and 1 channel, {tuple(given.shape)}"


def _channels(module: nn.Module, given: Tensor) -> str:
    """Return how to mend a module that takes three channels in place of one, or an empty text."""
    if given.ndim < 4:
        return ""
    try:
        module(given.expand(-1, 3, *given.shape[2:]))
    except Exception:
        return ""
    return (
        "it takes 3 channels: let its first layer take 1, or begin its forward pass with "
        f"x = x.expand({', '.join(['-1', '3', *['-1'] * (given.ndim - 2)])})"
    )
