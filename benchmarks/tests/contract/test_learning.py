"""Methods learn on the phantom at the demo's size; BYOL and MYOW beat the encoder that has not.

That is seen where all places are alike: whether they do under the phantom's shift, too, is a result of the
benchmark, not a property of the code.
"""

from pathlib import Path

import pytest
import ssl_study
from mtneuro_ssl import TrainSettings, method_names


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("study")


def studied(method: str, out: Path, *, steps: int) -> ssl_study.Row:
    options = ssl_study.Options(
        source="phantom?drift=0", output=out, seeds=(1,), methods=(method,), rate=0.1, steps=steps
    )
    (row,) = ssl_study.methods(options)
    return row


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("method", ["byol", "myow"])
def test_predicting_other_views_beats_the_untrained_encoder(method, out):
    row = studied(method, out, steps=120)
    assert row["last_loss"] < row["first_loss"]
    assert row["rank"] > 1.5
    assert row["spread"] > 0.01
    # Accuracy of 480 crops: two standard errors.
    assert row["accuracy"] > studied("untrained", out, steps=120)["accuracy"] + 0.04


@pytest.mark.slow
@pytest.mark.parametrize(
    "method",
    [
        name
        for name in method_names()
        if TrainSettings(method=name).entry.family in ("supervised", "self-supervised")
        and name not in ("byol", "myow")
    ],
)
def test_no_method_collapses_and_every_loss_falls(method, out):
    row = studied(method, out, steps=40)
    assert row["last_loss"] < row["first_loss"]
    assert row["rank"] > 1.5
    assert row["spread"] > 0.01
