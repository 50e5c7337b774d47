"""What may be asked for."""

import pytest
from mtneuro_seg import SuggestSettings


def test_what_is_no_setting_is_refused():
    for wrong in ({"strategy": "luck"}, {"boxes": 0}, {"size": (8,)}, {"uncertainty": "x"}, {"shortlist": 1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            SuggestSettings.model_validate(wrong)


def test_the_help_of_the_strategies_names_each():
    told = str(SuggestSettings.model_fields["strategy"].description)
    for name in ("uncertainty", "diversity", "uncertainty+diversity", "random"):
        assert f"``{name}``" in told
