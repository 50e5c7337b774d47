"""The simulated annotator errs as its dials say, and the record says what the scores show."""

import importlib
import json
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[1] / "proofreading.py"


@pytest.fixture
def module(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    return importlib.import_module("proofreading")


def script(*words):
    return subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True, check=False)


def edge(labels: np.ndarray) -> np.ndarray:
    """Return in which column each row's class 1 ends."""
    return (labels == 1).sum(axis=-1)


@pytest.mark.parametrize("shift", [0.6, 1.5])
def test_outlines_are_shifted_smoothly_by_as_much_as_the_dial_says(module, shift):
    truth = np.zeros((40, 256, 64), np.uint8)
    truth[:, :, :32] = 1
    drawn = edge(module.Annotator(shift=shift, smooth=6, missed=0).labels(truth, seed=1)) - 32.0
    # Whole pixels add a twelfth of one to the variance. A shift persists over 2 √π smooth rows.
    assert drawn.std() == pytest.approx((shift**2 + 1 / 12) ** 0.5, rel=0.12)
    assert abs(drawn.mean()) < 0.25 * shift
    neighbours = [np.corrcoef(drawn[:, :-gap].ravel(), drawn[:, gap:].ravel())[0, 1] for gap in (1, 30)]
    assert neighbours[0] > 0.6
    assert abs(neighbours[1]) < 0.3


def test_small_objects_are_missed_as_often_as_the_dial_says_and_large_ones_never(module):
    truth = np.zeros((4, 256, 256), np.uint8)
    for y, x in product(range(4, 250, 16), range(4, 250, 16)):
        # 4 x 4 pixels of class 2, and 6 x 6 of class 1.
        size, number = (4, 2) if (y + x) % 32 == 8 else (6, 1)
        truth[:, y : y + size, x : x + size] = number
    drawn = module.Annotator(shift=0, missed=0.25, small=24).labels(truth, seed=3)
    small = (truth == 2).sum() / 16
    assert small == 4 * 128
    kept = (drawn == 2).sum() / 16
    # Within four standard deviations of a binomial count.
    assert abs(kept - 0.75 * small) < 4 * (small * 0.25 * 0.75) ** 0.5
    np.testing.assert_array_equal(drawn == 1, truth == 1)
    assert set(np.unique(drawn)) == {0, 1, 2}


def test_an_annotator_without_errors_draws_the_truth_and_a_seed_the_same_errors(module):
    truth = np.random.default_rng(0).integers(0, 4, (2, 32, 32)).astype(np.uint8)
    perfect = module.Annotator(shift=0, missed=0)
    np.testing.assert_array_equal(perfect.labels(truth, seed=0), truth)
    usual = module.Annotator()
    np.testing.assert_array_equal(usual.labels(truth, seed=1), usual.labels(truth, seed=1))
    assert (usual.labels(truth, seed=1) != usual.labels(truth, seed=2)).any()
    # More slices change none of the earlier.
    np.testing.assert_array_equal(usual.labels(truth, seed=1)[:1], usual.labels(truth[:1], seed=1))


def test_boxes_are_cut_as_the_suggestions_are(module):
    volume = np.arange(2 * 32 * 48).reshape(2, 32, 48)
    tiles = module.tiled(volume, 16)
    expected = [volume[z, y : y + 16, x : x + 16] for z, y, x in product(range(2), (0, 16), (0, 16, 32))]
    np.testing.assert_array_equal(tiles, expected)


def rows(module, gains: dict[str, list[float]]) -> list[dict[str, Any]]:
    """Return rows in which each strategy adds to random what its list says, a seed each."""
    found = []
    for strategy, seeds in ({"random": [0.0] * 3} | gains).items():
        for seed, gain in enumerate(seeds):
            for number, boxes in enumerate((4, 8, 12)):
                value = 0.5 + 0.1 * number + 0.01 * seed + (gain if number else 0)
                found.append(
                    {"strategy": strategy, "seed": seed, "boxes": boxes, "mean": value}
                    | dict.fromkeys(module.CLASSES, value)
                )
    whole = {"strategy": module.WHOLE, "boxes": 96, "mean": 0.9} | dict.fromkeys(module.CLASSES, 0.9)
    return found + [whole | {"seed": seed} for seed in range(3)]


def test_the_record_says_which_strategies_are_better_worse_or_not_told_apart(module):
    found = rows(
        module,
        {
            "uncertainty": [0.05, 0.051, 0.049],
            "diversity": [-0.05, 0.05, 0.01],
            "uncertainty+diversity": [-0.05, -0.051, -0.049],
        },
    )
    said = [module.verdict(name, of) for name, of in module.against_random(found).items()]
    assert said[0] == "uncertainty: +0.050 (95 %: +0.048 to +0.052, 3 pairs): better than random."
    assert said[1].endswith("3 pairs): not told apart from random.")
    assert said[2].endswith("3 pairs): worse than random.")
    document = {
        "date": "2000-01-01",
        "phantom_version": 1,
        "settings": {"box": 64},
        "most": 96,
        "annotator": {"shift": 0.6},
        "annotator_f1": {"mean": 0.9},
        "rows": found,
    }
    page = module.markdown(document)
    assert all(f"- {line}\n" in page for line in said)
    assert "| 12 | 0.710 [" in page
    assert "All 96 boxes: 0.900 [0.900, 0.900]." in page


def test_the_curves_are_drawn(module, tmp_path):
    module.draw(tmp_path / "a.png", rows(module, {"uncertainty": [0.1, 0.0, 0.2]}))
    assert (tmp_path / "a.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--strategies", "luck"), "luck"),
        (("--box", "60"), "--box must divide 256 and be at least 16, got 60"),
        (("--slices", "1", "--rounds", "12"), "must annotate at most the pool's 48 boxes, got 52"),
        (("--missed", "2"), "--missed must be a chance from 0 to 1, got 2"),
        (("--workers", "0"), "--workers must be at least 1, got 0"),
    ],
)
def test_wrong_words_end_with_one_line(words, told, module, capsys):
    from mtneuro_suite._shared.terminal import run

    assert run(module.app, list(words), say=print) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1


@pytest.mark.slow
def test_a_quick_study_writes_its_record_and_goes_on_where_it_was(tmp_path):
    words = ("--quick", "--filters", "2", "--strategies", "uncertainty", "-o", str(tmp_path))
    done = script(*words)
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.glob("proofreading-*-quick.json")
    document = json.loads(path.read_text())
    assert {row["strategy"] for row in document["rows"]} == {"random", "uncertainty", "all boxes"}
    assert sorted({row["boxes"] for row in document["rows"]}) == [4, 8, 12, 96]
    assert 0.5 < document["annotator_f1"]["mean"] < 1
    for ending in (".md", ".csv", ".png"):
        assert path.with_suffix(ending).stat().st_size > 100
    # The strategies start alike.
    first = [row["mean"] for row in document["rows"] if row["boxes"] == 4 and row["seed"] == 0]
    assert len(set(first)) == 1
    kept = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("scores.json")}
    assert script(*words).returncode == 0
    assert kept == {file: file.stat().st_mtime_ns for file in tmp_path.rglob("scores.json")}
    assert json.loads(path.read_text())["rows"] == document["rows"]
