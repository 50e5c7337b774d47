import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from mtneuro_data import SliceDataset, SubvolumeDataset, TaskSpec, load


def test_items_are_rows_of_the_arrays(task: TaskSpec) -> None:
    arrays = load(task, "test")
    assert arrays.masks is not None
    np.testing.assert_array_equal(SliceDataset(arrays)[np.int64(3)], arrays.images[3])
    image, mask = SliceDataset(arrays, target="mask")[3]
    np.testing.assert_array_equal(mask, arrays.masks[3])
    image, region = SliceDataset(arrays, target="region")[12]
    np.testing.assert_array_equal(image, arrays.images[12])
    assert (region, len(SliceDataset(arrays))) == (1, 18)


@pytest.mark.parametrize("target", [None, "region", "mask"])
def test_several_at_once_are_those_one_by_one(task: TaskSpec, target: Any) -> None:
    dataset = SliceDataset(load(task, "test"), target=target)
    at = [5, 0, 17, 5]
    several = dataset[at] if target else (dataset[at],)
    each = [dataset[one] if target else (dataset[one],) for one in at]
    for found, rows in zip(several, zip(*each, strict=True), strict=True):
        assert found.dtype == rows[0].dtype
        np.testing.assert_array_equal(found, np.stack(rows))
    np.testing.assert_array_equal(SliceDataset(dataset.arrays)[np.array(at)], dataset.arrays.images[at])


def test_a_dataset_can_be_iterated_and_pickled(task: TaskSpec) -> None:
    dataset: SubvolumeDataset = pickle.loads(
        pickle.dumps(SubvolumeDataset(load(task.replaced(depth=4), "test")))
    )
    assert [item.shape for item in dataset] == [(4, 32, 48)] * 4


def test_wrong_arrays_targets_and_indices_are_refused(unchecked: None, task: TaskSpec) -> None:
    arrays = load(task, "test")
    wrong: Any = "label"
    with pytest.raises(ValueError, match=r"SubvolumeDataset takes images \(n, z, y, x\), got"):
        SubvolumeDataset(arrays)
    with pytest.raises(ValueError, match="target must be"):
        SliceDataset(arrays, target=wrong)
    with pytest.raises(ValueError, match="needs a task with masks"):
        SliceDataset(replace(arrays, masks=None), target="mask")
    for index in (18, -1, [3, 18], [-1, 3]):
        with pytest.raises(IndexError, match=r"within \[0, 18\), got (18|-1)"):
            SliceDataset(arrays)[index]
    no_index: Any
    for no_index in (1.0, [1.5], [[1]], [True], "1", []):
        with pytest.raises(TypeError, match="must be a whole number, or a list of them, got"):
            SliceDataset(arrays)[no_index]


@pytest.mark.timeout(120)
def test_pytorchs_loader_takes_it_with_workers(task: TaskSpec) -> None:
    data = pytest.importorskip("torch.utils.data", reason="PyTorch is not a dependency")
    arrays = load(task, "test")
    loader = data.DataLoader(SliceDataset(arrays, target="region"), batch_size=5, num_workers=2)
    images, regions = zip(*loader, strict=True)
    np.testing.assert_array_equal(np.concatenate([batch.numpy() for batch in images]), arrays.images)
    np.testing.assert_array_equal(np.concatenate([batch.numpy() for batch in regions]), arrays.region)
    in_turn = data.BatchSampler(data.SequentialSampler(arrays), 5, drop_last=False)
    at_once = data.DataLoader(SliceDataset(arrays), batch_size=None, sampler=in_turn, num_workers=2)
    for one, other in zip(images, at_once, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
