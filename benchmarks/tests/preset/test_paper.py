import json
from importlib.resources import files

import pytest

from mtneuro_suite.preset import paper


def test_every_row_of_the_tables_has_a_name():
    tables = json.loads((files("mtneuro_suite.preset") / "paper.json").read_text(encoding="utf-8"))
    assert set(tables["table1"]) == set(paper.METHOD_ROWS.values())
    assert set(tables["table2"]) == set(paper.NETWORK_ROWS.values())
    assert set(tables["table3"]["roi-c1"]) == set(paper.METHOD_ROWS.values())


def test_every_cell_can_be_looked_up():
    for method in paper.METHOD_ROWS:
        for task in paper.REGION_TASKS:
            quoted = paper.table1(method, task)
            assert quoted is not None
            assert 0 <= quoted.mean <= 1
    for network in paper.NETWORK_ROWS:
        for setting, names in paper.CLASS_SETTINGS.items():
            for metric in ("f1", "iou"):
                assert all(
                    paper.table2(network, metric, setting, name) for name in (*names.values(), "average")
                )


def test_the_data_agree_with_the_transcription(real_data):
    source = json.loads((real_data.parent / "paper" / "mtneuro_paper.json").read_text())
    tables = json.loads((files("mtneuro_suite.preset") / "paper.json").read_text(encoding="utf-8"))
    assert tables["table1"] == source["task1"]["table_1_accuracy"]
    assert tables["tableA3"] == source["task1"]["table_A3_roi_c1_accuracy"]
    assert tables["table2"] == {**source["task2"]["table_2_2d"], **source["task2"]["table_2_3d"]}
    assert tables["table3"]["roi-c1"] == source["task3"]["table_3_roi_c1"]
    assert tables["table3"]["roi-c3"] == source["task3"]["table_3_roi_c3"]
    assert tables["class_proportions_percent"] == source["class_proportions_percent"]
    hours = source["task1"]["runtime_per_ssl_run_rtx3090_hours"]
    assert tables["hours_of_a_self_supervised_run"] == hours


def test_the_appendixs_numbers_are_looked_up():
    for region in ("CTX", "STR", "VP", "ZI", "total"):
        shares = [paper.class_proportion(region, name) for name in paper.CLASS_SETTINGS["4class"]]
        assert sum(share.mean for share in shares if share) == pytest.approx(100, abs=0.06)
    hours = [paper.training_hours("myow", "roi-c1", downsample=factor) for factor in (4, 2, 1)]
    assert [each.mean for each in hours if each] == [0.5, 1.5, 4.0]


def test_what_the_paper_does_not_print_is_none():
    assert paper.table1("untrained", "roi-c1") is None
    assert paper.table2("linknet", "f1", "3class", "cells") is None
    assert paper.table3("byol", "z159", "cell_count") is None
    assert paper.class_proportion("CC", "cell") is None
    assert paper.training_hours("supervised", "roi-c1", downsample=2) is None
    assert paper.training_hours("byol", "roi-c1", downsample=8) is None
