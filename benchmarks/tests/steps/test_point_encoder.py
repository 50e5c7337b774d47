import numpy as np
from mtneuro_ssl import TrainSettings, load_model

from mtneuro_suite.steps import PointEncoder
from mtneuro_suite.steps.points import clouds_of


def test_an_encoder_learns_the_regions_of_whole_images(point_encoder, tmp_path):
    model = load_model(point_encoder / "model")
    clouds = clouds_of(tmp_path / "train", "whole")
    assert model.classes == ("CTX", "VP")
    assert (model.predict(clouds.points) == clouds.region).all()
    assert np.isfinite(model.embed(clouds.points)).all()


def test_a_run_is_named_by_the_modules_of_its_method_and_encoder():
    step = PointEncoder(train=TrainSettings(method="supervised", encoder="deepsets", device="cuda"))
    assert step.executed_modules() == ("mtneuro_ssl.methods.supervised", "mtneuro_ssl.deepsets")
    assert step.device == "cuda"
