from math import cos, pi

import pytest
from mtneuro_ssl.schedules import learning_rate_factor, mined_weight, target_momentum


def test_the_schedules_are_the_protocols_at_every_step():
    total, warmup = 50, 5
    for t in range(total + 1):
        falling = (1 + cos(pi * (t - warmup) / (total - warmup))) / 2
        rate = t / warmup if t < warmup else falling
        assert learning_rate_factor(t, total, warmup=warmup) == pytest.approx(rate)
        expected = 1 - (1 - 0.996) * (1 + cos(pi * t / total)) / 2
        assert target_momentum(t, total, base=0.996) == pytest.approx(expected)
        assert mined_weight(t, rampup=warmup, weight=0.1) == pytest.approx(0.1 * min(t / warmup, 1))
    assert mined_weight(0, rampup=0, weight=0.1) == 0.1
    assert learning_rate_factor(0, 3, warmup=0) == 1.0
