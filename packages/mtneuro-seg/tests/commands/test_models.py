"""The table of networks."""

import pytest
from mtneuro_seg import from_pretrained, model_names, network
from mtneuro_seg._shared.released import released_models
from mtneuro_seg.commands.models import models


def test_every_network_has_a_row_with_its_paper():
    rows = list(models())[1:]
    assert [row.split()[0] for row in rows] == model_names()
    assert all(row.endswith(network(name).paper) for name, row in zip(model_names(), rows, strict=True))


@pytest.mark.parametrize(("name", "size"), [("unet", " 8 x 8 "), ("vnetlight", " 8 x 8 x 8 ")])
def test_a_row_says_which_sizes_the_network_takes(name, size):
    (row,) = (row for row in models() if row.split()[0] == name)
    assert size in row


def test_the_table_is_printed(capsys, run):
    assert run("models") == 0
    assert "VNetLight" in capsys.readouterr().out


def test_each_model_that_comes_with_the_package_is_whole_and_listed(capsys, run):
    assert run("models", "--pretrained") == 0
    listed = capsys.readouterr().out
    for name, entry in released_models().items():
        model = from_pretrained(name)
        assert model.input is not None
        assert model.class_names == ("background", "vessel", "cell", "axon")
        assert f"{name} " in listed
        assert entry.digest[:12] in listed
        card = (entry.folder / "README.md").read_text(encoding="utf-8")
        assert "## Scores" in card
        assert "## Limits" in card
    assert "phantom-unet" in released_models()
