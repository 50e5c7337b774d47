"""Start processes that leave Ctrl-C to the one that started them, and end with it."""

import os
import signal
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from typing import Any

from typing_extensions import override


@contextmanager
def process_pool(workers: int, /) -> Generator[ProcessPoolExecutor]:
    """Give an executor of new processes; if the block fails or is interrupted, they are ended at once.

    They also end when the one that started them is killed, which would leave them waiting for work for ever.

    Parameters
    ----------
    workers
        How many processes there are at most.
    """
    others = active_children()
    # Not forked: threads and their locks do not survive it.
    executor = _Pool(workers, mp_context=get_context("spawn"), initializer=_end_with_parent)
    try:
        yield executor
    except BaseException:
        for process in active_children():
            if process not in others:
                process.terminate()
        raise
    finally:
        executor.shutdown()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class _Pool(ProcessPoolExecutor):
    """Starts its processes, which it does when work is given to it, deaf to Ctrl-C."""

    @override
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if not hasattr(signal, "pthread_sigmask"):  # Windows
            return super().submit(fn, *args, **kwargs)
        # A new process inherits what is blocked here, from its first moment on.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return super().submit(fn, *args, **kwargs)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
