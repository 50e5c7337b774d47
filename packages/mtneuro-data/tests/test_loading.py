import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtneuro_data import (
    UNLABELLED,
    Cache,
    Cube,
    SplitPart,
    TaskArrays,
    TaskSpec,
    downsampled_images,
    downsampled_labels,
    load,
    loading,
    mapped_labels,
    open_volume,
    save_volume,
)
from mtneuro_data._shared import bounds
from mtneuro_data._shared.volume_file import open_volume_file
from mtneuro_data.loading import fetch
from mtneuro_data.sources.phantom import PhantomSource


@pytest.fixture
def region_task(task: TaskSpec, tmp_path: Path, labels: np.ndarray) -> TaskSpec:
    """Regions by vote, in slices 2 to 8 only; the labels say STR where the cube says CTX."""
    roi = np.zeros(labels.shape, np.uint8)
    roi[:, 4:36, 8:56] = 2
    roi[:, 4:12, 8:56] = 1
    np.save(tmp_path / "roi.npy", roi)
    return task.replaced(
        kind="region",
        annotation=str(tmp_path / "roi.npy"),
        class_names=(),
        label_map={},
        roi_map={0: 0, 1: 0, 2: 1},
        annotated_z=(2, 9),
    )


def test_a_split_is_ordered_by_cube_and_slice(task: TaskSpec, volume: np.ndarray, labels: np.ndarray) -> None:
    arrays = load(task, "test")
    assert arrays.sample_id[[0, 8, 9]].tolist() == ["A-CTX/z24", "A-CTX/z32", "A-STR/z24"]
    assert arrays.region.tolist() == [0] * 9 + [1] * 9
    np.testing.assert_array_equal(arrays.images[1], volume[25, 4:36, 8:56])
    np.testing.assert_array_equal(arrays.images[9], volume[24, 100:132, 120:168])
    raw = labels[25, 4:36, 8:56]
    assert arrays.masks is not None
    np.testing.assert_array_equal(arrays.masks[1], np.where(raw == 3, 0, raw))
    assert (arrays.class_names, arrays.region_names) == (("background", "vessel", "cell"), ("CTX", "STR"))
    assert arrays.fingerprint == task.fingerprint


def test_several_splits_are_joined_in_the_order_asked_for(task: TaskSpec) -> None:
    both = load(task, ("val", "train"))
    alone = [load(task, "val"), load(task, "train")]
    np.testing.assert_array_equal(both.images, np.concatenate([part.images for part in alone]))
    assert both.sample_id.tolist() == [name for part in alone for name in part.sample_id]


def test_every_z_step_gives_the_same_images(task: TaskSpec) -> None:
    whole = load(task, "test")
    for step in (2, 3, 8):
        some = load(task.replaced(z_step=step), "test")
        rows = [whole.sample_id.tolist().index(name) for name in some.sample_id]
        np.testing.assert_array_equal(some.images, whole.images[rows])


def test_subvolumes_are_runs_of_slices(task: TaskSpec, volume: np.ndarray) -> None:
    arrays = load(task.replaced(depth=4), "test")
    assert arrays.images.shape == (4, 4, 32, 48)
    assert arrays.sample_id.tolist() == ["A-CTX/z24", "A-CTX/z28", "A-STR/z24", "A-STR/z28"]
    np.testing.assert_array_equal(arrays.images[1], volume[28:32, 4:36, 8:56])


def test_reduction_is_of_rows_and_columns_only(task: TaskSpec, volume: np.ndarray) -> None:
    arrays = load(task.replaced(downsample=4, depth=4, voxel_size_um=(1.17, 1.17, 1.17)), "test")
    assert arrays.images.shape == (4, 4, 8, 12)
    np.testing.assert_array_equal(arrays.images[0], downsampled_images(volume[24:28, 4:36, 8:56], 4))
    assert arrays.voxel_size_um == pytest.approx((1.17, 4.68, 4.68))


@pytest.mark.parametrize("stated", [None, (0.04, 0.01, 0.01), (0.04, 0.010005, 0.009995)])
def test_the_voxel_size_is_the_volumes(
    task: TaskSpec, volume: np.ndarray, tmp_path: Path, stated: tuple[float, float, float] | None
) -> None:
    save_volume(tmp_path / "image.zarr", volume, voxel_size_um=(0.04, 0.01, 0.01))
    sized = task.replaced(image=str(tmp_path / "image.zarr"), voxel_size_um=stated, downsample=2)
    z, y, x = stated or (0.04, 0.01, 0.01)
    assert load(sized, "test").voxel_size_um == pytest.approx((z, 2 * y, 2 * x))


