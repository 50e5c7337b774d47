"""What every command line shares: common options, the progress bar, and how a command ends."""

import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, CycloptsError, Parameter, UnknownCommandError
from pydantic import ValidationError

from .words import one_line, unknown_name

if TYPE_CHECKING:
    from rich.console import Console

Output = Annotated[Path, Parameter(name=["--output", "-o"])]
"""The file or folder that a command writes."""

Force = Annotated[bool, Parameter(help="Replace what stands where this command writes.")]
"""Whether a command replaces an output that is there already."""

SettingsFile = Annotated[Path | None, Parameter(name="--settings")]
"""A settings file, .toml or .json."""

Changes = Annotated[tuple[str, ...], Parameter(name="--set", show_default=False)]
"""Single settings as ``key=value``, which override the file."""


@dataclass(frozen=True, slots=True)
class Ranges:
    """The part of a volume that a command reads, one half-open range an axis.

    Examples
    --------
    >>> Ranges(z="110:380").slices((720, 64, 64))
    (slice(110, 380, None), slice(0, 64, None), slice(0, 64, None))
    """

    z: str | None = None
    """Slices to read, as 110:380 (the first, and the first left out); all by default."""

    y: str | None = None
    """Rows to read, as 900:1156; all by default."""

    x: str | None = None
    """Columns to read, as 4600:4856; all by default."""

    def slices(self, shape: Sequence[int]) -> tuple[slice, slice, slice]:
        """Return the ranges as slices of a volume ``(z, y, x)``.

        Raises
        ------
        ValueError
            If a range is not of that form, is empty, or leaves the volume.
        """
        z, y, x = (
            _parsed(text, size, axis=axis)
            for text, size, axis in zip((self.z, self.y, self.x), shape, "zyx", strict=True)
        )
        return z, y, x


RangesOption = Annotated[Ranges | None, Parameter(name="*")]
"""The options ``--z``, ``--y`` and ``--x`` of a command that reads a volume."""

INTERRUPTED = 130
"""Exit status after Ctrl-C; after another signal it is 128 and the signal's number."""


