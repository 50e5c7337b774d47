"""Whole volumes: the same labels whole, streamed, resumed and shared."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zarr
from mtneuro_seg import (
    Model,
    SweepSettings,
    TrainSettings,
    build_network,
    predict,
    predict_volume,
    swept_labels,
)
from mtneuro_seg.volume.job import prepare_job
from mtneuro_seg.volume.predict import predict_row
from mtneuro_seg.volume.sweep import swept_scores

FLAT = SweepSettings(window=(16, 16), overlap=0.25, batch_size=3)
DEEP = SweepSettings(window=(8, 16, 16), overlap=0.25, batch_size=3)


def untrained(name: str = "unet", **changes: object) -> Model:
    asked = {"model": name, "classes": 3, "filters": 4, "levels": 3, **changes}
    settings = TrainSettings.model_validate(asked)
    network = build_network(settings)
    generator = torch.Generator().manual_seed(7)
    for parameter in network.parameters():
        # Labels of fresh weights are nearly constant; spread them.
        parameter.data += 0.2 * torch.randn(parameter.shape, generator=generator)
    return Model(network=network.eval(), settings=settings, class_names=("background", "vessels", "cells"))


def volume(*shape: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    rough = rng.normal(size=shape)
    for axis in range(3):
        rough = rough + np.roll(rough, 1, axis) + np.roll(rough, 2, axis)
    return ((rough - rough.min()) / np.ptp(rough) * 255).astype(np.uint8)


CASES = [("unet", FLAT), ("unet3d", DEEP)]


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def labels_of(path: Path) -> np.ndarray:
    return np.asarray(zarr.open_array(path, mode="r")[...])


@pytest.mark.parametrize(("name", "sweep"), CASES)
def test_streamed_is_bit_equal_to_whole(tmp_path, name, sweep):
    model, given = untrained(name), volume(21, 40, 37)
    whole = swept_labels(model, given, sweep=sweep)
    assert len(np.unique(whole)) > 1
    source = zarr.create_array(tmp_path / "source.zarr", data=given, chunks=(6, 16, 16))
    for depth in (5, 16):
        predict_volume(model, source, out=tmp_path / "labels.zarr", sweep=sweep, shard_depth=depth)
        np.testing.assert_array_equal(labels_of(tmp_path / "labels.zarr"), whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels.zarr", "source.zarr"]


@pytest.mark.parametrize(("name", "sweep"), CASES)
def test_scores_of_a_part_are_bit_equal_to_those_of_the_whole(name, sweep):
    model, given = untrained(name), volume(20, 24, 20)

    def scores(rows: range) -> np.ndarray:
        found = swept_scores(model, given, sweep, rows=rows, device=torch.device("cpu"), divide=True)
        return np.stack([each.numpy().copy() for _, each in found])

    whole = scores(range(20))
    np.testing.assert_array_equal(scores(range(7, 13)), whole[7:13])


@pytest.mark.parametrize(("name", "sweep"), CASES)
def test_labels_agree_with_monais_inferer(name, sweep):
    from monai.inferers import sliding_window_inference
    from mtneuro_seg.model import normalised

    model, given = untrained(name), volume(12, 40, 37)
    images = normalised(torch.from_numpy(given), model.settings)
    images = images[:, None] if name == "unet" else images[None, None]
    with torch.inference_mode():
        theirs = sliding_window_inference(
            images, sweep.window, 3, model.network, overlap=0.25, mode="gaussian", padding_mode="reflect"
        )
    assert isinstance(theirs, torch.Tensor)
    labels = theirs.argmax(dim=1).numpy().reshape(given.shape)
    assert (labels == swept_labels(model, given, sweep=sweep)).mean() > 0.9999


def test_one_window_is_what_predict_gives():
    model, given = untrained(), volume(4, 16, 16)
    np.testing.assert_array_equal(swept_labels(model, given, sweep=FLAT), predict(model, given, batch_size=3))


def test_a_volume_smaller_than_a_window_is_mirrored_out():
    model, given = untrained("unet3d"), volume(3, 10, 20)
    assert swept_labels(model, given, sweep=DEEP).shape == given.shape


class StopError(RuntimeError):
    """What a test interrupts a prediction with."""


@pytest.mark.parametrize(("name", "sweep"), CASES)
def test_resumed_is_bit_equal_to_uninterrupted(tmp_path, name, sweep):
    model, given = untrained(name), volume(20, 24, 24)

    def stop(done: int, total: int) -> None:
        if done == 11:
            raise StopError

    out = tmp_path / "labels.zarr"
    with pytest.raises(StopError):
        predict_volume(model, given, out=out, sweep=sweep, shard_depth=4, progress=stop)
    assert not out.exists()
    seen: list[int] = []
    predict_volume(
        model, given, out=out, sweep=sweep, shard_depth=4, progress=lambda done, _: seen.append(done)
    )
    assert seen[0] == 9
    np.testing.assert_array_equal(labels_of(out), swept_labels(model, given, sweep=sweep))


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals of POSIX")
def test_a_killed_prediction_resumes_at_its_last_shard(tmp_path):
    script = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import torch
from test_predict import FLAT, untrained, volume
from mtneuro_seg import predict_volume
torch.set_num_threads(1)

def kill(done, total):
    if done == 11:
        os.kill(os.getpid(), signal.SIGKILL)

out = {str(tmp_path / "labels.zarr")!r}
predict_volume(untrained(), volume(20, 24, 24), out=out, sweep=FLAT, shard_depth=4, progress=kill)
"""
    child = subprocess.run([sys.executable, "-c", script], check=False, env=dict(os.environ))
    assert child.returncode == -signal.SIGKILL
    model, given, seen = untrained(), volume(20, 24, 24), []
    predict_volume(
        model,
        given,
        out=tmp_path / "labels.zarr",
        sweep=FLAT,
        shard_depth=4,
        progress=lambda done, _: seen.append(done),
    )
    assert seen[0] == 9
    np.testing.assert_array_equal(labels_of(tmp_path / "labels.zarr"), swept_labels(model, given, sweep=FLAT))


