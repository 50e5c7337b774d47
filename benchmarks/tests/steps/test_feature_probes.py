import numpy as np
import pandas as pd
import pytest
from mtneuro_probe import neighbour_readout, save_embeddings

from mtneuro_suite.steps import FeatureProbes


def ignored(done, total):
    pass


def test_features_are_the_mean_of_the_nearest_samples_among_other_slices(tmp_path):
    rng = np.random.default_rng(0)
    names = [f"A-CTX/z{z}" for z in range(80)]
    angle = np.linspace(0, 12 * np.pi, 80)
    embeddings = np.column_stack([np.cos(angle), np.sin(angle)]).astype(np.float32)
    table = pd.DataFrame(
        {"cell_count": embeddings[:, 0] * 3 + 9, "noise": rng.normal(size=80), "unmeasured": np.nan},
        index=names,
    )
    semantics, features = tmp_path / "semantics", tmp_path / "features"
    for folder in (semantics, features):
        folder.mkdir()
    save_embeddings(semantics / "embeddings.npz", embeddings, sample_id=names)
    # In another order than the samples: they are matched by name.
    table.iloc[::-1].to_csv(features / "features.csv", index_label="sample_id")
    step = FeatureProbes(
        model="mine", seed=2, task="roi-c1", training_set="roi-c1:train", depth=3, neighbours=4
    )
    outcome = step.run({"semantics": [semantics], "features": [features]}, tmp_path, ignored)
    rows = {row.class_name: row for row in outcome.rows}
    expected = neighbour_readout(embeddings, table, n_neighbors=4, gap=12)["r2_cross_validated"].to_dict()
    assert rows["cell_count"].value == pytest.approx(expected["cell_count"]) == pytest.approx(1, abs=0.01)
    assert rows["noise"].value == pytest.approx(expected["noise"])
    assert expected["noise"] < 0.2
    assert (rows["unmeasured"].value, rows["unmeasured"].note) == (
        None,
        "the feature is missing everywhere",
    )
    assert {(row.metric, row.model, row.seed, row.task, row.test_set) for row in outcome.rows} == {
        ("r2_cross_validated_knn", "mine", 2, "roi-c1", "semantics:all")
    }
