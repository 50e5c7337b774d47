"""Read a plan's rows, each with the animal that it is of."""

from dataclasses import replace

from mtneuro_suite.plan.plan import Plan
from mtneuro_suite.runs.row import Row
from mtneuro_suite.runs.store import Store


def rows_of(plan: Plan, store: Store) -> list[Row]:
    """Return the rows of all finished runs; where the phantom's seeds are named, each with its animal."""
    if not plan.animals:
        return store.rows(plan.runs)
    return [
        replace(row, animal=animal) for animal, one in plan.animals.items() for row in store.rows(one.runs)
    ]