def test_a_prediction_that_meets_a_full_disk_goes_on_after_its_finished_shards(tmp_path, fill):
    model, given, out = untrained(), volume(16, 24, 24), tmp_path / "labels.zarr"

    def filling(done: int, total: int) -> None:
        if done == 7:
            fill(100)

    with pytest.raises(OSError, match="no file may grow that large here"):
        predict_volume(model, given, out=out, sweep=FLAT, shard_depth=4, progress=filling)
    fill(float("inf"))
    assert not out.exists()
    seen: list[int] = []
    predict_volume(
        model, given, out=out, sweep=FLAT, shard_depth=4, progress=lambda done, _: seen.append(done)
    )
    assert seen[0] == 5
    np.testing.assert_array_equal(labels_of(out), swept_labels(model, given, sweep=FLAT))


def test_an_output_on_a_link_is_written_through_and_leaves_nothing_beside(tmp_path):
    model, given = untrained(), volume(8, 20, 20)
    for name in ("labels", "shares"):
        (tmp_path / "disk").mkdir(exist_ok=True)
        (tmp_path / f"{name}.ome.zarr").symlink_to(tmp_path / "disk" / name)
    labels, shares = (tmp_path / f"{name}.ome.zarr" for name in ("labels", "shares"))
    for _ in range(2):  # made, and replaced
        predict_volume(model, given, out=labels, sweep=FLAT, probabilities=shares)
        assert labels.is_symlink()
        assert shares.is_symlink()
        assert sorted(path.name for path in (tmp_path / "disk").iterdir()) == ["labels", "shares"]
    expected = swept_labels(model, given, sweep=FLAT)
    np.testing.assert_array_equal(labels_of(tmp_path / "disk" / "labels" / "0"), expected)


def test_a_row_is_on_the_disk_before_it_is_marked_as_done(tmp_path, monkeypatch):
    model, given = untrained(), volume(8, 20, 20)
    shares = tmp_path / "shares.zarr"
    job = prepare_job(
        model, given, out=tmp_path / "a.ome.zarr", probabilities=shares, sweep=FLAT, shard_depth=4
    )
    synchronised: set[int] = set()

    def noted(file: int) -> None:
        assert not job.tick(1).exists()
        synchronised.add(os.fstat(file).st_ino)

    monkeypatch.setattr(os, "fsync", noted)
    predict_row(model, given, job, 1)
    assert job.missing() == [0]
    written = [*job.unfinished_labels.rglob("c/1/**/*"), *job.unfinished_probabilities.rglob("c/0/1/**/*")]
    assert len([path for path in written if path.is_file()]) == 2
    assert {path.stat().st_ino for path in written} <= synchronised
    assert (job.unfinished_labels / "0" / "c").stat().st_ino in synchronised


