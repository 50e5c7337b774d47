import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from intern import array
from intern.convenience.array import _BossDBVolumeProvider  # the one way to give it another host
from intern.remote.boss import BossRemote
from mtneuro_data import downsampled_images, downsampled_labels, open_volume, save_volume
from mtneuro_data._shared.ome import levels_of
from mtneuro_data.box import Box
from mtneuro_data.serving import Catalogue, VolumeServer, catalogue
from mtneuro_data.serving.zarr_view import zarr_file
from mtneuro_data.sources.boss import BossServer


def remote(server: BossServer) -> BossRemote:
    return BossRemote({"protocol": server.protocol, "host": server.host, "token": server.token})


def intern_array(server: BossServer, channel: str, level: int = 0) -> Any:
    return array(
        f"bossdb://lab/scan/{channel}",
        resolution=level,
        volume_provider=_BossDBVolumeProvider(remote(server)),
    )


def test_levels_are_means_of_images_and_majorities_of_labels(
    boss: Any, volume: np.ndarray, labels: np.ndarray
) -> None:
    reduced = intern_array(boss.server, "labels", level=1)
    assert reduced.shape == (40, 75, 100)
    np.testing.assert_array_equal(reduced[0:2, 0:75, 0:100], downsampled_labels(labels[0:2], 2))
    reduced = intern_array(boss.server, "image", level=1)
    np.testing.assert_array_equal(reduced[0:2, 0:75, 0:100], downsampled_images(volume[0:2], 2))


def test_a_channel_is_what_the_caller_or_its_metadata_state_whatever_its_type_and_name(
    tmp_path: Path,
) -> None:
    np.save(tmp_path / "wide.npy", np.arange(64, dtype=np.uint16).reshape(1, 8, 8))
    np.save(tmp_path / "small.npy", np.array([[[1, 1], [1, 9]]], np.uint8))
    shape = "?shape=1,8,8"
    served = Catalogue(
        {
            "lab/wide/labelled_em": open_volume(tmp_path / "wide.npy"),
            "lab/small/cells": open_volume(tmp_path / "small.npy"),
            "lab/phantom/a": open_volume(f"phantom://image{shape}"),
            "lab/phantom/b": open_volume(f"phantom://pixel_labels{shape}"),
        },
        levels=2,
        annotations=["lab/small/cells"],
    )
    assert [served.kind(path) for path in served.volumes] == ["image", "annotation", "image", "annotation"]
    described = served.description(("collection", "lab", "experiment", "small", "channel", "cells"))
    assert described is not None
    assert described["type"] == "annotation"
    assert served.cutout("lab/small/cells", 1, Box((0, 0, 0), (1, 1, 1))).item() == 1
    mean = served.cutout("lab/wide/labelled_em", 1, Box((0, 0, 0), (1, 1, 1)))
    assert (mean.dtype, mean.item()) == (np.uint16, 4)  # of 0, 1, 8 and 9: 4.5 goes to the even neighbour
    with pytest.raises(ValueError, match="did you mean 'lab/small/cells'"):
        Catalogue(served.volumes, annotations=["lab/small/cell"])


def test_a_coarse_cutout_is_the_same_read_in_parts(
    boss: Any, volume: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "_READ_AT_ONCE", 1000)
    box = Box((1, 2, 3), (9, 50, 60))
    part = boss.service.catalogue.cutout("lab/scan/image", 1, box)
    np.testing.assert_array_equal(part, downsampled_images(volume[1:9, 4:100, 6:120], 2))


def test_the_voxel_size_is_the_callers_or_what_the_experiments_volumes_state(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 3, 4), np.uint8))
    for name, size in (("b", (3.0, 2.0, 1.0)), ("c", (3.0, 2.0, 1.5))):
        save_volume(tmp_path / f"{name}.nii", np.zeros((2, 3, 4), np.uint8), voxel_size_um=size)
    a, b, c = (open_volume(tmp_path / name) for name in ("a.npy", "b.nii", "c.nii"))
    own = Catalogue({"lab/scan/a": a, "lab/scan/b": b})
    told = Catalogue({"lab/scan/a": a, "lab/scan/b": b, "lab/scan/c": c}, voxel_size_um=(4.0, 0.5, 0.5))
    for served, expected in ((own, (3.0, 2.0, 1.0)), (told, (4.0, 0.5, 0.5))):
        assert [served.voxel_size_um(path) for path in served.volumes] == [expected] * len(served.volumes)
        frame = served.description(("coord", "lab-scan"))
        assert frame is not None
        assert tuple(frame[f"{axis}_voxel_size"] for axis in "zyx") == expected
    with pytest.raises(
        ValueError, match=r"scan/b has \(3.0, 2.0, 1.0\), lab/scan/c has .*; state one for all"
    ):
        Catalogue({"lab/scan/b": b, "lab/scan/c": c})
    with pytest.raises(ValueError, match="must be three positive numbers"):
        Catalogue({"lab/scan/a": a}, voxel_size_um=(1.0, 0.0, 1.0))


