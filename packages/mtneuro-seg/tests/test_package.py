"""The package's public names."""

from importlib import import_module

import mtneuro_seg
import pytest

NAMES = import_module("mtneuro_seg").__all__


def test_every_name_of_the_package_is_there():
    assert sorted(NAMES) == NAMES
    assert all(getattr(mtneuro_seg, name) is not None for name in NAMES)


def test_an_unknown_name_is_refused():
    with pytest.raises(AttributeError, match="No mtneuro_seg attribute trian"):
        mtneuro_seg.trian  # noqa: B018 # pyright: ignore[reportAttributeAccessIssue] (it is not there)
