import numpy as np
import pandas as pd
import pytest
from mtneuro_probe import load_embeddings
from mtneuro_ssl import load_model

from mtneuro_suite.steps import PointSemantics
from mtneuro_suite.steps.points import clouds_of


@pytest.fixture
def read_off(clouds_folder, tmp_path):
    """Read the number of cells, in another order than the samples, off 120 clouds."""
    samples = clouds_folder("samples", n=120)
    clouds = clouds_of(samples, "whole")
    table = pd.DataFrame({"cell_count": clouds.counts()[:, 1]}, index=clouds.sample_id)
    features, out = tmp_path / "features", tmp_path / "out"
    features.mkdir()
    out.mkdir()
    table.iloc[::-1].to_csv(features / "features.csv", index_label="sample_id")

    def read(**roles):
        step = PointSemantics(model="mine", seed=1, task="roi-c1", training_set="roi-c1:train", view="whole")
        return step.run({"samples": [samples], "features": [features], **roles}, out, lambda *_: None)

    return read


def test_the_number_of_cells_is_read_off_the_numbers_of_points_without_an_error(read_off, tmp_path):
    outcome = read_off()
    values = {(row.metric, row.class_name): row.value for row in outcome.rows}
    assert values["r2_same_sample", "cell_count"] == pytest.approx(1)
    assert values["r2_cross_validated", "cell_count"] == pytest.approx(1, abs=1e-3)
    assert outcome.extra == {"dimensions": 2}
    clouds = clouds_of(tmp_path / "samples", "whole")
    np.testing.assert_array_equal(
        load_embeddings(tmp_path / "out" / "embeddings.npz").embeddings, clouds.counts()
    )


def test_an_encoder_s_embeddings_are_read_out(read_off, point_encoder, tmp_path):
    outcome = read_off(encoder=[point_encoder])
    clouds = clouds_of(tmp_path / "samples", "whole")
    loaded = load_embeddings(tmp_path / "out" / "embeddings.npz")
    np.testing.assert_array_equal(loaded.embeddings, load_model(point_encoder / "model").embed(clouds.points))
    assert loaded.sample_id.tolist() == clouds.sample_id.tolist()
    assert {row.n for row in outcome.rows} == {120}
    assert outcome.extra == {"dimensions": 8}
