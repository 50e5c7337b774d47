"""One number of a result, with the key under which tables look it up."""

from dataclasses import dataclass

from mtneuro_suite import SUITE_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One number, and the key under which it is looked up.

    The key is suite version, task, training set, test set, model, seed, metric, class, cube and animal.
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
    """Samples that the number rests on; of F1 and IoU of a single cube, the pixels of their denominator."""

    note: str = ""
    low: float | None = None
    """Lower end of the value's 95 % interval over the tissue; None where it is not known."""

    high: float | None = None
    """Upper end of it."""

    cube: str = ""
    """The one cube of the test set that the number is of; ``""`` where it is of all."""

    animal: str = ""
    """Seed of the phantom that is the animal; ``""`` where all is of one animal."""

    suite_version: str = SUITE_VERSION
