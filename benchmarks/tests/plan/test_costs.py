from types import SimpleNamespace

import pytest
import torch
from mtneuro_data import builtin_task, load
from mtneuro_ssl import TrainSettings, untrained
from torch.utils.flop_counter import FlopCounterMode

from mtneuro_suite.plan.costs import OtherWork, core_speed, forward_cost, image_count, pixel_count
from mtneuro_suite.plan.inputs import parts


@pytest.mark.parametrize(
    ("name", "downsample", "z_step"), [("roi-c1", 4, 7), ("seg-2d-3class", 2, 20), ("seg-3d-4class", 4, 1)]
)
def test_as_many_images_of_as_many_pixels_are_expected_as_are_loaded(name, downsample, z_step):
    task = builtin_task(name).with_source("phantom")
    tasks = parts(task, ("test",), downsample=downsample, z_step=z_step)
    loaded = [load(one, "all").images for one in tasks]
    assert image_count(tasks) == sum(len(images) for images in loaded)
    assert [pixel_count(one) for one in tasks] == [images.shape[-1] * images.shape[-2] for images in loaded]


def test_a_forward_pass_costs_in_proportion_to_its_pixels():
    # 4.43 GFLOP for 64 x 64 pixels at 60 GFLOP/s.
    assert forward_cost(64 * 64) == pytest.approx(0.074, abs=0.001)
    assert forward_cost(8 * 64 * 64) == pytest.approx(8 * forward_cost(64 * 64))


def test_a_forward_pass_in_3d_costs_what_its_convolutions_multiply():
    # Of each of the four stages as much in 2D; in 3D kernels of 27 in place of 9, on 8, 4, 2 and 1 slices.
    flat = forward_cost(64 * 64)
    assert forward_cost(64 * 64, 8) == pytest.approx(
        sum(flat / 4 * 27 / 9 * slices for slices in (8, 4, 2, 1))
    )
    assert forward_cost(64 * 64, 1) == flat


def test_it_is_about_what_torch_counts():
    network = untrained(TrainSettings(latent_dim=None, depth=8)).encoder
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 1, 8, 16, 16))
    assert forward_cost(16 * 16, 8) * 60e9 == pytest.approx(counter.get_total_flops(), rel=0.2)


def test_a_core_twice_as_slow_has_half_the_speed(monkeypatch):
    def speed(seconds):
        clock = iter(range(1000))
        monkeypatch.setattr("mtneuro_suite.plan.costs.time.process_time", lambda: seconds * next(clock))
        return core_speed.__wrapped__()

    assert speed(0.04) == pytest.approx(2 * speed(0.08))
    # 2.1e9 operations in 0.04 s, of whose rate a network reaches 0.75, over 60e9 a second.
    assert speed(0.04) == pytest.approx(0.75 * 2 * 1024**3 / 0.04 / 60e9)


@pytest.mark.parametrize(("user", "average", "told"), [(104.0, 9.0, 0.4), (118.0, 9.0, 9.0)])
def test_other_programs_are_those_of_now_unless_cores_are_short(monkeypatch, user, average, told):
    """Of 10 s on two cores, and an own second."""
    clock, system, own = iter((0.0, 10.0)), iter((100.0, user + 1)), iter((5.0, 6.0))
    times = SimpleNamespace
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    monkeypatch.setattr("psutil.cpu_times", lambda: times(user=next(system), system=0.0, nice=0.0))
    monkeypatch.setattr("psutil.Process", lambda: times(cpu_times=lambda: times(user=next(own), system=0.0)))
    monkeypatch.setattr("psutil.cpu_count", lambda: 2)
    monkeypatch.setattr("psutil.getloadavg", lambda: (average, 0.0, 0.0))
    assert OtherWork().load() == pytest.approx(told)
