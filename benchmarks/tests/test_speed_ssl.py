"""The parts of mtneuro-ssl's speed script that need a GPU, tried on a CPU at a small size."""

import importlib
from pathlib import Path
from typing import Any

import pytest

SPEED = Path(__file__).parents[1] / "speed"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(SPEED))
    return importlib.import_module("speed_ssl")


def test_the_part_of_a_step_before_its_first_pass_is_told(script):
    marks = [
        ("pass", 0.0), ("pass", 1.0), ("end", 2.0),
        ("pass", 2.5), ("pass", 3.0), ("end", 4.0),
        ("pass", 5.0), ("end", 6.0),
    ]  # fmt: skip
    assert script.shares(marks, lambda first, second: second - first) == [0.25, 0.5]


def test_waiting_between_steps_is_a_part_of_each(script):
    found = script.waiting("byol", script.tissue(8, 32), device="cpu", batch=2, steps=9)
    assert len(found) == 5  # of 8 steps after the first: without two to warm and the last
    assert all(0 < part < 1 for part in found)


def test_a_run_of_each_method_is_timed(script, monkeypatch):
    asked: list[tuple[str, Any, bool]] = []

    def seconds(images: Any, settings: Any, labels: Any) -> float:
        asked.append((settings.method, settings.steps, settings.compile))
        return 20.0 if settings.compile else 30.0

    monkeypatch.setattr(script, "run_seconds", seconds)
    figures = {
        each.name: each for each in script.paper_runs(script.tissue(8, 16), device="cpu", epochs=100, batch=4)
    }
    assert figures["byol: run / its arithmetic floor"].value == pytest.approx(20 / 5.4)
    assert figures["myow-m: 100 epochs of 8 images, bf16, eager"].value == 30
    # Five methods of 20 s, 3.5 times for both sets, five seeds; mixup four times more.
    assert figures["Table 1, extrapolated"].value == pytest.approx(5 * 20 * 3.5 * 5 / 60)
    assert figures["Table 1 and mixup's other probabilities, extrapolated"].value == pytest.approx(
        9 * 20 * 3.5 * 5 / 60
    )
    # Each run that is timed comes after one of two steps.
    assert asked[:4] == [
        ("supervised", 2, False), ("supervised", None, False),
        ("supervised", 2, True), ("supervised", None, True),
    ]  # fmt: skip


def test_the_plain_step_on_subvolumes_has_the_loss_of_ours(script):
    method, subvolumes = script.method_of("byol", batch=2, deep=True)
    assert subvolumes.shape == (8, 8, 64, 64)
    views = next(script.PlainStep(method, subvolumes).loader)
    assert [view.shape for view in views] == [(2, 1, 8, 32, 32)] * 2
    script.check_losses(method, subvolumes)
    assert script.passes_of(method) == script.PASSES["byol"]


def test_the_plain_autoencoders_have_the_loss_of_ours(script):
    images = script.tissue(4, 128)
    method = script.new_method(
        images, script.TrainSettings(method="mae", batch_size=2, steps=9, device="cpu")
    )
    script.check_autoencoders(method, images)
    with script.torch.no_grad():
        method.decoder.pixels.bias += 1
    plain = script.PlainAutoencoder(method, images)
    plain.method.decoder.pixels.bias.data -= 1
    (view,), order = next(plain.loader), script.torch.arange(64).repeat(2, 1)
    losses = [each.loss(view, order[:, 48:], order[:, :48]).item() for each in (plain, method)]
    assert abs(losses[0] - losses[1]) > 0.1


def test_a_floor_is_that_of_its_passes(script):
    for name, (online, target) in script.PASSES.items():
        assert script.GPU_FLOORS[name] == pytest.approx(5.4 * (3 * online + target) / 8)
    assert script.GPU_FLOORS["supervised"] == pytest.approx(5.4 * 3 * 4 / 8)


def test_a_run_is_timed_whole(script):
    settings = script.TrainSettings(method="byol", batch_size=2, steps=1, device="cpu", hidden=8)
    assert script.run_seconds(script.tissue(4, 16), settings, script.np.arange(4) % 2) > 0


def test_parts_that_need_a_gpu_say_so_where_there_is_none(script, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    for part in (script.gpu, script.gpu_waiting):
        with pytest.raises(script.Unavailable, match="no CUDA device"):
            next(part(quick=True))
