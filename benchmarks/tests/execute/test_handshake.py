import pytest

from mtneuro_suite.execute.handshake import check_here, marked


def test_another_output_folder_is_noticed(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    with marked(here) as mark:
        check_here(str(here), mark)
        with pytest.raises(OSError, match="must read and write the output folder"):
            check_here(str(there), mark)