def test_rows_in_any_order_give_the_same_labels(tmp_path):
    model, given = untrained("unet3d"), volume(20, 24, 24)
    job = prepare_job(model, given, out=tmp_path / "labels.zarr", sweep=DEEP, shard_depth=8)
    for row in (2, 0, 1):
        predict_row(model, given, job, row)
    job.finish()
    np.testing.assert_array_equal(labels_of(tmp_path / "labels.zarr"), swept_labels(model, given, sweep=DEEP))


def test_probabilities_are_written_on_request(tmp_path):
    model, given = untrained(), volume(6, 20, 20)
    predict_volume(
        model, given, out=tmp_path / "labels.zarr", sweep=FLAT, probabilities=tmp_path / "shares.zarr"
    )
    shares = labels_of(tmp_path / "shares.zarr").astype(np.float32)
    assert shares.shape == (3, 6, 20, 20)
    np.testing.assert_allclose(shares.sum(axis=0), 1, atol=2e-3)
    labels = labels_of(tmp_path / "labels.zarr")
    chosen = np.take_along_axis(shares, labels[None].astype(int), axis=0)[0]
    assert (chosen >= shares.max(axis=0) - 1e-3).all()


def test_the_labels_say_axes_classes_voxel_size_and_how_they_were_made(tmp_path):
    predict_volume(
        untrained(), volume(4, 20, 20), out=tmp_path / "labels.zarr", sweep=FLAT, voxel_size_um=(1.17,) * 3
    )
    array = zarr.open_array(tmp_path / "labels.zarr", mode="r")
    assert array.attrs["voxel_size_um"] == [1.17] * 3
    assert array.attrs["class_names"] == ["background", "vessels", "cells"]
    made = array.attrs["prediction"]
    assert isinstance(made, dict)
    assert made["model"] == "unet"


def test_an_ome_zarr_has_levels_scales_and_colours_and_the_same_labels(tmp_path):
    model, given = untrained(), volume(6, 260, 270)
    sweep = SweepSettings(window=(64, 64))
    out = tmp_path / "labels.ome.zarr"
    predict_volume(model, given, out=out, sweep=sweep, shard_depth=4, voxel_size_um=(2.0, 1.0, 0.5))
    whole = swept_labels(model, given, sweep=sweep)
    ome: Any = zarr.open_group(out, mode="r").attrs["ome"]
    assert ome["version"] == "0.5"
    (multiscale,) = ome["multiscales"]
    assert [(axis["name"], axis["type"], axis["unit"]) for axis in multiscale["axes"]] == [
        (name, "space", "micrometer") for name in "zyx"
    ]
    scales = [
        (level["path"], level["coordinateTransformations"][0]["scale"]) for level in multiscale["datasets"]
    ]
    assert scales == [("0", [2.0, 1.0, 0.5]), ("1", [2.0, 2.0, 1.0])]
    for path, scale in scales:
        step = int(scale[1])
        level = zarr.open_array(out / path, mode="r")
        assert level.metadata.dimension_names == ("z", "y", "x")  # pyright: ignore[reportAttributeAccessIssue]
        np.testing.assert_array_equal(level[...], whole[:, ::step, ::step])
    assert ome["image-label"]["colors"][1] == {"label-value": 1, "rgba": [230, 53, 43, 255]}
    assert ome["image-label"]["properties"][2] == {"label-value": 2, "class": "cells"}


def test_an_ome_zarr_is_read_back_with_its_voxel_size_and_resumed_bit_equal(tmp_path):
    from mtneuro_seg._shared.volume_file import open_volume_file

    model, given, out = untrained(), volume(12, 130, 140), tmp_path / "labels.ome.zarr"
    shares = tmp_path / "shares.ome.zarr"

    def stop(done: int, total: int) -> None:
        if done == 7:
            raise StopError

    def predicted(**more: Any) -> None:
        predict_volume(
            model,
            given,
            out=out,
            sweep=FLAT,
            shard_depth=4,
            probabilities=shares,
            voxel_size_um=(3, 2, 1),
            **more,
        )

    with pytest.raises(StopError):
        predicted(progress=stop)
    predicted()
    labels = open_volume_file(out)
    np.testing.assert_array_equal(labels.loaded(), swept_labels(model, given, sweep=FLAT))
    assert labels.voxel_size_um == (3, 2, 1)
    assert labels.class_names == ("background", "vessels", "cells")
    about: Any = zarr.open_group(shares, mode="r").attrs["ome"]
    assert [axis["name"] for axis in about["multiscales"][0]["axes"]] == ["class", "z", "y", "x"]
    found = zarr.open_array(shares / "0", mode="r")[...]
    assert isinstance(found, np.ndarray)
    assert found.shape == (3, 12, 130, 140)
    # Neuroglancer reads no float16.
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=2e-3)


