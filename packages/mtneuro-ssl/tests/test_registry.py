import pytest
from mtneuro_ssl import encoder_names, method_names
from mtneuro_ssl._shared.factories import imported
from mtneuro_ssl.methods.base import Method
from mtneuro_ssl.methods.components import ComponentModel
from mtneuro_ssl.registry import ENCODERS, ENCODERS_3D, ENCODERS_OF_POINTS, METHODS

BASES = {"supervised": Method, "self-supervised": Method, "classical": ComponentModel}


@pytest.mark.parametrize("name", [name for name in METHODS if METHODS[name].family in BASES])
def test_a_name_stands_for_a_class_of_its_family(name):
    assert issubclass(imported(METHODS[name].target), BASES[METHODS[name].family])


@pytest.mark.parametrize("name", {**ENCODERS, **ENCODERS_OF_POINTS})
def test_an_encoder_is_a_function_of_its_own_name(name):
    assert imported({**ENCODERS, **ENCODERS_OF_POINTS}[name]).__name__ == name


@pytest.mark.parametrize("name", ENCODERS_3D)
def test_an_encoder_of_subvolumes_is_a_function_of_its_own_name(name):
    assert imported(ENCODERS_3D[name]).__name__ == f"{name}_3d"


def test_names_are_listed_in_the_order_of_the_registry():
    assert (method_names(), encoder_names()) == (tuple(METHODS), (*ENCODERS, *ENCODERS_OF_POINTS))
