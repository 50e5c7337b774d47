"""A module that somebody else wrote, tried once: its answer, or what is wrong with it, in one line."""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from textwrap import shorten

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd  # pyright: ignore[reportPrivateUsage]  # of any dimension

from .words import one_line

_REASON_LENGTH = 240
"""Most characters of the error that a module raised."""

_OF_NO_SIZE = (TypeError, AttributeError, NameError, LookupError, ImportError, SystemExit)
"""Errors of a module that other images would not mend."""


class AskedError(ValueError):
    """Something that was asked of a module cannot be had of it: the message says all."""


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


def reason(error: BaseException) -> str:
    """Return an error of code that is not ours on one line, with its type."""
    return shorten(f"{type(error).__name__}: {one_line(error)}".rstrip(": "), _REASON_LENGTH)


@contextmanager
def module_errors_named(requirement: str, /, *, remedy: Callable[[], str] | None = None) -> Generator[None]:
    """Turn whatever a module raises into one line; what the machine lacks memory for passes.

    So does an `AskedError`. A module that would end the process (``sys.exit``) is no reason to end it.

    Parameters
    ----------
    requirement
        What the module must do.
    remedy
        Called after an error that may be of the images: returns how to mend it, or an empty text.

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
    except AskedError:
        raise
    except (Exception, SystemExit) as error:
        text = str(error).lower()
        short_of_memory = isinstance(error, torch.OutOfMemoryError | MemoryError) or "out of memory" in text
        if short_of_memory or "allocate memory" in text:
            raise
        mend = "" if remedy is None or isinstance(error, _OF_NO_SIZE) else remedy()
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
            module_errors_named(requirement, remedy=lambda: _mend(module, given) or remedy),
        ):
            answer = module(given.clone())  # it may write into what it is given
    finally:
        module.train(training)
    if not isinstance(answer, Tensor):
        part = ": return one part of it" if isinstance(answer, Mapping | tuple | list) else ""
        raise ValueError(f"{name} must return one tensor, got {described(answer)}{part}")
    if answer.layout is not torch.strided:
        raise ValueError(
            f"{name} must return a dense tensor, got one of {answer.layout}: end it with .to_dense()"
        )
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
    saved = module.state_dict()
    for key, value in saved.items():
        if not isinstance(value, Tensor):
            raise ValueError(
                f"{name} must keep tensors alone in its state_dict, got {type(value).__name__} as {key!r}: "
                "keep it in a buffer, or leave out get_extra_state"
            )
    with module_errors_named(
        f"{name} must load the weights that it saves (its state_dict)",
        remedy=lambda: "make all of its layers when it is made, not in its forward pass",
    ):
        twin.load_state_dict({key: value.clone() for key, value in saved.items()})
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


def check_each_image(module: nn.Module, given: Tensor, answer: Tensor, /, *, name: str) -> None:
    """Raise unless a module answers an image as it does with others in the batch.

    Parameters
    ----------
    module
        The module.
    given, answer
        What it was given, and what it answered in evaluation mode.
    name
        What to call it in an error.

    Raises
    ------
    ValueError
        If the first image alone has another answer, or none.
    """
    if _alike(answer_of(module, given[:1], name=name), answer[:1]):
        return
    raise ValueError(
        f"{name} must answer each image by itself, got another answer for one alone than for it among "
        f"{len(given)}: in evaluation mode, normalise by statistics that it keeps (a BatchNorm that tracks "
        "them), not by those of the batch, and leave the images in their order"
    )


def check_training_answer(
    twin: nn.Module, given: Tensor, answer: Tensor, /, *, name: str, learns: bool = True
) -> None:
    """Raise unless a module can be trained: it answers in training mode too, with gradients for its weights.

    Parameters
    ----------
    twin
        A copy of the module, whose state may change.
    given, answer
        What the module was given, and its answer in evaluation mode.
    name
        What to call it in an error.
    learns
        Whether its own weights are trained.

    Raises
    ------
    ValueError
        If it raises an error, or answers with anything but a tensor of the same shape, such as further
        outputs for their own losses; or if what it learns leads to none of its weights.
    """
    twin.train()
    requirement = f"{name} must take {words_of(given)} in training mode"
    with torch.enable_grad(), module_errors_named(requirement):
        found = twin(given.clone())
    if not isinstance(found, Tensor) or found.shape != answer.shape:
        raise ValueError(
            f"{name} must return {described(answer)} in training mode too, got {described(found)}: "
            "leave out what it returns for losses of its own"
        )
    if found.is_inference():
        raise ValueError(f"{name} must answer outside of torch.inference_mode in training mode")
    trained = [part for part in twin.parameters() if part.requires_grad]
    if not learns:
        return
    if not trained or not found.requires_grad:
        lacks = "none of its weights require gradients" if not trained else "its answer has none"
        raise ValueError(
            f"{name} must pass gradients to its weights in training mode, and {lacks}: leave out "
            "torch.no_grad, detach and requires_grad_(False), or do not train it"
        )
    with module_errors_named(f"{name} must pass gradients to its weights in training mode"):
        torch.autograd.grad(found.float().sum(), trained, allow_unused=True)


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


def _mend(module: nn.Module, given: Tensor) -> str:
    """Return how to mend a module that does not take what it is given, or an empty text."""
    return _types(module) or _channels(module, given) or _alone(module, given)


def _types(module: nn.Module) -> str:
    """Return how to mend that weights are of another type than images are."""
    for key, value in module.named_parameters():
        if value.dtype != torch.float32 and (value.is_floating_point() or value.is_complex()):
            told = f"its weights must be float32, and {key!r} is of {value.dtype}"
            return f"{told}: end its function with .float()"
    return ""


def _channels(module: nn.Module, given: Tensor) -> str:
    """Return how to mend that a module takes another number of channels than one."""
    if given.ndim < 4:
        return ""
    own = given.shape[1]
    wanted, got = _first_channels(module, given) or (own, own)
    if wanted == got:
        # Without a convolution that tells.
        wanted = next((n for n in (3, 2, 4) if _takes(module, given.expand(-1, n, *given.shape[2:]))), own)
    if wanted == own or got != own:
        return ""
    return (
        f"it takes {wanted} channels: let its first layer take {own}, or begin its forward pass with "
        f"x = x.expand({', '.join(['-1', str(wanted), *['-1'] * (given.ndim - 2)])})"
    )


def _first_channels(module: nn.Module, given: Tensor) -> tuple[int, int] | None:
    """Return the channels that a module's first convolution takes, and those that it is given."""
    seen: list[tuple[int, int]] = []

    def look(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen.append((layer.in_channels, inputs[0].shape[1]))  # pyright: ignore[reportArgumentType]

    hooks = [part.register_forward_pre_hook(look) for part in module.modules() if isinstance(part, _ConvNd)]
    try:
        _takes(module, given)
    finally:
        for hook in hooks:
            hook.remove()
    return seen[0] if seen else None


def _alone(module: nn.Module, given: Tensor) -> str:
    """Return how to mend that a module takes images one by one alone."""
    if not _takes(module, given[:1]):
        return ""
    return f"it takes 1 image at a time, and no {len(given)}: let it take any number"


def _takes(module: nn.Module, given: Tensor) -> bool:
    try:
        module(given.clone())
    except (Exception, SystemExit):
        return False
    return True
