"""One number of a result, with the key under which tables look it up."""

from dataclasses import dataclass

from mtneuro_suite import SUITE_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One number, and the key under which it is looked up.

    The key is suite version, task, training set, test set, model, seed, metric and class.
    """

    task: str
    training_set: str
    test_set: str
    model: str
    seed: int
    metric: str
    class_name: str = ""
    """A class or a feature; ``""`` where the metric is of all."""

    value: float | None
    """None where the metric is undefined; ``note`` then says why. Beside a value it says what it is of."""

    n: int
    """Samples that the number rests on."""

    note: str = ""
    suite_version: str = SUITE_VERSION
