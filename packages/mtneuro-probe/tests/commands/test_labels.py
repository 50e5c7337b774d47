import pytest
from mtneuro_probe.commands.labels import label_value, named_value

NAMES = ("background", "blood vessel", "cell")


def test_a_label_is_a_value_or_a_class_of_the_file():
    assert label_value(7, NAMES, "--ignore") == 7
    assert label_value("7", None, "--ignore") == 7
    assert label_value("cell", NAMES, "--ignore") == 2
    assert named_value("blood vessel", NAMES) == ("blood vessel", 1)
    assert named_value("vessel=blood vessel", NAMES) == ("vessel", 1)


@pytest.mark.parametrize(
    ("text", "names", "told"),
    [
        ("synapse", None, "--label must give a value, such as 5, as the file names no classes"),
        ("synapse", NAMES, "the label of --label must be one of background"),
        ("synapse=", NAMES, "--label must read NAME=VALUE"),
        ("=5", NAMES, "--label must read NAME=VALUE"),
    ],
)
def test_what_is_neither_is_refused(text, names, told):
    with pytest.raises(ValueError, match=told):
        named_value(text, names)