def test_a_voxel_size_that_nobody_states_stays_unknown(task: TaskSpec, tmp_path: Path) -> None:
    arrays = load(task.replaced(downsample=2), "test")
    assert arrays.voxel_size_um is None
    arrays.save(tmp_path / "a.npz")
    assert TaskArrays.read(tmp_path / "a.npz").voxel_size_um is None
    assert open_volume_file(tmp_path / "a.npz").voxel_size_um is None


def test_regions_are_voted_where_there_are_labels_and_are_the_cubes_elsewhere(region_task: TaskSpec) -> None:
    arrays = load(region_task, "train")
    assert arrays.masks is None
    # The cube A-CTX: slices 0 and 1 and 9 have no labels, the others vote STR.
    assert arrays.region[:10].tolist() == [0, 0, 1, 1, 1, 1, 1, 1, 1, 0]


def test_a_subvolume_votes_only_where_all_its_slices_have_labels(region_task: TaskSpec) -> None:
    assert load(region_task.replaced(depth=3), "train").region[:3].tolist() == [0, 1, 1]


def test_a_subvolumes_region_is_the_majority_over_all_of_its_voxels(
    region_task: TaskSpec, tmp_path: Path
) -> None:
    rng = np.random.default_rng(4)
    shape = (40, 150, 200)
    roi = 2 * (rng.random(shape) < rng.random(shape[0])[:, None, None]).astype(np.uint8)
    np.save(tmp_path / "roi.npy", roi)
    deep = region_task.replaced(depth=3, annotated_z=None)
    arrays = load(deep, "train")
    expected: list[bool] = []
    by_slices: list[bool] = []
    for name, z in deep.samples("train"):
        striatum = (roi[z : z + 3, slice(*deep.cubes[name].y), slice(*deep.cubes[name].x)] == 2).mean((1, 2))
        expected.append(striatum.mean() > 0.5)
        by_slices.append((striatum > 0.5).sum() > 1)
    assert arrays.region.tolist() == expected
    assert expected != by_slices
    assert arrays.images.shape == (len(expected), 3, 32, 48)


def in_one_stack(cubes: list[np.ndarray], depth: int, step: int = 1) -> list[np.ndarray]:
    """Cut cubes that stand in one stack into subvolumes, each begun in one of them; the last may be short."""
    stack, first, found = np.concatenate(cubes), 0, []
    for cube in cubes:
        found += [stack[first + z : first + z + depth] for z in range(0, len(cube), depth * step)]
        first += len(cube)
    return found


@pytest.mark.parametrize(("depth", "step", "downsample"), [(4, 1, 1), (4, 2, 2), (5, 1, 4), (20, 1, 1)])
def test_subvolumes_across_cubes_are_those_of_one_stack(
    task: TaskSpec, volume: np.ndarray, labels: np.ndarray, depth: int, step: int, downsample: int
) -> None:
    across = task.replaced(depth=depth, across_cubes=True, z_step=step, downsample=downsample)
    arrays = load(across, ("test", "val"))
    assert arrays.masks is not None
    at = 0
    for split in ("test", "val"):
        boxes = [box.box.slices for _, box in across.boxes(split)]
        classes = np.where(labels == 3, 0, labels)
        images = in_one_stack([volume[box] for box in boxes], depth, step)
        masks = in_one_stack([classes[box] for box in boxes], depth, step)
        assert across.counts()[split] == len(images)
        for image, mask in zip(images, masks, strict=True):
            n = len(image)
            np.testing.assert_array_equal(arrays.images[at, :n], downsampled_images(image, downsample))
            np.testing.assert_array_equal(arrays.masks[at, :n], downsampled_labels(mask, downsample))
            assert not arrays.images[at, n:].any()
            assert (arrays.masks[at, n:] == UNLABELLED).all()
            at += 1
    assert at == len(arrays)
    named = [f"{cube}/z{z}" for split in ("test", "val") for cube, z in across.samples(split)]
    assert arrays.sample_id.tolist() == named
    # No share of what the last one lacks.
    assert all(sum(shares.values()) == pytest.approx(1) for shares in arrays.class_shares().values())


def test_a_subvolume_across_cubes_votes_with_the_labels_of_both(region_task: TaskSpec) -> None:
    """Slices 8 to 10 of the first cube's last subvolume have labels; those of the next cube outvote them."""
    across = region_task.replaced(depth=4, across_cubes=True, annotated_z=None, region_vote="label")
    arrays = load(across, "train")
    labels = np.load(str(region_task.annotation))
    stacks = in_one_stack([labels[box.box.slices] for _, box in across.boxes("train")], 4)
    expected = [{0: 0, 1: 0, 2: 1}[int(np.bincount(stack.ravel()).argmax())] for stack in stacks]
    assert arrays.region.tolist() == expected


