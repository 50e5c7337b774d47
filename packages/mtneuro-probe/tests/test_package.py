from importlib import import_module

import mtneuro_probe
import pytest

NAMES = import_module("mtneuro_probe").__all__


@pytest.mark.parametrize("name", NAMES)
def test_every_name_that_is_promised_is_there(name):
    assert getattr(mtneuro_probe, name) is not None


def test_the_names_are_listed():
    assert set(NAMES) <= set(dir(mtneuro_probe))


def test_an_unknown_name_is_refused():
    with pytest.raises(AttributeError, match="features_of"):
        mtneuro_probe.features_of  # noqa: B018 # pyright: ignore[reportAttributeAccessIssue]
