"""Modules that are not ours are tried before any run starts, at every size that the runs ask for."""

from pathlib import Path

import numpy as np
import pytest

from mtneuro_suite.plan import trial
from mtneuro_suite.plan.asked import asked_samples
from mtneuro_suite.plan.plan import Plan, plan_of
from mtneuro_suite.plan.trial import try_modules
from mtneuro_suite.preset.model import read_preset
from mtneuro_suite.preset.overrides import with_own_row, with_values

WIDE = str(Path(__file__).parents[1] / "wide.toml")

SOURCE = """
from torch import nn


class Dict(nn.Conv2d):
    def forward(self, x): return {"out": super().forward(x)}


class Pair(nn.Conv2d):
    def forward(self, x): return super().forward(x), x


def pair(): return Pair(1, 4, 1)
def hopeless(): return nn.Sequential(nn.Flatten(), nn.Linear(17 * 17, 6))
def dictionary(classes=4): return Dict(1, classes, 1)
def fixed(): return nn.Sequential(nn.Flatten(), nn.Linear(64 * 64, 6))
def any_depth(): return nn.Sequential(nn.Conv3d(1, 4, 3), nn.AdaptiveAvgPool3d(1), nn.Flatten())
class Mean(nn.Conv2d):
    def forward(self, x): return super().forward(x).mean((2, 3))


def mean(): return Mean(1, 4, 3)
def any_size(): return nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
"""


@pytest.fixture(autouse=True)
def nets(tmp_path, monkeypatch):
    (tmp_path / "suite_nets.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))


def plan(*, changes: tuple[str, ...] = (), encoder: str | None = None, segmenter: str | None = None) -> Plan:
    preset, _ = with_own_row(with_values(read_preset(WIDE), changes), encoder=encoder, segmenter=segmenter)
    return plan_of(preset, trusted=[name.removesuffix(":3d") for name in (encoder, segmenter) if name])


def test_an_encoder_and_a_network_that_cannot_be_used_are_refused():
    name = "suite_nets:pair"
    with pytest.raises(ValueError, match=f"^encoder '{name}' must return one tensor, got a tuple of 2"):
        try_modules(plan(encoder=name).runs)
    name = "suite_nets:dictionary"
    with pytest.raises(ValueError, match=f"^model '{name}' must return one tensor, got a dict of 'out'"):
        try_modules(plan(segmenter=name).segmenters)


def test_weights_that_cannot_be_fetched_are_refused_before_any_run_with_the_way_out(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(
        FileNotFoundError,
        match=r"^encoder_weights 'hub' of timm/test_vit .*: --encoder timm:test_vit:random$",
    ):
        try_modules(plan(encoder="timm:test_vit").runs)
    try_modules(plan(encoder="timm:test_vit:random").runs)


def test_an_encoder_is_asked_for_the_size_at_which_it_is_trained_and_those_at_which_it_embeds(monkeypatch):
    asked: list[tuple[tuple[int, int], ...]] = []
    monkeypatch.setattr(trial, "_try_encoder", lambda _, sizes: asked.append(sizes))
    made = plan(encoder="suite_nets:any_size")
    runs = [run for run in made.regions if run.step.model == "suite_nets:any_size"]
    try_modules([need for run in runs for need in run.needs["encoder"]])
    assert asked == [((64, 64),)]
    asked.clear()
    try_modules(made.runs_of(["suite_nets:any_size"]))
    (sizes,) = set(asked)
    assert {(64, 64), (32, 32)} <= set(sizes)


def test_an_encoder_of_one_size_has_others_resized_and_is_refused_where_none_is_its_own():
    try_modules(plan(encoder="suite_nets:fixed", changes=("task2.frozen=[]",)).runs_of(["suite_nets:fixed"]))
    message = r"encoder .*hopeless. must take images of .*; let it take images of one channel and of any size"
    with pytest.raises(ValueError, match=message):
        try_modules(plan(encoder="suite_nets:hopeless").runs_of(["suite_nets:hopeless"]))


def test_what_is_ours_is_not_tried(monkeypatch):
    monkeypatch.setattr(trial, "_try_encoder", pytest.fail)
    monkeypatch.setattr(trial, "_try_network", pytest.fail)
    try_modules(plan().runs)


def test_an_encoder_of_subvolumes_is_asked_for_their_depth(monkeypatch):
    asked: list[tuple[tuple[int, ...], ...]] = []
    monkeypatch.setattr(trial, "_try_encoder", lambda _, sizes: asked.append(sizes))
    changes = ('task3.encoders=["roi-c1", "roi-c1-3d"]',)
    made = plan(encoder="suite_nets:any_depth:3d", changes=changes)
    try_modules(made.runs_of(["suite_nets:any_depth:3d"]))
    (sizes,) = set(asked)
    # Corners and whole images of a quarter of the resolution.
    assert set(sizes) == {(8, 32, 32), (8, 64, 64)}


def test_an_encoder_of_slices_is_refused_where_it_is_given_subvolumes():
    message = r"encoder 'suite_nets:any_size' must take"
    with pytest.raises(ValueError, match=message):
        try_modules(plan(encoder="suite_nets:any_size:3d").runs_of(["suite_nets:any_size:3d"]))
    try_modules(plan(encoder="suite_nets:any_depth:3d").runs_of(["suite_nets:any_depth:3d"]))


def test_an_encoder_without_feature_maps_is_told_in_one_line_only_where_they_are_asked_for(caplog):
    names = ["suite_nets:mean"]
    try_modules(plan(encoder=names[0]).runs_of(names))
    (told,) = caplog.messages
    assert told.startswith(
        "suite_nets:mean has no row in Table 2, which task2.frozen asks for: "
        "encoder 'suite_nets:mean' must have feature maps"
    )
    assert "\n" not in told
    caplog.clear()
    try_modules(plan(encoder=names[0], changes=("task2.frozen=[]",)).runs_of(names))
    try_modules(plan(encoder="suite_nets:any_size").runs_of(["suite_nets:any_size"]))
    assert not caplog.messages


def test_an_encoder_without_feature_maps_is_told_where_an_attentive_probe_asks_for_them(caplog):
    changes = ('task1.probes=["attentive"]', "task2.frozen=[]")
    try_modules(plan(encoder="suite_nets:mean", changes=changes).runs_of(["suite_nets:mean"]))
    assert {message.partition(":")[0] for message in caplog.messages} == {"suite_nets"}
    assert all(
        "no attentive column in Table 1, which task1.probes asks for" in one for one in caplog.messages
    )


def test_a_file_of_embeddings_is_told_once_where_an_attentive_probe_asks_for_maps(tmp_path, caplog):
    changes = (
        "task2=none",
        "task3=none",
        'task1.methods=["pca"]',
        "task1.per_method={}",
        "task1.probes=attentive",
    )
    preset = with_values(read_preset(WIDE), changes)
    names = np.concatenate([one.names for one in asked_samples(plan_of(preset).runs)])
    vectors = np.random.default_rng(0).normal(size=(len(names), 2))
    np.savez(tmp_path / "mine.npz", embeddings=vectors, sample_id=names)
    for probe, told in (("knn", []), ("attentive", ["mine has no attentive column in Table 1"])):
        one, own = with_own_row(
            with_values(preset, [f"task1.probes={probe}"]), embeddings=[str(tmp_path / "mine.npz")]
        )
        caplog.clear()
        try_modules(plan_of(one).runs_of(own))
        assert [message.partition(",")[0] for message in caplog.messages] == told