def test_the_frame_begins_where_the_volume_does_in_its_own(tmp_path: Path) -> None:
    voxels = np.random.default_rng(0).integers(0, 256, (4, 30, 40), dtype=np.uint8)
    np.save(tmp_path / "a.npy", voxels)
    volume = open_volume(tmp_path / "a.npy")
    volume.source.offset = (5, 21, 34)
    with VolumeServer(Catalogue({"lab/scan/a": volume}, levels=2)) as server:
        frame = server.service.catalogue.description(("coord", "lab-scan"))
        assert frame is not None
        assert [frame[f"{axis}_{end}"] for axis in "zyx" for end in ("start", "stop")] == [
            5,
            9,
            21,
            51,
            34,
            74,
        ]
        opened = open_volume("bossdb://lab/scan/a", server=server.address)
        assert opened.offset == (5, 21, 34)
        np.testing.assert_array_equal(opened[1:3, 2:9, 3:40], voxels[1:3, 2:9, 3:40])
        coarse = open_volume("bossdb://lab/scan/a/1", server=server.address)
        assert (coarse.shape, coarse.offset) == ((4, 15, 20), (5, 10, 17))
        np.testing.assert_array_equal(coarse[:, :, :], downsampled_images(voxels, 2))


def test_channels_of_one_experiment_have_one_offset_of_0_or_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 3, 4), np.uint8))
    a, b = open_volume(tmp_path / "a.npy"), open_volume(tmp_path / "a.npy")
    b.source.offset = (0, 5, 0)
    with pytest.raises(
        ValueError, match=r"one offset: lab/scan/a has \(0, 0, 0\), lab/scan/b has \(0, 5, 0\)"
    ):
        Catalogue({"lab/scan/a": a, "lab/scan/b": b})
    b.source.offset = (0, -5, 0)
    with pytest.raises(ValueError, match=r"must begin at 0 or later, got the offset \(0, -5, 0\)"):
        Catalogue({"lab/scan/b": b})


def test_a_voxel_size_that_nobody_knows_stays_unknown(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 3, 4), np.uint8))
    served = Catalogue({"lab/scan/a": open_volume(tmp_path / "a.npy")})
    assert served.voxel_size_um("lab/scan/a") is None
    with VolumeServer(served) as server:
        assert open_volume("bossdb://lab/scan/a", server=server.address).voxel_size_um is None
        about = json.loads(zarr_file(served, ("lab", "scan", "a", "zarr.json")) or b"")
    assert levels_of(about["attributes"], name="a")[0].voxel_size_um is None


def test_channels_that_cannot_be_served_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 3, 4), np.uint8))
    np.save(tmp_path / "b.npy", np.zeros((2, 3, 5), np.uint8))
    np.save(tmp_path / "c.npy", np.zeros((2, 3, 4), np.float32))
    a, b, c = (open_volume(tmp_path / f"{name}.npy") for name in "abc")
    for volumes, text in (
        ({}, "at least one channel"),
        ({"lab/scan": a}, "collection/experiment/channel, got 'lab/scan'"),
        ({"lab/../a": a}, "collection/experiment/channel"),
        ({"lab/scan/a": a, "lab/scan/b": b}, r"lab/scan/a has \(2, 3, 4\), lab/scan/b has \(2, 3, 5\)"),
        ({"lab/scan/c": c}, "holds uint8, uint16, uint64, got a volume of float32"),
    ):
        with pytest.raises(ValueError, match=text):
            Catalogue(volumes)
    with pytest.raises(ValueError, match="levels must be 1 or more"):
        Catalogue({"lab/scan/a": a}, levels=0)
