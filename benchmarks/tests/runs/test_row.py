import dataclasses

import pytest

from mtneuro_suite import SUITE_VERSION


def test_a_row_is_of_the_version_of_the_suite_that_made_it(row):
    assert row("byol", 1, 0.5).suite_version == SUITE_VERSION


def test_rows_of_one_key_and_value_are_equal_and_none_can_be_changed(row):
    one = row("byol", 1, 0.5)
    assert one == row("byol", 1, 0.5)
    assert one != row("byol", 2, 0.5)
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.value = 0.6
