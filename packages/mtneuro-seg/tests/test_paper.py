"""The paper's settings: Table A4, and the search that chose them."""

import json
from pathlib import Path

import pytest
from mtneuro_seg import model_names, network, paper_search, paper_settings


def test_all_networks_of_the_paper_have_their_settings():
    for name in (
        "unet",
        "manet",
        "fpn",
        "unetplusplus",
        "pan",
        "pspnet",
        "unet3d",
        "vnetlight",
        "highresnet3d",
    ):
        for classes in (3, 4):
            assert paper_settings(name, classes).epochs == 20
    assert paper_settings("pspnet", 4).learning_rate == 0.1
    assert paper_settings("pan", 3, seed=631).batch_size == 10
    assert paper_settings("unet3d", 3).batch_size == 1


def test_the_papers_choice_is_among_what_it_searched():
    for name in ("unet", "pan", "unet3d"):
        for classes in (3, 4):
            chosen = paper_settings(name, classes)
            grid = {(run.learning_rate, run.batch_size) for run in paper_search(name, classes, seed=1)}
            assert (chosen.learning_rate, chosen.batch_size) in grid


def test_networks_outside_the_paper_have_no_paper_settings():
    with pytest.raises(ValueError, match="no settings for 'linknet'"):
        paper_settings("linknet", 3)
    with pytest.raises(ValueError, match="classes must be 3 or 4"):
        paper_settings("unet", 5)


def test_table_a4_is_the_papers():
    paper = Path(__file__).parents[4] / "shared" / "paper" / "mtneuro_paper.json"
    if not paper.is_file():
        pytest.skip("the paper's tables are not beside the checkout")
    rows = json.loads(paper.read_text("utf-8"))["task2"]["table_A4_best"]
    for title, row in rows.items():
        name = next(name for name in model_names() if network(name).title == title)
        for classes in (3, 4):
            ours = paper_settings(name, classes)
            printed = row[f"{classes}-class"]
            assert (ours.learning_rate, ours.batch_size) == (printed["learning_rate"], printed["batch_size"])
