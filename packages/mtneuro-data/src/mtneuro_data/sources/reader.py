"""A process that reads stores through tensorstore, asked over a pipe by `mtneuro_data.sources.asking`.

In a process of its own because tensorstore ends every process that is forked from one that has used it,
PyTorch's workers for instance. It imports neither this package nor anything from the current folder.

A question is one line of JSON. An answer is one line of JSON, its field ``n_bytes`` says how much follows.
"""

import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorstore as ts

_KEPT_BYTES = 1 << 28
"""Decoded chunks that stay in memory: a box of the caller's grid seldom lies on that of the store."""


class Reader:
    """Answers questions; every answer is given to a function that sends it."""

    def __init__(self, send: Callable[[dict[str, Any], Sequence[Any]], None]) -> None:
        self._send = send
        self._context = ts.Context({"cache_pool": {"total_bytes_limit": _KEPT_BYTES}})
        self._arrays: dict[str, Any] = {}
        self._asked: dict[int, Any] = {}

    def ask(self, question: dict[str, Any]) -> None:
        """Begin to answer a question: ``contents``, ``describe``, ``read``, or ``cancel`` an earlier one."""
        number = question["id"]
        try:
            getattr(self, f"_{question['do']}")(number, question)
        except Exception as error:
            self._fail(number, error)

    def _cancel(self, number: int, _: dict[str, Any]) -> None:
        future = self._asked.pop(number, None)
        if future is not None:
            future.cancel()

    def _contents(self, number: int, question: dict[str, Any]) -> None:
        """Send the contents of some keys; -1 for one that is not there, a text for one that fails."""
        names = question["names"]
        found: list[Any] = [None] * len(names)
        left = [len(names)]
        lock = threading.Lock()

        def done(at: int, future: Any) -> None:
            try:
                read = future.result()
                found[at] = None if read.state == "missing" else bytes(read.value)
            except Exception as error:
                found[at] = str(error)
            with lock:
                left[0] -= 1
                last = not left[0]
            if last:
                told = [
                    each if isinstance(each, str) else -1 if each is None else len(each) for each in found
                ]
                bodies = [each for each in found if isinstance(each, bytes)]
                self._send({"id": number, "sizes": told}, bodies)

        def opened(future: Any) -> None:
            try:
                store = future.result()
            except Exception as error:
                self._fail(number, error)
                return
            for at, name in enumerate(names):
                store.read(name).add_done_callback(lambda read, at=at: done(at, read))

        self._keep(number, ts.KvStore.open(question["store"])).add_done_callback(opened)

    def _describe(self, number: int, question: dict[str, Any]) -> None:
        def opened(future: Any) -> None:
            try:
                array = future.result()
                chunk = array.chunk_layout.read_chunk.shape
                dtype = array.dtype.numpy_dtype
                about = {
                    "shape": list(array.shape),
                    "dtype": dtype.name if dtype.kind in "buif" else str(array.dtype.name),
                    "number": dtype.kind in "buif",
                    "labels": list(array.domain.labels),
                    "chunk": [int(size) for size in (chunk or [0] * array.rank)],
                    "bounded": all(axis.finite for axis in array.domain),
                }
                self._send({"id": number, **about}, [])
            except Exception as error:
                self._fail(number, error)

        # Anew, so that an array that has changed is described as it is now.
        self._arrays.pop(json.dumps(question["array"], sort_keys=True), None)
        self._opened(number, question["array"]).add_done_callback(opened)

    def _read(self, number: int, question: dict[str, Any]) -> None:
        order, box = question["order"], question["box"]

        def opened(future: Any) -> None:
            try:
                array = future.result()
                array = array[ts.d[:].translate_to[0]]
                rest = [axis for axis in range(array.rank) if axis not in order]
                array = array[ts.d[order].transpose[: len(order)]]
                places = tuple(slice(lo, hi) for lo, hi in box) + (0,) * len(rest)
                self._keep(number, array[places].read(order="C")).add_done_callback(read)
            except Exception as error:
                self._fail(number, error)

        def read(future: Any) -> None:
            try:
                voxels = np.ascontiguousarray(future.result())
            except Exception as error:
                self._fail(number, error)
                return
            self._send({"id": number}, [voxels.reshape(-1).view(np.uint8).data])

        self._opened(number, question["array"]).add_done_callback(opened)

    def _opened(self, number: int, spec: dict[str, Any]) -> Any:
        name = json.dumps(spec, sort_keys=True)
        future = self._arrays.get(name)
        if future is None:
            future = self._arrays[name] = ts.open(ts.Spec(spec), context=self._context, open=True, read=True)

            def failed(done: Any) -> None:
                # Tried again when it is asked for again.
                if done.exception() is not None:
                    self._arrays.pop(name, None)

            future.add_done_callback(failed)
        return self._keep(number, future) if not future.done() else future

    def _keep(self, number: int, future: Any) -> Any:
        self._asked[number] = future
        return future

    def _fail(self, number: int, error: BaseException) -> None:
        self._send({"id": number, "error": str(error) or type(error).__name__}, [])

    def sent(self, number: int) -> None:
        """Forget a question that is answered."""
        self._asked.pop(number, None)


def main() -> None:
    """Answer the questions of the standard input until it ends."""
    # An interrupt at the keyboard is for the process that asks; when it ends, so does the input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What C libraries print must not get between the answers.
    output = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    answers: queue.SimpleQueue[tuple[dict[str, Any], Sequence[Any]]] = queue.SimpleQueue()
    reader = Reader(lambda about, bodies: answers.put((about, bodies)))

    def write() -> None:
        while True:
            about, bodies = answers.get()
            reader.sent(about["id"])
            n_bytes = sum(len(body) for body in bodies)
            try:
                _write(output, json.dumps(about | {"n_bytes": n_bytes}).encode() + b"\n")
                for body in bodies:
                    _write(output, body)
            except OSError:
                os._exit(0)

    threading.Thread(target=write, daemon=True).start()
    for line in sys.stdin.buffer:
        reader.ask(json.loads(line))
    # Not by the usual way: what is still being read is not waited for.
    os._exit(0)


def _write(output: Any, content: Any) -> None:
    left = memoryview(content)
    while left:
        left = left[output.write(left) :]


if __name__ == "__main__":
    main()
