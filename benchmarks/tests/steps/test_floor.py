import json
from dataclasses import replace

import numpy as np
import pytest
from mtneuro_data import TaskArrays
from mtneuro_probe import intensity_histogram

from mtneuro_suite.steps import Floor
from mtneuro_suite.steps.embedder import Samples, embedder


def ignored(done, total):
    pass


@pytest.fixture
def embedded(arrays_folder, tmp_path):
    """Embed the corners of images by a floor that was set up on others."""

    def written(name, images, region):
        folder = arrays_folder(name, images, region=region)
        # The fixture writes uint8.
        replace(TaskArrays.read(folder / "arrays.npz"), images=images).save(folder / "arrays.npz")
        return folder

    def embed(statistic, train, images, region):
        folder = written(f"train {statistic}", train, region)
        out = tmp_path / "floor"
        out.mkdir(exist_ok=True)
        step = Floor(statistic=statistic)
        outcome = step.run({"train": [folder]}, out, ignored)
        result = {"settings": step.model_dump(mode="json"), "extra": outcome.extra}
        (out / "result.json").write_text(json.dumps(result))
        samples = Samples(folders=[written(f"test {statistic}", images, region)], view="corners")
        return embedder(out).embed(samples), samples.arrays

    return embed


IMAGES = np.random.default_rng(0).integers(0, 256, (4, 16, 16)).astype(np.uint8)
REGION = np.array([0, 1, 1, 0])


def test_each_statistic_has_its_own_numbers_of_each_corner(embedded):
    corners = np.stack([image[y : y + 8, x : x + 8] for image in IMAGES for y in (0, 8) for x in (0, 8)])
    found = {name: embedded(name, IMAGES, IMAGES, REGION)[0] for name in ("mean-sd", "histogram", "spectrum")}
    np.testing.assert_allclose(
        found["mean-sd"], np.stack([corners.mean(axis=(1, 2)), corners.std(axis=(1, 2))], 1), rtol=1e-5
    )
    np.testing.assert_allclose(found["histogram"], intensity_histogram(corners))
    assert found["spectrum"].shape == (16, 3)


def test_a_region_is_one_hot(embedded):
    vectors, arrays = embedded("region", IMAGES, IMAGES, REGION)
    assert vectors.argmax(axis=1).tolist() == arrays.region.tolist() == np.repeat(REGION, 4).tolist()
    assert (vectors.sum(axis=1) == 1).all()


def test_a_histogram_of_other_types_has_the_limits_of_what_was_learnt_from(embedded):
    train = IMAGES.astype(np.uint16) * 200
    vectors, arrays = embedded("histogram", train, train // 2, REGION)
    limits = (float(train.min()), float(train.max()))
    np.testing.assert_allclose(vectors, intensity_histogram(arrays.images, limits=limits))
    # Half as bright: the upper half of the bins is empty.
    assert vectors[:, 17:].sum() == 0
