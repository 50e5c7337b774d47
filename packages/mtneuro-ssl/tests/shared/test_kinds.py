"""A value of another kind is refused by both names."""

import pytest
from mtneuro_ssl._shared.kinds import check_type


def test_a_value_of_another_kind_is_named_with_what_it_must_be():
    check_type(True, int, "count")
    with pytest.raises(TypeError, match=r"^labels must be list of integers, got tuple$"):
        check_type((1, 2), list, "labels", mend=" of integers")
