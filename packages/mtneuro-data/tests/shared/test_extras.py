import pytest
from mtneuro_data._shared.extras import check_extra


def test_a_missing_package_names_the_extra_that_brings_it():
    with pytest.raises(ValueError, match=r"a map needs the package .*: pip install 'mtneuro-data\[maps\]'"):
        check_extra("no_such", extra="maps", what="a map")


def test_a_package_that_is_there_passes():
    check_extra("numpy", extra="maps", what="a map")
