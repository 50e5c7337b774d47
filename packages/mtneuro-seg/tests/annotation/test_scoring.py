"""Scores of boxes against plain computations over the whole volume, and what is kept of them."""

from typing import Any

import numpy as np
import pytest
import torch
from mtneuro_seg import SweepSettings
from mtneuro_seg.annotation.boxes import box_grid
from mtneuro_seg.annotation.scoring import Ledger, box_embeddings, box_uncertainties, units_of
from mtneuro_seg.model import normalised
from mtneuro_seg.volume.sweep import swept_scores

CPU = torch.device("cpu")
FLAT = SweepSettings(window=(16, 16), batch_size=3)
DEEP = SweepSettings(window=(4, 16, 16), batch_size=3)
CASES = [("unet", FLAT, (2, 16, 16)), ("unet3d", DEEP, (2, 8, 16))]


@pytest.mark.parametrize(("name", "sweep", "size"), CASES)
def test_a_box_is_as_unsure_as_its_voxels_on_average(untrained, volume, tmp_path, name, sweep, size):
    model = untrained(name)
    corners = box_grid(volume.shape, size)
    found = box_uncertainties(
        model,
        volume,
        corners,
        size,
        kind="entropy",
        sweep=sweep,
        device=CPU,
        ledger=Ledger(tmp_path / "a", {}),
    )
    swept = swept_scores(model, volume, sweep, rows=range(6), device=CPU, divide=True)
    scores = np.stack([each.numpy().copy() for _, each in swept]).astype(np.float64)
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    unsure = -(shares * np.log(shares)).sum(axis=1) / np.log(3)
    z, y, x = size
    expected = [unsure[a : a + z, b : b + y, c : c + x].mean() for a, b, c in corners]
    np.testing.assert_allclose(found, expected, atol=2e-6)
    assert len(np.unique(found)) > 1
    np.testing.assert_array_equal(found, found.round(6))


def test_features_are_those_of_the_layer_before_the_last(untrained, volume, tmp_path):
    model, size = untrained(), (2, 16, 16)
    corners = box_grid(volume.shape, size)
    found = box_embeddings(
        model, volume, corners, size, batch_size=3, device=CPU, ledger=Ledger(tmp_path / "a", {})
    )
    *_, last = (layer for layer in model.network.modules() if isinstance(layer, torch.nn.Conv2d))
    assert (last.in_channels, last.out_channels) == (4, 3)
    expected = []
    for z, y, x in corners:
        box = torch.from_numpy(volume[z : z + 2, y : y + 16, x : x + 16].copy())
        seen: list[Any] = []

        def keep(_: torch.nn.Module, given: Any, seen: list[Any] = seen) -> None:
            seen.append(given[0])

        hook = last.register_forward_pre_hook(keep)
        with torch.inference_mode():
            model.network(normalised(box, model.settings)[:, None])
        hook.remove()
        expected.append(seen[0].mean(dim=(0, 2, 3)).numpy())
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert not last._forward_pre_hooks


def test_boxes_of_a_3d_network_are_embedded_whole(untrained, volume, tmp_path):
    size = (2, 8, 16)
    corners = box_grid(volume.shape, size)
    found = box_embeddings(
        untrained("unet3d"),
        volume,
        corners,
        size,
        batch_size=2,
        device=CPU,
        ledger=Ledger(tmp_path / "a", {}),
    )
    assert found.shape == (len(corners), 4)
    assert np.ptp(found, axis=0).min() > 0


def test_units_hold_every_box_once():
    corners = box_grid((200, 8, 8), (3, 4, 4))
    units = list(units_of(corners, 3))
    assert [unit.start for unit in units] == [0, *(unit.stop for unit in units[:-1])]
    assert units[-1].stop == len(corners)
    assert all(corners[unit.stop - 1, 0] - corners[unit.start, 0] < 64 for unit in units)


def test_a_volume_is_read_a_few_slices_at_a_time_and_what_is_done_is_not_read_again(untrained, tmp_path):
    class Lazy:
        """A long volume that is made where it is sliced, and says how much of it was asked for."""

        shape, dtype = (200, 16, 16), np.dtype(np.uint8)
        most = 0
        reads = 0

        def __getitem__(self, key):
            z = key[0] if isinstance(key, tuple) else key
            made = np.random.default_rng(z.start).integers(0, 256, (z.stop - z.start, 16, 16), dtype=np.uint8)
            type(self).most, type(self).reads = max(self.most, len(made)), self.reads + 1
            return made

    corners, size = box_grid(Lazy.shape, (4, 16, 16)), (4, 16, 16)
    model, ledger = untrained(), Ledger(tmp_path / "a", {})
    done: list[int] = []

    def interrupt(at: int, _: int) -> None:
        done.append(at)
        raise InterruptedError

    def unsure(progress=None):
        return box_uncertainties(
            model,
            Lazy(),
            corners,
            size,
            kind="margin",
            sweep=FLAT,
            device=CPU,
            ledger=ledger,
            progress=progress,
        )

    def features(progress=None):
        return box_embeddings(
            model, Lazy(), corners, size, batch_size=3, device=CPU, ledger=ledger, progress=progress
        )

    for score in (unsure, features):
        done.clear()
        Lazy.reads = 0
        with pytest.raises(InterruptedError):
            score(interrupt)
        part = Lazy.reads
        assert done == [16]  # the boxes of 64 slices
        whole = score()
        assert Lazy.reads == part * 50 // 16
        np.testing.assert_array_equal(score(), whole)
        assert Lazy.reads == part * 50 // 16
    assert Lazy.most <= 4


def test_a_ledger_of_another_computation_is_begun_anew_and_other_folders_are_kept(tmp_path):
    ledger = Ledger(tmp_path / "a", {"seed": 0})
    assert ledger.array("one", lambda: np.ones(2)).tolist() == [1, 1]
    assert Ledger(tmp_path / "a", {"seed": 0}).array("one", lambda: np.zeros(2)).tolist() == [1, 1]
    assert Ledger(tmp_path / "a", {"seed": 1}).array("one", lambda: np.zeros(2)).tolist() == [0, 0]
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine.txt").touch()
    with pytest.raises(FileExistsError, match="must be free for what is done so far"):
        Ledger(tmp_path / "b", {})
    assert (tmp_path / "b" / "mine.txt").exists()


def test_a_network_without_such_a_layer_is_told_of_embeddings(untrained, volume, tmp_path):
    model = untrained()

    class Bare(torch.nn.Module):
        def forward(self, images):
            return images.expand(-1, 3, -1, -1)

    object.__setattr__(model, "network", Bare())
    with pytest.raises(ValueError, match=r"needs a network with a convolution .* give embeddings"):
        box_embeddings(
            model,
            volume,
            box_grid(volume.shape, (2, 16, 16)),
            (2, 16, 16),
            batch_size=2,
            device=CPU,
            ledger=Ledger(tmp_path / "a", {}),
        )
