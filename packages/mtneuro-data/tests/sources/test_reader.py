"""The process that reads, without this package."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from mtneuro_data.sources import asking


def test_it_answers_questions_in_lines_of_json(written: Path, truth: dict[str, np.ndarray]) -> None:
    script = Path(asking.__file__).with_name("reader.py")
    store = {"driver": "file", "path": f"{written}/raw8/"}
    array = {"driver": "neuroglancer_precomputed", "kvstore": store}
    questions = [
        {"id": 1, "do": "contents", "store": store, "names": ["info", "absent"]},
        {"id": 2, "do": "describe", "array": array},
        {"id": 3, "do": "read", "array": array, "order": [2, 1, 0], "box": [[1, 3], [0, 2], [5, 9]]},
        {"id": 4, "do": "read", "array": array | {"driver": "none"}, "order": [2, 1, 0], "box": []},
    ]
    with subprocess.Popen(
        [sys.executable, "-P", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for question in questions:
            process.stdin.write(json.dumps(question).encode() + b"\n")
        process.stdin.flush()
        answers = {}
        for _ in questions:
            about = json.loads(process.stdout.readline())
            answers[about["id"]] = (about, process.stdout.read(about["n_bytes"]))
    info = (written / "raw8/info").read_bytes()
    assert answers[1] == ({"id": 1, "sizes": [len(info), -1], "n_bytes": len(info)}, info)
    assert answers[2][0]["shape"] == [90, 70, 40, 1]
    assert answers[2][0]["chunk"] == [32, 32, 16, 1]
    assert answers[3][1] == truth["raw8"][1:3, 0:2, 5:9].tobytes()
    assert "none" in answers[4][0]["error"]
