import json
import subprocess
import sys
from pathlib import Path

import pytest

SCALE = Path(__file__).parent.parent / "scale.py"


def scale(*arguments):
    return subprocess.run(
        [sys.executable, str(SCALE), *arguments], capture_output=True, text=True, check=False
    )


def test_wrong_input_ends_with_one_line():
    done = scale("--only", "laod")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "got 'laod'; did you mean 'load'?" in done.stderr


def test_quick_and_the_suite_alone_are_nothing_to_measure(tmp_path):
    done = scale("--quick", "--only", "suite", "-o", str(tmp_path / "scale"))
    assert "--quick leaves the suite out" in done.stderr
    assert not (tmp_path / "scale").exists()


def test_a_file_of_something_else_is_not_overwritten(tmp_path):
    (tmp_path / "scale.json").write_text("[]")
    done = scale("--quick", "--only", "load", "-o", str(tmp_path))
    assert "is not what scale.py writes" in done.stderr
    assert (tmp_path / "scale.json").read_text() == "[]"


@pytest.mark.slow
def test_a_measurement_is_written_as_a_table_a_drawing_and_json(tmp_path):
    earlier = {"suite": [{"work": 1, "seconds": 60.0, "memory_mib": 900.0}]}
    (tmp_path / "scale.json").write_text(json.dumps({"measured": earlier}))
    done = scale("--quick", "--only", "load", "-o", str(tmp_path))
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "scale.json").read_text())["measured"]
    assert found["suite"] == earlier["suite"]
    measured = found["load"]
    assert [point["work"] for point in measured] == [1, 2]
    assert 1.2 < measured[1]["seconds"] / measured[0]["seconds"] < 4
    assert (tmp_path / "scale.png").stat().st_size > 10_000
    assert "load voxels of the phantom" in done.stdout
