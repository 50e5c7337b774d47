"""Schedules of the learning rate, the target's momentum and the mined term's weight, by the step.

Steps count from 0. lightly's warm-up starts one step up and its cosine ends one step early, so the
protocol's schedules are written here.
"""

from math import cos, pi


def learning_rate_factor(step: int, total: int, *, warmup: int) -> float:
    """Return a step's learning rate as a fraction of the peak.

    It rises linearly from 0 over ``warmup`` steps, then falls to 0 by half a cosine at ``total``.

    Examples
    --------
    >>> [round(learning_rate_factor(t, 6, warmup=2), 2) for t in range(7)]
    [0.0, 0.5, 1.0, 0.85, 0.5, 0.15, 0.0]
    """
    if step < warmup:
        return step / warmup
    if total == warmup:
        return 1.0
    return 0.5 * (1 + cos(pi * (step - warmup) / (total - warmup)))


def target_momentum(step: int, total: int, *, base: float) -> float:
    """Return the weight that the target network keeps of itself after a step.

    ``1 - (1 - base) (1 + cos(pi step / total)) / 2``: the base at first, 1 at the end.

    Examples
    --------
    >>> [round(target_momentum(t, 4, base=0.9), 4) for t in range(5)]
    [0.9, 0.9146, 0.95, 0.9854, 1.0]
    """
    return 1 - (1 - base) * (1 + cos(pi * step / total)) / 2


def mined_weight(step: int, *, rampup: int, weight: float) -> float:
    """Return the weight of the mined term, which rises linearly from 0 over ``rampup`` steps.

    Examples
    --------
    >>> [mined_weight(t, rampup=2, weight=0.5) for t in range(4)]
    [0.0, 0.25, 0.5, 0.5]
    """
    return weight if step >= rampup else weight * step / rampup
