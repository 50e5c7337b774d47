"""A disk that fills up."""

from collections.abc import Callable, Iterator

import pytest


@pytest.fixture
def fill() -> Iterator[Callable[[float], None]]:
    """Let no file of this process grow beyond so many bytes; ``inf`` makes room again."""
    resource = pytest.importorskip("resource", reason="files are limited by POSIX's setrlimit")
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(size: float) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before if size == float("inf") else int(size), most))

    yield limit
    limit(float("inf"))