def test_an_image_is_of_the_region_of_its_most_frequent_label_where_the_task_says_so(
    region_task: TaskSpec, tmp_path: Path
) -> None:
    roi = np.load(str(region_task.annotation))
    # Of 32 rows 12 are label 2 (STR), and 10 each are labels 0 and 1 (CTX).
    roi[:, 4:36, 8:56] = np.repeat([2, 0, 1], [12, 10, 10])[:, None]
    np.save(tmp_path / "mixed.npy", roi)
    mixed = region_task.replaced(annotation=str(tmp_path / "mixed.npy"))
    assert load(mixed, "train").region[2] == 0
    assert load(mixed.replaced(region_vote="label"), "train").region[2] == 1


def test_without_an_annotation_an_image_has_its_cubes_region(region_task: TaskSpec) -> None:
    assert set(load(region_task.replaced(annotation=None), "train").region[:10]) == {0}


def test_a_database_a_cache_and_files_give_the_same_arrays(boss: Any, task: TaskSpec, tmp_path: Path) -> None:
    remote = task.with_source(
        {"image": "bossdb://lab/scan/image", "pixel_labels": "bossdb://lab/scan/labels"}
    )
    cache = Cache(tmp_path / "cache")
    for arrays in (
        load(remote, "train"),
        load(remote, "train", cache=cache),
        load(remote, "train", cache=cache),
    ):
        np.testing.assert_array_equal(arrays.images, load(task, "train").images)
        np.testing.assert_array_equal(arrays.masks, load(task, "train").masks)


