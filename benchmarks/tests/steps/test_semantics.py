import json

import numpy as np
import pandas as pd
import pytest
from mtneuro_probe import Embeddings, feature_readout, load_embeddings
from mtneuro_ssl import TrainSettings

from mtneuro_suite.steps import Encoder, Semantics
from mtneuro_suite.steps.semantics import feature_rows


def ignored(done, total):
    pass


def test_a_feature_that_is_linear_in_the_embedding_is_read_off_and_an_unmeasured_one_has_a_reason(
    arrays_folder, tmp_path
):
    n = 120
    level = np.random.default_rng(0).uniform(40, 200, n)
    images = np.round(level)[:, None, None] * np.ones((1, 32, 32))
    folder = arrays_folder("all", images, region=np.arange(n) % 2)
    encoder = tmp_path / "encoder"
    trained = Encoder(train=TrainSettings(method="pca", components=1))
    trained.run({"train": [folder]}, encoder, ignored)
    (encoder / "result.json").write_text(json.dumps({"settings": trained.model_dump(mode="json")}))
    features = tmp_path / "features"
    features.mkdir()
    names = [f"A-CTX/z{z}" for z in range(n)]
    table = pd.DataFrame({"linear": 3 * images[:, 0, 0] + 5, "unmeasured": np.nan}, index=names)
    # In another order than the samples: they are matched by name.
    table.iloc[::-1].to_csv(features / "features.csv", index_label="sample_id")

    step = Semantics(
        model="mine", seed=1, task="roi-c1", training_set="roi-c1:train", view="whole", downsample=2
    )
    roles = {"samples": [folder], "encoder": [encoder], "features": [features]}
    out = tmp_path / "out"
    out.mkdir()
    outcome = step.run(roles, out, ignored)
    rows = {(row.metric, row.class_name): row for row in outcome.rows}
    assert rows["r2_same_sample", "linear"].value == pytest.approx(1, abs=1e-3)
    assert rows["r2_cross_validated", "linear"].value == pytest.approx(1, abs=1e-2)
    assert rows["r2_same_sample", "linear"].n == n
    assert rows["r2_same_sample", "unmeasured"].value is None
    assert rows["r2_same_sample", "unmeasured"].note
    # The level tells each image of a region from the others.
    within = rows["r2_cross_validated_within", "linear"]
    assert within.value == pytest.approx(1, abs=1e-2)
    # One cube has 11 turns, too few for a level that 1 in 20 exceeds.
    assert rows["r2_null", "linear"].value is None
    runs = feature_readout(load_embeddings(out / "embeddings.npz").embeddings, table)["n_runs"]
    assert rows["r2_runs", "linear"].value == runs["linear"] > 0
    assert load_embeddings(out / "embeddings.npz").sample_id.tolist() == names
    assert np.load(out / "region.npy").tolist() == [0, 1] * (n // 2)
    assert outcome.extra == {"dimensions": 1, "region_names": ["CTX", "VP"]}


def test_embeddings_too_wide_for_the_papers_score_have_that_of_their_components(tmp_path):
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(50, 20)).astype(np.float32)
    names = [f"A-CTX/z{z}" for z in range(0, 500, 10)]
    table = pd.DataFrame({"cell_count": rng.normal(size=50), "flat": 1.0}, index=names)
    table.to_csv(tmp_path / "features.csv", index_label="sample_id")
    found = feature_rows(
        Embeddings(embeddings, np.array(names)),
        {"features": [tmp_path]},
        depth=1,
        key={"model": "mine", "seed": 1, "task": "roi-c1", "training_set": "roi-c1:train"},
    )
    rows = {(row.metric, row.class_name): row for row in found}
    expected = feature_readout(embeddings, table)["r2_same_sample_projected"]["cell_count"]
    projected = rows.pop(("r2_same_sample_projected", "cell_count"))
    assert (projected.value, projected.n) == (pytest.approx(expected), 50)
    assert projected.note == "10 components of 20 dimensions"
    assert rows["r2_same_sample", "cell_count"].value is None
    assert {metric for metric, _ in rows} == {"r2_same_sample", "r2_cross_validated", "r2_null", "r2_runs"}


def test_a_feature_is_read_off_embeddings_of_subvolumes(arrays_folder, tmp_path, monkeypatch):
    n, depth = 60, 4
    level = np.random.default_rng(0).uniform(40, 200, n)
    images = np.round(level)[:, None, None, None] * np.ones((1, depth, 16, 16))
    names = [f"A-CTX/z{depth * i}" for i in range(n)]
    folder = arrays_folder("all", images, region=np.arange(n) % 2, ids=names)
    encoder = tmp_path / "encoder"
    trained = Encoder(train=TrainSettings(method="pca", components=1, depth=depth))
    trained.run({"train": [folder]}, encoder, ignored)
    (encoder / "result.json").write_text(json.dumps({"settings": trained.model_dump(mode="json")}))
    features, out = tmp_path / "features", tmp_path / "out"
    features.mkdir()
    out.mkdir()
    table = pd.DataFrame({"linear": 3 * images[:, 0, 0, 0] + 5}, index=names)
    table.to_csv(features / "features.csv", index_label="sample_id")
    step = Semantics(model="mine", seed=1, task="deep", training_set="deep:all", view="whole", downsample=2)
    gaps: list[int] = []

    def readout(embeddings, values, *, gap, **others):
        gaps.append(gap)
        return feature_readout(embeddings, values, gap=gap, **others)

    monkeypatch.setattr("mtneuro_probe.feature_readout", readout)
    outcome = step.run({"samples": [folder], "encoder": [encoder], "features": [features]}, out, ignored)
    rows = {row.metric: row for row in outcome.rows}
    assert rows["r2_same_sample"].value == pytest.approx(1, abs=1e-3)
    assert rows["r2_cross_validated"].value == pytest.approx(1, abs=1e-2)
    assert rows["r2_same_sample"].n == n
    # Slices of one subvolume and of the next tested one lie as far apart as single slices do.
    assert gaps == [10 + depth - 1]


def test_a_readout_is_fitted_to_other_samples_where_there_are_any(arrays_folder, tmp_path):
    rng = np.random.default_rng(0)
    roles, images = {}, {}
    for role, columns in (("learnt", "AB"), ("samples", "CDE")):
        ids = [f"{column}/z{z}" for column in columns for z in range(12)]
        level = np.round(rng.uniform(40, 200, len(ids)))
        images[role] = level[:, None, None] * np.ones((1, 16, 16))
        roles[role] = [arrays_folder(role, images[role], ids=ids)]
        features = tmp_path / f"features of {role}"
        features.mkdir()
        table = pd.DataFrame({"linear": 3 * level + 5}, index=ids)
        table.iloc[::-1].to_csv(features / "features.csv", index_label="sample_id")
        roles["features" if role == "samples" else "learnt features"] = [features]
    trained = Encoder(train=TrainSettings(method="pca", components=1))
    trained.run({"train": roles["learnt"]}, tmp_path / "encoder", ignored)
    settings = json.dumps({"settings": trained.model_dump(mode="json")})
    (tmp_path / "encoder" / "result.json").write_text(settings)
    step = Semantics(model="mine", seed=1, task="t", training_set="t:all", view="whole", downsample=1)
    outcome = step.run({**roles, "encoder": [tmp_path / "encoder"]}, tmp_path, ignored)
    rows = {row.metric: row for row in outcome.rows}
    assert {*rows} == {"r2_same_sample", "r2_held_out"}
    assert rows["r2_held_out"].value == pytest.approx(1, abs=1e-3)
    assert {row.n for row in outcome.rows} == {36}
