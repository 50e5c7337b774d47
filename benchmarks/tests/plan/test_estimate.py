import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from mtneuro_ssl import TrainSettings, new_method

from mtneuro_suite.plan.estimate import (
    Estimate,
    Rate,
    _download_bytes,
    _head_parameters,
    estimate,
    timed_costs,
)
from mtneuro_suite.plan.plan import plan_of
from mtneuro_suite.preset.model import read_preset
from mtneuro_suite.preset.overrides import with_values
from mtneuro_suite.steps import Arrays, Encoder


def test_every_chunk_is_downloaded_once_though_two_parts_read_it(tmp_path, monkeypatch):
    monkeypatch.setenv("MTNEURO_CACHE", str(tmp_path))
    preset = with_values(
        read_preset("table1"), ["source=bossdb", 'task1.tasks=["roi-c1"]', 'task1.methods=["pca"]']
    )
    tasks = [run.step.task for run in plan_of(preset).runs if isinstance(run.step, Arrays)]
    # Set A: 4 cubes of 256 x 256 off the grid touch 3 x 3 chunks of 128 x 128; slices 110 to 460 lie in 12
    # layers of 32; labels are eight bytes a voxel.
    assert _download_bytes(tasks) == 4 * 9 * 12 * (32 * 128 * 128) * (1 + 8)
    assert _download_bytes([*tasks, *tasks]) == _download_bytes(tasks)


def test_ten_times_the_steps_cost_about_ten_times_the_time():
    def cost(steps):
        preset = with_values(
            read_preset("smoke"),
            [f"task1.settings.steps={steps}", 'task1.methods=["byol"]', "task3.umap_method=byol"],
        )
        runs = [run for run in plan_of(preset).runs if run.step.kind == "encoder"]
        named: list[str] = []
        found = estimate(runs, runs, processes=1, device="cpu", progress=named.append)
        assert named == ["resnet18"]
        return found.seconds

    assert 3 < cost(2000) / cost(200) < 30


def test_a_timing_counts_the_networks_own_time_in_training_and_in_what_reads_it(monkeypatch):
    # Floors have no network.
    changes = ['task1.methods=["byol"]', "task3.umap_method=byol", "task1.floors=[]", "task3.floors=[]"]
    runs = plan_of(with_values(read_preset("smoke"), changes)).runs
    monkeypatch.setattr("mtneuro_suite.plan.estimate.core_speed", lambda: 2.0)
    rates = {"resnet18": 0.25}
    monkeypatch.setattr(
        "mtneuro_suite.plan.estimate._rate",
        lambda step, _: Rate(
            factor=rates.get(getattr(step.train, "encoder", ""), 3.0), saved_per_pixel=0, parameters=1
        ),
    )
    found = timed_costs(runs, processes=2, device="cpu")
    kinds = {"encoder": 0.25 * 1.4, "regions": 0.25, "semantics": 0.25, "segmenter": 3.0}
    expected = {run.id: run.cost * kinds.get(run.step.kind, 0.5) for run in runs}
    assert found.seconds == pytest.approx(expected)
    assert found.wall >= sum(found.seconds.values()) / 2
    assert found.basis == "by a matrix product and a pass of each network, timed here"


def test_a_timing_loads_no_torch_to_time_networks(monkeypatch):
    runs = plan_of(read_preset("smoke")).runs
    monkeypatch.setattr("mtneuro_suite.plan.estimate.core_speed", lambda: 2.0)
    monkeypatch.setattr("mtneuro_suite.plan.estimate.sys", SimpleNamespace(modules={}))
    found = timed_costs(runs, processes=1, device="cpu")
    assert found.wall == pytest.approx(sum(run.cost for run in runs) / 2)
    assert found.basis == "by a matrix product, timed here"


@pytest.mark.parametrize("method", ["byol", "myow", "myow-m", "simclr"])
def test_the_heads_that_a_run_keeps_are_counted(method):
    settings = TrainSettings(method=method, hidden=512, projection=32, latent_dim=48, batch_size=2)
    images = np.random.default_rng(0).integers(0, 256, (2, 16, 16), dtype=np.uint8)
    kept = sum(weights.numel() for weights in new_method(images, settings).heads().parameters())
    assert _head_parameters(Encoder(train=settings)) == pytest.approx(kept, rel=0.05)


def test_an_encoder_in_3d_is_timed_by_itself():
    changes = ['task1.tasks=["roi-c1", "roi-c1-3d"]', 'task1.methods=["byol"]', "task3.umap_method=byol"]
    runs = [
        run for run in plan_of(with_values(read_preset("smoke"), changes)).runs if run.step.kind == "encoder"
    ]
    named: list[str] = []
    estimate(runs, runs, processes=1, device="cpu", progress=named.append)
    assert named == ["resnet18", "resnet18 in 3D"]


def _tight(**changes: Any) -> Estimate:
    fields: dict[str, Any] = {
        "runs": 1, "done": 0, "seconds": 60.0, "processes": 2, "memory_bytes": 10**9, "process_bytes": 10**9,
        "disk_bytes": 10**6, "download_bytes": 0,
    }  # fmt: skip
    return Estimate(**{**fields, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"disk_bytes": 10**18}, r"output needs 1.0 EB of disk.*use another --output"),
        ({"memory_bytes": 10**14}, r"largest run needs 100.0 TB of memory.*lower its batch_size"),
        ({"processes": 10**6}, r"1000000 processes need.*use --workers \d+"),
    ],
)
def test_what_cannot_work_is_refused(changes, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        _tight(**changes).check(tmp_path / "not yet")


def test_what_fits_is_not(tmp_path):
    dataclasses.replace(_tight(), processes=1, memory_bytes=1).check(tmp_path)
