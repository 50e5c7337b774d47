"""Schedules of the learning rate, the target's momentum and the mined term's weight, by the step.

Steps count from 0. lightly's warm-up starts one step up and its cosine ends one step early, so the
protocol's schedules are written here.
"""

from collections.abc import Sequence
from math import cos, pi

from mtneuro_ssl.registry import Schedule


def learning_rate_factor(
    step: int,
    total: int,
    *,
    warmup: int,
    schedule: Schedule = "cosine",
    power: float = 1.5,
    drops: Sequence[int] = (),
    gamma: float = 0.1,
) -> float:
    """Return a step's learning rate as a fraction of the peak.

    Parameters
    ----------
    step, total
        The step, and the number of all.
    warmup
        Steps over which it rises linearly from 0; a constant rate has none.
    schedule
        How it goes on: ``cosine`` falls to 0 at ``total`` by half a cosine, ``poly`` by a power of the part
        that is left, and ``step`` at once at some steps.
    power
        The power of ``poly``.
    drops, gamma
        The steps at which ``step`` multiplies the rate, and the factor.

    Examples
    --------
    >>> [round(learning_rate_factor(t, 6, warmup=2), 2) for t in range(7)]
    [0.0, 0.5, 1.0, 0.85, 0.5, 0.15, 0.0]
    >>> [learning_rate_factor(t, 4, warmup=0, schedule="poly", power=2) for t in range(5)]
    [1.0, 0.5625, 0.25, 0.0625, 0.0]
    >>> [learning_rate_factor(t, 4, warmup=0, schedule="step", drops=(2,)) for t in range(4)]
    [1.0, 1.0, 0.1, 0.1]
    """
    if schedule == "constant":
        return 1.0
    if step < warmup:
        return step / warmup
    if schedule == "step":
        return gamma ** sum(step >= drop for drop in drops)
    if total == warmup:
        return 1.0
    done = (step - warmup) / (total - warmup)
    return 0.5 * (1 + cos(pi * done)) if schedule == "cosine" else (1 - done) ** power


def target_momentum(step: int, total: int, *, base: float, constant: bool = False) -> float:
    """Return the weight that the target network keeps of itself after a step.

    ``1 - (1 - base) (1 + cos(pi step / total)) / 2``: the base at first, 1 at the end. Or the base.

    Examples
    --------
    >>> [round(target_momentum(t, 4, base=0.9), 4) for t in range(5)]
    [0.9, 0.9146, 0.95, 0.9854, 1.0]
    >>> target_momentum(4, 4, base=0.9, constant=True)
    0.9
    """
    if constant:
        return base
    return 1 - (1 - base) * (1 + cos(pi * step / total)) / 2


def mined_weight(step: int, *, rampup: int, weight: float, delay: int = 0) -> float:
    """Return the weight of the mined term: 0 for ``delay`` steps, then rising linearly over ``rampup`` more.

    Examples
    --------
    >>> [mined_weight(t, rampup=2, weight=0.5) for t in range(4)]
    [0.0, 0.25, 0.5, 0.5]
    >>> [mined_weight(t, rampup=2, weight=0.5, delay=2) for t in range(5)]
    [0.0, 0.0, 0.0, 0.25, 0.5]
    """
    if step < delay:
        return 0.0
    since = step - delay
    return weight if since >= rampup else weight * since / rampup
