import sys

import pytest
from mtneuro_ssl._shared.logs import tensorboard_logger


def steps_in(folder: str) -> list[int]:
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="needs the extra 'tensorboard'"
    )
    events = accumulator.EventAccumulator(folder).Reload()
    return [event.step for event in events.Scalars("loss")]


def test_a_run_that_goes_on_hides_what_was_logged_beyond_its_start(tmp_path):
    pytest.importorskip("tensorboard", reason="needs the extra 'tensorboard'")
    for first, last in ((1, 4), (3, 5)):
        logger = tensorboard_logger(tmp_path, run="a", first_step=first)
        for step in range(first, last):
            logger.log_metrics({"loss": 1.0}, step)
        logger.experiment.close()
    assert steps_in(str(tmp_path / "a")) == [1, 2, 3, 4]


def test_tensorboard_needs_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(ValueError, match=r"pip install 'mtneuro-ssl\[tensorboard\]'"):
        tensorboard_logger(tmp_path)
    assert not list(tmp_path.iterdir())