def test_test_time_flips_make_labels_flip_with_the_volume():
    model, given = untrained(), volume(2, 32, 32)
    sweep = FLAT.model_copy(update={"flips": True, "overlap": 0.0})
    labels = swept_labels(model, given, sweep=sweep)
    turned = swept_labels(model, given[:, ::-1, ::-1].copy(), sweep=sweep)
    assert (turned[:, ::-1, ::-1] == labels).mean() > 0.999


def test_resuming_with_other_settings_is_refused(tmp_path):
    model, given = untrained(), volume(8, 20, 20)
    out = tmp_path / "labels.zarr"
    prepare_job(model, given, out=out, sweep=FLAT, shard_depth=4)
    other = FLAT.model_copy(update={"batch_size": 5})
    with pytest.raises(ValueError, match=r"to be resumed; sweep was .* delete that folder"):
        predict_volume(model, given, out=out, sweep=other, shard_depth=4)
    with pytest.raises(ValueError, match="to be resumed; probabilities was None, is now OME-Zarr"):
        predict_volume(
            model, given, out=out, sweep=FLAT, shard_depth=4, probabilities=tmp_path / "shares.ome.zarr"
        )
    with pytest.raises(ValueError, match="to be resumed; weights was"):
        predict_volume(untrained(seed=3), given, out=out, sweep=FLAT, shard_depth=4)


@pytest.mark.usefixtures("unchecked")
def test_a_window_of_a_3d_network_holds_slices_of_one_cube_alone(tmp_path):
    model, images = untrained("unet3d"), volume(20, 16, 16)
    ids = np.array([f"A/z{z}" for z in range(12)] + [f"B/z{z}" for z in range(8)])
    apart = [swept_labels(model, part, sweep=DEEP) for part in (images[:12], images[12:])]
    done = []
    found = swept_labels(model, images, sweep=DEEP, sample_id=ids, progress=lambda *at: done.append(at))
    np.testing.assert_array_equal(found, np.concatenate(apart))
    assert done[-1] == (20, 20)
    order = np.random.default_rng(0).permutation(20)
    shuffled = swept_labels(model, images[order], sweep=DEEP, sample_id=ids[order])
    np.testing.assert_array_equal(shuffled, found[order])
    with pytest.raises(ValueError, match="consecutive slices of one cube, got 2 runs of them by id; label"):
        predict_volume(model, images, out=tmp_path / "a.zarr", sweep=DEEP, sample_id=ids.tolist())
    with pytest.raises(ValueError, match="got 12 runs of them by id: the slices of a cube are 10 apart"):
        predict_volume(
            model,
            images[:12],
            out=tmp_path / "a.zarr",
            sweep=DEEP,
            sample_id=[f"A/z{10 * z}" for z in range(12)],
        )
    # To a 2D network, slices are images each by itself.
    flat = untrained()
    predict_volume(flat, images, out=tmp_path / "flat.zarr", sweep=FLAT, sample_id=ids.tolist())
    np.testing.assert_array_equal(labels_of(tmp_path / "flat.zarr"), swept_labels(flat, images, sweep=FLAT))


def test_volumes_and_windows_that_do_not_fit_are_refused(tmp_path):
    model, out = untrained(), tmp_path / "labels.zarr"
    with pytest.raises(ValueError, match=r"must have axes \(z, y, x\)"):
        predict_volume(model, volume(4, 8, 8)[0], out=out)
    with pytest.raises(ValueError, match="must be uint8, got float32 with values from"):
        predict_volume(model, np.full((4, 8, 8), np.nan, np.float32), out=out)
    with pytest.raises(ValueError, match="window must have 2 axes for 'unet'"):
        predict_volume(model, volume(4, 8, 8), out=out, sweep=DEEP)
    with pytest.raises(ValueError, match=r"window must be a size that 'unet' takes, got \(18, 16\)"):
        predict_volume(model, volume(4, 8, 8), out=out, sweep=SweepSettings(window=(18, 16)))
    with pytest.raises(ValueError, match=r"must be written to a \.zarr"):
        predict_volume(model, volume(4, 8, 8), out=tmp_path / "labels.tiff")
    assert not list(tmp_path.iterdir())
