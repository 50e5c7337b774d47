import numpy as np
import pandas as pd
import pytest
from mtneuro_probe import save_embeddings

from mtneuro_suite.steps import FewLabels


@pytest.fixture
def roles(tmp_path):
    """Embeddings that hold one feature as a line, and a table of it and of one that is constant."""
    x = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    names = np.array([f"{cube}/z{z}" for cube in ("A", "B") for z in range(100)])
    save_embeddings(tmp_path / "embeddings.npz", x, sample_id=names)
    table = pd.DataFrame({"cell_count": 2 * x[:, 0] - x[:, 1], "vessel_density": 0.5}, index=names)
    # In another order than the embeddings.
    table[::-1].to_csv(tmp_path / "features.csv", index_label="sample_id")
    return {"semantics": [tmp_path], "features": [tmp_path]}


def test_each_part_has_rows_of_its_own_that_say_what_was_asked_for_and_how_many_those_are(roles, tmp_path):
    step = FewLabels(
        model="byol", seed=4, task="roi-c1", training_set="roi-c1:train", fractions=(0.01, 0.5), gap=2
    )
    rows = step.run(roles, tmp_path, lambda *_: None).rows
    assert {(row.model, row.seed, row.metric, row.test_set) for row in rows} == {
        ("byol", 4, "r2_cross_validated", "semantics:all")
    }
    line = {row.task: row for row in rows if row.class_name == "cell_count"}
    few, half = line["roi-c1, 1 % of labels"], line["roi-c1, 50 % of labels"]
    assert few.training_set == "roi-c1:train, 1 % of labels, n = 2"
    # A middle split's training slices are 100 less 20 and a gap on either side; half of each cube's.
    assert half.training_set == "roi-c1:train, 50 % of labels, n = 78"
    assert (few.n, half.n) == (200, 200)
    assert half.value == pytest.approx(1, abs=1e-3)
    assert few.value is not None
    assert few.value < 0.9
    constant = [row for row in rows if row.class_name == "vessel_density"]
    assert [(row.value, row.note) for row in constant] == [(None, "the feature is constant")] * 2
