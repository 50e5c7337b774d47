"""The colours of classes."""

from mtneuro_seg import class_colours


def test_the_papers_classes_have_the_papers_colours():
    red, yellow, cyan = class_colours(["background", "vessels", "cells", "axons"])
    assert (red[1:3], yellow[1:3], cyan[1:3]) == ("e6", "f7", "35")


def test_two_classes_of_like_names_have_two_colours():
    names = ["background", "cell body", "cell membrane", "axon", "myelinated axon", "extracellular space"]
    assert len(set(class_colours(names))) == 5


def test_other_classes_have_colours_of_their_own():
    colours = class_colours(["nothing", "vessel", "a", "b", "c"])
    assert len(set(colours)) == 4