def console(*, stderr: bool = False) -> "Console":
    """Return a console for plain text, which goes quiet when its reader has gone."""
    from rich.console import Console

    class Quiet(Console):
        def on_broken_pipe(self) -> None:
            _discard_output()

    return Quiet(stderr=stderr, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def bar(what: str, *, speed: bool = False) -> Generator[Callable[[int, int], None]]:
    """Draw a progress bar with the time left on standard error, and give the callback that moves it.

    Parameters
    ----------
    what
        What is being done, in a word or two.
    speed
        Whether to show bytes a second too; the callback is then given bytes.
    """
    from rich import progress as bars

    columns = [bars.TextColumn("{task.description}"), bars.BarColumn()]
    columns += (
        [bars.TaskProgressColumn(), bars.TransferSpeedColumn()] if speed else [bars.MofNCompleteColumn()]
    )
    columns += [bars.TimeRemainingColumn()]
    shown = console(stderr=True)
    with bars.Progress(*columns, console=shown, transient=True, disable=not shown.is_terminal) as drawn:
        task = drawn.add_task(what, total=None)
        yield lambda done, total: drawn.update(task, completed=done, total=total)


def check_output(path: Path, *endings: str, what: str, force: bool) -> None:
    """Raise, before any work, unless an output can be written where the user wants it.

    Parameters
    ----------
    path
        The file or folder to write.
    endings
        Of which its name must have one; any name if there are none.
    what
        What is written.
    force
        Whether it may replace one that is there: `--force` was typed, or the command goes on with its own.

    Raises
    ------
    ValueError
        If its name ends otherwise.
    FileExistsError
        If it is there already and may not be replaced.
    IsADirectoryError
        If a folder stands where a file would be written.
    NotADirectoryError
        If a file stands where its folder would be made.
    PermissionError
        If its folder cannot be written.

    Examples
    --------
    >>> check_output(Path("map.jpg"), ".png", ".pdf", what="a figure", force=False)
    Traceback (most recent call last):
    ValueError: a figure must be written to a .png or .pdf, got 'map.jpg'
    """
    if endings and not path.name.endswith(endings):
        *some, last = endings
        wanted = f"{', '.join(some)} or {last}" if some else last
        raise ValueError(f"{what} must be written to a {wanted}, got {str(path)!r}")
    if endings and path.is_dir() and path.suffix != ".zarr":
        raise IsADirectoryError(f"{what} must be written to a file, got the folder {path}")
    if path.exists() and not force:
        raise FileExistsError(
            f"{what} must be written to a new place, got {path}, which is there already; --force replaces it"
        )
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    reason = (
        "is not a folder" if not folder.is_dir() else "" if os.access(folder, os.W_OK) else "is read-only"
    )
    if reason:
        kind = PermissionError if folder.is_dir() else NotADirectoryError
        raise kind(f"{what} must be written to a folder that can be written, got {path}: {folder} {reason}")


def _parsed(text: str | None, size: int, *, axis: str) -> slice:
    if text is None:
        return slice(0, size)
    first, colon, end = text.partition(":")
    if not (colon and first.isdecimal() and end.isdecimal() and int(first) < int(end) <= size):
        raise ValueError(f"--{axis} must be first:end with 0 <= first < end <= {size}, got {text!r}")
    return slice(int(first), int(end))


def command_line(name: str, about: str | None = None, /, *, version: bool = True) -> App:
    """Return a command line without commands, whose help and options are as everywhere.

    Parameters
    ----------
    name
        What the user types.
    about
        What it is for; by default what its default command says.
    version
        Whether it has a version to show.
    """
    return App(
        name=name,
        help=about,
        help_format="markdown",
        version_flags=["--version"] if version else [],
        suppress_keyboard_interrupt=False,
        # A flag that is off unless given needs no --no-… beside it.
        default_parameter=Parameter(negative=""),
    )


def run(
    app: App,
    arguments: Sequence[str],
    *,
    say: Callable[[str], object],
    moved: Mapping[str, str] | None = None,
    earlier: Mapping[str, str] | None = None,
    interrupted: str = "what is done is kept: the same command goes on from there",
) -> int:
    """Run a command line and return its exit status; a user's mistake is one line on standard error.

    Parameters
    ----------
    app
        The command line. A command returns its lines, an iterator of lines, or nothing.
    arguments
        What the user typed after the program's name.
    say
        Prints a line of the result.
    moved
        Options that have a new form: ``{"--config": "--settings"}``. One that ends in ``=`` is told with
        the value that was typed.
    earlier
        Earlier names of options, which are still read: ``{"--out": "--output"}``.
    interrupted
        What to tell after Ctrl-C.
    """
    name = app.name[0]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a character shows a question mark in its place.
            stream.reconfigure(errors="replace")
    arguments = [_current(argument, earlier or {}) for argument in arguments]
    if renamed := _renamed(arguments, moved or {}):
        return _refused(name, "; ".join(renamed))
    told_once = f"{name}: interrupted; {interrupted}\n"
    # By itself a Python process that is started looks for modules in the current folder first, even for
    # Python's own, and anybody's files may lie there.
    with _signals_as_interrupts(told_once) as received, variable_set("PYTHONSAFEPATH", "1"):
        try:
            told = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
            for line in _lines(told):
                _say(line, say)
        except KeyboardInterrupt:
            sys.stderr.write(told_once)
            return 128 + received[0] if received else INTERRUPTED
        except (CycloptsError, ValueError, OSError, MemoryError) as error:
            if os.environ.get("MTNEURO_TRACEBACK") == "1":
                raise
            return _refused(name, _mistake(name, error))
    return 0


def _current(argument: str, earlier: Mapping[str, str]) -> str:
    """Return an option under the name that the help shows."""
    option, equals, value = argument.partition("=")
    return earlier.get(option, option) + equals + value


def _renamed(arguments: Sequence[str], moved: Mapping[str, str]) -> list[str]:
    """Return, for each old option that was typed, its new form with the value that it was given."""
    told: list[str] = []
    for argument, following in pairwise([*arguments, "--"]):
        option, equals, value = argument.partition("=")
        if option in moved:
            given = value if equals else "" if following.startswith("--") else following
            told.append(f"{option} is now {moved[option]}{given if moved[option].endswith('=') else ''}")
    return told


@contextmanager
def variable_set(name: str, value: str, /) -> Generator[None]:
    """Give a variable of the environment a value, which processes that are started then inherit.

    Examples
    --------
    >>> with variable_set("MTNEURO_EXAMPLE", "1"):
    ...     os.environ["MTNEURO_EXAMPLE"]
    '1'
    >>> "MTNEURO_EXAMPLE" in os.environ
    False
    """
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


_AFTER_BARS = "\n\x1b[?25h"
"""Leaves the line of a progress bar, and shows the cursor again that it hid."""


@contextmanager
def _signals_as_interrupts(told: str) -> Generator[list[int]]:
    """Let the signals that end a process raise ``KeyboardInterrupt``, and give a list of their numbers.

    The first one only: whoever sends another one has waited long enough, and the process ends at once, with a
    line and without a traceback. After an interruption it stays so.

    Parameters
    ----------
    told
        The line that is then written, unless it has been.
    """
    received: list[int] = []

    def interrupt(number: int, _: object) -> None:
        received.append(number)
        if len(received) > 1:
            if not ended:
                # Past the buffer of standard error, in whose code this signal may have come.
                os.write(2, (_AFTER_BARS * sys.stderr.isatty() + told).encode(errors="replace"))
            os._exit(128 + received[0])
        raise KeyboardInterrupt

    names = ("SIGINT", "SIGTERM", "SIGHUP")
    named = [getattr(signal, name) for name in names if hasattr(signal, name)]
    # What is ignored, as under nohup, stays ignored.
    before = {
        number: handler
        for number in named
        if (handler := signal.getsignal(number)) in (signal.SIG_DFL, signal.default_int_handler)
    }
    if threading.current_thread() is not threading.main_thread():
        before = {}
    ended = False
    for number in before:
        signal.signal(number, interrupt)
    try:
        yield received
    finally:
        ended = True
        for number, handler in before.items():
            # While the interpreter ends, too, an interrupted command says nothing more.
            signal.signal(number, signal.SIG_DFL if received else handler)


def _say(line: str, say: Callable[[str], object]) -> None:
    try:
        say(line)
    except BrokenPipeError:
        _discard_output()


def _discard_output() -> None:
    """Send what is still said nowhere: its reader, such as ``head``, has read enough. The work goes on."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _mistake(name: str, error: Exception) -> str:
    """Return what was wrong on one line; for what was typed wrongly, with the help to read."""
    if isinstance(error, MemoryError):
        return f"out of memory ({one_line(error)}); take a smaller part or a machine with more memory"
    if not isinstance(error, CycloptsError):
        return one_line(error)
    if isinstance(error.__cause__, ValidationError):
        # A model that cyclopts could not build says better what is wrong than cyclopts does.
        return one_line(error.__cause__)
    command = " ".join([name, *(error.command_chain or ())])
    text = one_line(error)
    if isinstance(error, UnknownCommandError) and error.app and error.unused_tokens:
        known = [each for each in error.app if not each.startswith("-")]
        text = unknown_name("the command", error.unused_tokens[0], known)
    return f"{text}{'' if text.endswith(('.', '?')) else '.'} See {command} --help"


def _lines(told: str | Iterable[str] | None) -> Iterable[str]:
    return () if told is None else (told,) if isinstance(told, str) else told


def _refused(name: str, message: str) -> int:
    sys.stderr.write(f"{name}: error: {message}\n")
    return 2
