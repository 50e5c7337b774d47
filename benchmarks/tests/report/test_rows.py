from mtneuro_suite.plan.plan import plan_of
from mtneuro_suite.preset.model import read_preset
from mtneuro_suite.report.rows import rows_of


def test_every_row_says_of_which_animal_it_is(told, row):
    preset = read_preset("smoke")
    store = told([row("byol", 1, 0.5)])
    assert [one.animal for one in rows_of(plan_of(preset), store)] == [""]
    both = plan_of(preset.model_copy(update={"phantom_seeds": (0, 7)}))
    assert [one.animal for one in rows_of(both, store)] == ["0", "7"]