def test_without_a_cache_nothing_is_written(
    boss: Any, task: TaskSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MTNEURO_CACHE", str(tmp_path / "cache"))
    before = sorted(tmp_path.rglob("*"))
    load(
        task.with_source({"image": "bossdb://lab/scan/image", "pixel_labels": "bossdb://lab/scan/labels"}),
        "test",
    )
    assert sorted(tmp_path.rglob("*")) == before


def test_fetching_lets_loading_work_offline(boss: Any, task: TaskSpec, tmp_path: Path) -> None:
    remote = task.with_source(
        {"image": "bossdb://lab/scan/image", "pixel_labels": "bossdb://lab/scan/labels"}
    )
    seen: list[tuple[int, int]] = []
    n = fetch(
        remote, ("train", "test"), cache=Cache(tmp_path / "cache"), progress=lambda *at: seen.append(at)
    )
    assert n == 2 * 2 * 19 * 32 * 48
    assert seen[-1] == (n, n)
    asked = len(boss.requests)
    load(remote, "test", cache=Cache(tmp_path / "cache", offline=True))
    assert len(boss.requests) == asked


def test_progress_counts_images(task: TaskSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_BATCH_BYTES", 1)
    seen: list[tuple[int, int]] = []
    load(task, "test", progress=lambda *at: seen.append(at))
    assert seen == [(9, 18), (18, 18)]


def test_unknown_labels_and_splits_are_named(task: TaskSpec) -> None:
    with pytest.raises(
        ValueError, match="labels of A-CTX from slice 0 on must be among 0, 1, 2, got the unknown labels 3"
    ):
        load(task.replaced(label_map={0: 0, 1: 1, 2: 2}), "train")
    with pytest.raises(ValueError, match="got 'tset'; did you mean 'test'"):
        load(task, "tset")
    with pytest.raises(ValueError, match="named once each"):
        load(task, ("train", "train"))


def test_a_phantoms_image_and_labels_are_computed_together(
    task: TaskSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    phantom = task.with_source("phantom?shape=40,150,200&texture=0.5").replaced(z_step=5)
    apart = {
        channel: open_volume(f"phantom://{channel}?shape=40,150,200&texture=0.5")
        for channel in ("image", "pixel_labels")
    }
    alone: list[str] = []
    monkeypatch.setattr(PhantomSource, "read", lambda self, *_: alone.append(self.address.channel))
    arrays = load(phantom, "test")
    monkeypatch.undo()
    assert alone == []
    for at, name in enumerate(arrays.sample_id):
        cube, z = str(name).split("/z")
        (y0, y1), (x0, x1) = task.cubes[cube].y, task.cubes[cube].x
        box = np.s_[int(z) : int(z) + 1, y0:y1, x0:x1]
        np.testing.assert_array_equal(arrays.images[at], apart["image"][box][0])
        assert arrays.masks is not None
        raw = apart["pixel_labels"][box][0]
        np.testing.assert_array_equal(arrays.masks[at], np.where(raw == 3, 0, raw))


def test_distant_slices_are_requested_in_parallel(
    boss: Any, task: TaskSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = task.with_source(
        {"image": "bossdb://lab/scan/image", "pixel_labels": "bossdb://lab/scan/labels"}
    ).replaced(z_step=8, splits={"train": (SplitPart(cubes=("A-CTX", "A-STR"), z=(0, 40)),)})
    boss.service.latency_s = 0.05
    cutout = boss.service.catalogue.cutout
    # Nobody is answered before five are there to ask; one after another, they would all wait in vain.
    together = threading.Barrier(5)

    def answered_together(*box: Any) -> np.ndarray:
        together.wait(timeout=10)
        return cutout(*box)

    monkeypatch.setattr(boss.service.catalogue, "cutout", answered_together)
    arrays = load(remote, "train")
    assert len(boss.cutouts) == 20
    np.testing.assert_array_equal(arrays.images[1], boss.volumes["image"][8, 4:36, 8:56])


def test_a_task_of_more_images_than_memory_is_refused_before_anything_is_read(
    task: TaskSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "_ALWAYS", 0)
    monkeypatch.setattr(bounds, "memory_at_hand", lambda: 1000)
    with pytest.raises(ValueError, match=r"the images of small must fit into memory, got .* raise z_step"):
        load(task, "train")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint64])
def test_instances_are_loaded_as_foreground_and_boundaries(
    task: TaskSpec, labels: np.ndarray, tmp_path: Path, dtype: type
) -> None:
    ids = (labels.repeat(2, 2)[:, :, : labels.shape[2]] * (60 if dtype is np.uint8 else 1 << 60)).astype(
        dtype
    )
    np.save(tmp_path / "ids.npy", ids)
    own = task.replaced(
        annotation=str(tmp_path / "ids.npy"), class_names=(), label_map={"*": "cell", "boundary": "edge"}
    )
    box = ids[24, 4:36, 8:56]
    for spec in (own, own.replaced(depth=3), own.replaced(z_step=4)):
        arrays = load(spec, "test")
        assert arrays.masks is not None
        assert arrays.class_names == ("background", "cell", "edge")
        first = arrays.masks[0] if spec.depth == 1 else arrays.masks[0, 0]
        np.testing.assert_array_equal(first, mapped_labels(box, own.label_map))


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.uint64])
@pytest.mark.parametrize("fields", [{}, {"downsample": 2}, {"depth": 3}])
def test_ids_of_instances_are_kept_where_their_class_is(
    task: TaskSpec, tmp_path: Path, rng: np.random.Generator, dtype: type, fields: dict[str, Any]
) -> None:
    blocks = rng.integers(0, 200, (40, 15, 20)).astype(dtype)
    np.save(tmp_path / "ids.npy", ids := blocks.repeat(10, 1).repeat(10, 2))
    own = task.replaced(
        annotation=str(tmp_path / "ids.npy"),
        kind="semantics",
        class_names=(),
        label_map={"*": "cell", 7: "glia"},
        instances="cell",
        **fields,
    )
    arrays = load(own, "test")
    assert arrays.masks is not None
    assert arrays.instances is not None
    assert arrays.instances.dtype == np.uint64
    np.testing.assert_array_equal(arrays.instances > 0, arrays.masks == 1)
    shown = arrays.instances.reshape(-1, *arrays.instances.shape[-2:])[0]
    box = ids[24, 4 : 36 : own.downsample, 8 : 56 : own.downsample]
    np.testing.assert_array_equal(shown, np.where(box == 7, 0, box))
    assert load(own.replaced(instances=None), "test").instances is None


@pytest.mark.parametrize("dtype", [np.uint8, np.uint32])
def test_boundaries_in_the_volume_stay_within_a_subvolume(
    task: TaskSpec, tmp_path: Path, dtype: type
) -> None:
    ids = np.ones((40, 150, 200), dtype)
    ids[28:] = 2  # between the first subvolume and the second
    ids[30:] = 3  # within the second
    np.save(tmp_path / "ids.npy", ids)
    own = task.replaced(
        annotation=str(tmp_path / "ids.npy"),
        class_names=("background", "edge"),
        label_map={"boundary_3d": 1},
        depth=4,
    )
    masks = load(own, "test").masks
    assert masks is not None
    assert masks[:2].all(axis=(2, 3)).tolist() == [[False] * 4, [False, True, True, False]]


def test_unlabelled_images_of_one_region_are_loaded(tmp_path: Path, volume: np.ndarray) -> None:
    np.save(tmp_path / "image.npy", volume)
    arrays = load(
        TaskSpec(
            name="unlabelled",
            kind="region",
            image=str(tmp_path / "image.npy"),
            cubes={"A": Cube(y=(0, 32), x=(0, 48))},
            splits={"train": (SplitPart(z=(0, 6)),)},
        ),
        "train",
    )
    assert (arrays.masks, arrays.region.tolist(), arrays.region_names) == (None, [0] * 6, ("volume",))
