"""Settings of a sliding window: their defaults and their ranges."""

import pytest
from mtneuro_seg import SweepSettings
from pydantic import ValidationError


def test_neighbouring_windows_overlap_unless_they_are_asked_not_to():
    assert SweepSettings().overlap > 0
    assert SweepSettings(overlap=0).overlap == 0


@pytest.mark.parametrize(
    "wrong",
    [{"overlap": 1}, {"overlap": -0.1}, {"batch_size": 0}, {"window": (0, 8)}, {"precision": "16-mixed"}],
)
def test_values_out_of_range_are_refused(wrong):
    with pytest.raises(ValidationError):
        SweepSettings.model_validate(wrong)


def test_an_unknown_key_is_answered_with_the_nearest():
    with pytest.raises(ValidationError, match="got 'overlp'; did you mean 'overlap'"):
        SweepSettings.model_validate({"overlp": 0.5})


def test_settings_survive_json():
    settings = SweepSettings(window=(8, 16, 16), flips=True)
    assert SweepSettings.model_validate_json(settings.model_dump_json()) == settings
