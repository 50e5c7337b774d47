import json
from importlib.resources import files

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


def test_what_the_paper_does_not_print_is_none():
    assert paper.table1("untrained", "roi-c1") is None
    assert paper.table2("linknet", "f1", "3class", "cells") is None
    assert paper.table3("byol", "z159", "cell_count") is None
