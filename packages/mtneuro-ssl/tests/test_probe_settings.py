import numpy as np
import pytest
from mtneuro_ssl import PixelProbeSettings
from pydantic import ValidationError


def test_the_default_is_a_logistic_regression_as_scikit_learns():
    settings = PixelProbeSettings()
    assert (settings.head, settings.C, settings.ignore_label) == ("linear", 1.0, 255)


@pytest.mark.parametrize("wrong", [{"head": "mlp"}, {"C": 0}, {"C": np.inf}, {"steps": 0}, {"seed": -1}])
def test_what_means_nothing_is_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        PixelProbeSettings.model_validate(wrong)


def test_an_unknown_setting_is_refused_with_the_nearest():
    with pytest.raises(ValidationError, match="learning_rate"):
        PixelProbeSettings.model_validate({"learningrate": 1})
