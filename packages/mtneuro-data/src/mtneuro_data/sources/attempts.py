"""Ask a server again after a failure that may be temporary."""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from mtneuro_data._shared.words import one_line

logger = logging.getLogger(__name__)

T = TypeVar("T")

ATTEMPTS = 6
FIRST_ATTEMPTS = 2
"""Attempts at a host that has never answered: most likely there is no network, or its name is wrong."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 16.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """How often to ask, and what each failure means."""

    final: Callable[[Exception], Exception | None]
    """Returns the error to raise at once, or ``None`` if another attempt may succeed."""

    given_up: Callable[[Exception, int], Exception]
    """Returns the error to raise after the last attempt, given how many there were."""

    unreached: Callable[[Exception], bool]
    """Returns whether the host has never answered and did not now."""

    asked_to_wait_s: Callable[[Exception], float] = lambda _: 0.0
    """Returns the waiting time in seconds that the answer asks for."""

    attempts: int = ATTEMPTS
    first_pause_s: float = FIRST_PAUSE_S

    def answer(self, request: Callable[[], T], /, *, told: str) -> T:
        """Call until it succeeds; after a temporary failure, try again after a growing pause.

        Parameters
        ----------
        request
            What to call.
        told
            What is asked of what, for the log.
        """
        pause = self.first_pause_s
        for attempt in range(1, self.attempts + 1):
            try:
                return request()
            except Exception as error:
                final = self.final(error)
                if final is not None:
                    raise final from error
                if attempt == self.attempts or (attempt == FIRST_ATTEMPTS and self.unreached(error)):
                    raise self.given_up(error, attempt) from error
                asked = self.asked_to_wait_s(error)
                logger.info("%s: %s; attempt %d of %d", told, one_line(error), attempt, self.attempts)
            # Half to one and a half times the pause, so that many clients do not try again at once.
            time.sleep(asked + pause * random.SystemRandom().uniform(0.5, 1.5))
            pause = min(2 * pause, LONGEST_PAUSE_S)
        raise AssertionError("unreachable")
