import mtneuro_probe
import pytest


@pytest.mark.parametrize("name", mtneuro_probe.__all__)
def test_every_name_that_is_promised_is_there(name):
    assert getattr(mtneuro_probe, name) is not None
    assert name in dir(mtneuro_probe)


def test_the_names_are_sorted_and_an_unknown_one_is_refused():
    constants = [name for name in mtneuro_probe.__all__ if name.isupper()]
    assert mtneuro_probe.__all__[: len(constants)] == constants
    with pytest.raises(AttributeError, match="no attribute 'features_of'"):
        mtneuro_probe.features_of  # noqa: B018
