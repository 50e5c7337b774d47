from pathlib import Path

import pytest
from mtneuro_data.label_table import read_label_table


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "17,axon\n1152921504606846976,dendrite\n*,glia\n"),
        ("b.csv", "\ufeffsegment id;class\r\n17;axon\r\n\r\n1152921504606846976; dendrite\r\n*;glia\r\n"),
        ("c.tsv", "id\tclass\n17\taxon\n1152921504606846976\tdendrite\n*\tglia"),
        ("d.json", '{"17": "axon", "1152921504606846976": "dendrite", "*": "glia"}'),
    ],
)
def test_a_table_is_read_as_a_spreadsheet_writes_it(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_bytes(text.encode())
    assert read_label_table(tmp_path / name) == {"17": "axon", str(1 << 60): "dendrite", "*": "glia"}


def test_a_class_may_be_a_number(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"-1": 0, "4": 2}')
    assert read_label_table(tmp_path / "a.json") == {"-1": 0, "4": 2}


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.csv", "1,axon\n1,glia\n", "named once each|named once, got 1 twice"),
        ("a.json", '{"1": 1, "1": 2}', "got 1 twice"),
        ("a.csv", "id,class\n1,axon,red\n", "row 2 must hold a label and its class, got '1,axon,red'"),
        ("a.csv", "id,class\naxon,1\n", "row 2 must hold a label"),
        ("a.csv", "id,class\n", "at least one label, got none"),
        ("a.csv", "", "at least one label, got none"),
        ("a.json", "[1]", "a name or a number for each label, got 1"),
        ("a.json", '{"1": [2]}', "a name or a number"),
        ("a.json", "{", "must be a table of labels"),
        ("a.txt", "1,axon", "must end in .csv, .tsv, .json"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, name: str, text: str, told: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=told):
        read_label_table(tmp_path / name)


def test_an_absent_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no table of labels at .*absent\.csv"):
        read_label_table(tmp_path / "absent.csv")
