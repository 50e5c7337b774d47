import pytest
from mtneuro_ssl import TrainSettings
from pydantic import ValidationError

from mtneuro_suite.runs.run import Run
from mtneuro_suite.steps import Encoder
from mtneuro_suite.steps.taken import Taken


def test_other_weights_in_the_same_folder_are_another_run(tmp_path):
    ids = {
        Run(step=Encoder(train=TrainSettings(method="pca"), taken=taken), title="x").id
        for taken in (None, Taken(folder=tmp_path, digest="one"), Taken(folder=tmp_path, digest="two"))
    }
    assert len(ids) == 3


def test_a_taken_model_is_never_named_by_its_folder_alone(tmp_path):
    with pytest.raises(ValidationError, match="digest"):
        Taken.model_validate({"folder": tmp_path})
