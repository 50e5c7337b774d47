from typing import Any

import pytest
from mtneuro_data.serving import Faults


def test_faults_depend_on_the_seed_and_not_on_the_order() -> None:
    paths = [f"/v1/cutout/{n}" for n in range(400)]
    one, two, other = Faults(rate=0.3), Faults(rate=0.3), Faults(rate=0.3, seed=1)
    forwards = [one.next(path) for path in paths]
    assert forwards == [two.next(path) for path in reversed(paths)][::-1]
    assert forwards != [other.next(path) for path in paths]
    assert sum(fault is not None for fault in forwards) == pytest.approx(120, abs=30)


@pytest.mark.usefixtures("unchecked")
def test_wrong_faults_are_refused() -> None:
    kinds: Any = ("stal",)
    with pytest.raises(ValueError, match=r"within \[0, 1\], got 2"):
        Faults(rate=2)
    with pytest.raises(ValueError, match="did you mean 'stall'"):
        Faults(rate=0.5, kinds=kinds)
