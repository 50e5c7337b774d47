"""Options that several commands share."""

from pathlib import Path

import numpy as np
import pytest
from mtneuro_seg.commands.options import check_figure


@pytest.mark.parametrize("verb", ["train", "predict", "render"])
def test_the_output_has_the_name_of_the_suites_other_tools(capsys, run, verb):
    assert run(verb, "--help") == 0
    assert "--output" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--output", "--out", "-o"])
def test_the_output_can_be_asked_for_by_each_name(tmp_path, run, option):
    np.save(tmp_path / "labels.npy", np.tri(8, dtype=np.uint8)[None].repeat(8, axis=0))
    picture = tmp_path / "labels.png"
    assert run("render", tmp_path / "labels.npy", option, picture, "--size", "40") == 0
    assert picture.exists()


@pytest.mark.parametrize("name", ["a.png", "a.pdf", "a.svg"])
def test_a_figure_may_be_a_picture_or_a_drawing(name):
    check_figure(Path(name), force=False)


def test_a_figure_of_another_kind_is_refused():
    with pytest.raises(ValueError, match=r"written to a \.png, \.pdf or \.svg, got 'a\.jpg'"):
        check_figure(Path("a.jpg"), force=False)


@pytest.mark.parametrize("words", [("train", "-o", "c"), ("evaluate",), ("predict", "-o", "c.npy")])
def test_a_device_of_another_name_is_refused(capsys, run, words):
    assert run(*words, "a", "b", "--device", "tpu") == 2
    assert "tpu" in capsys.readouterr().err
