from pathlib import Path

import pytest
from mtneuro_probe.commands.outputs import check_figures, check_table


@pytest.mark.parametrize("name", ["f.csv", "f.parquet", "new/f.csv"])
def test_a_table_is_csv_or_parquet(name):
    check_table(Path(name), force=False)
    with pytest.raises(ValueError, match=r"a table must be written to a \.csv or \.parquet"):
        check_table(Path(name).with_suffix(".xlsx"), force=False)


def test_what_is_not_asked_for_is_not_checked():
    check_table(None, force=False)
    check_figures(None, Path("f.svg"), None, force=False)


def test_every_figure_is_checked():
    with pytest.raises(ValueError, match=r"a figure must be written to a \.png, \.pdf or \.svg, got 'b.jpg'"):
        check_figures(Path("a.png"), Path("b.jpg"), force=False)
