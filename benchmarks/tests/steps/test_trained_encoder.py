import json

import numpy as np
import pytest
from mtneuro_ssl import TrainSettings, embed

from mtneuro_suite.steps import Encoder
from mtneuro_suite.steps.trained_encoder import trained_encoder

FACTORY = "examples.tiny_encoder:encoder"


@pytest.fixture
def run_folder(arrays_folder, dark_and_bright, tmp_path):
    """The folder of a run that took a user's encoder, with its result file."""
    folder = tmp_path / "run"
    step = Encoder(train=TrainSettings(method="untrained", encoder=FACTORY, latent_dim=None, device="cpu"))
    images, region = dark_and_bright
    step.run({"train": [arrays_folder("all", images, region=region)]}, folder, lambda done, total: None)
    told = {"settings": step.model_dump(mode="json")}
    (folder / "result.json").write_text(json.dumps(told))
    return folder


def test_the_factory_that_a_run_itself_called_is_called_again(run_folder, dark_and_bright):
    embeddings = embed(trained_encoder(run_folder), dark_and_bright[0])
    assert embeddings.shape == (12, 64)
    assert np.isfinite(embeddings).all()


def test_images_may_be_embedded_as_they_are(run_folder, dark_and_bright):
    images = dark_and_bright[0]
    model = trained_encoder(run_folder, normalised=False)
    assert (model.settings.mean, model.settings.sd) == (0, 1)
    assert not np.allclose(embed(model, images), embed(trained_encoder(run_folder), images))
