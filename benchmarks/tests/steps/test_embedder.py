import json

import numpy as np
import pytest
from mtneuro_data import TaskSpec
from mtneuro_ssl import TrainSettings, embed, load_model

from mtneuro_suite.steps import Encoder, Regions
from mtneuro_suite.steps.embedder import Samples, embedder
from mtneuro_suite.steps.regions import TEST
from mtneuro_suite.steps.sample_names import sample_names


def ignored(done, total):
    pass


def test_samples_have_their_names_in_the_order_of_their_images(arrays_run):
    images = np.arange(2 * 8 * 8).reshape(2, 8, 8)
    folders = [arrays_run("first", images), arrays_run("second", images + 1, z=5)]
    samples = Samples(folders=folders, view="corners", downsample=2)
    assert samples.arrays.images.shape == (16, 2, 2)
    ids = samples.arrays.sample_id
    assert [name.partition("@")[0] for name in samples.names.tolist()] == ids.tolist()
    assert ids[8] == "A-CTX/z5/tl"
    task = json.loads((folders[0] / "result.json").read_text())["settings"]["task"]
    expected = sample_names(TaskSpec.model_validate(task), {}, ids, downsample=2)
    assert samples.names.tolist() == expected.tolist()
    # The corners themselves, reduced: the first four pixels of the last corner of the last image.
    block = (images[1, 4:6, 4:6] + 1).mean()
    assert samples.arrays.images[-1, 0, 0] == np.rint(block)


def test_given_embeddings_are_found_by_name_in_any_order(arrays_run, given):
    images = np.zeros((3, 8, 8))
    samples = Samples(folders=[arrays_run("some", images)], view="whole")
    values = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    order = [2, 0, 1]
    folder = given(values[order], samples.names[order])
    np.testing.assert_array_equal(embedder(folder).embed(samples), values)
    corners = Samples(folders=samples.folders, view="corners")
    with pytest.raises(ValueError, match=r"lack 12 of 12 samples, the first 'A-CTX/z0/tl@x1-"):
        embedder(folder).embed(corners)


def test_a_model_embeds_the_images_themselves(arrays_run, dark_and_bright, tmp_path):
    images, region = dark_and_bright
    folder = arrays_run("train", images, region=region)
    step = Encoder(train=TrainSettings(method="pca", components=2, device="cpu"))
    step.run({"train": [folder]}, tmp_path / "run", ignored)
    (tmp_path / "run" / "result.json").write_text(json.dumps({"settings": step.model_dump(mode="json")}))
    found = embedder(tmp_path / "run").embed(Samples(folders=[folder], view="whole"))
    np.testing.assert_array_equal(found, embed(load_model(tmp_path / "run" / "model"), images))


def test_regions_are_read_off_given_embeddings(arrays_run, given, dark_and_bright, tmp_path):
    images, region = dark_and_bright
    train = arrays_run("train", images, region=region)
    test = arrays_run("test", images, region=region, z=100)
    samples = [Samples(folders=[folder], view="corners") for folder in (train, test)]
    # What tells the regions apart is in the embeddings alone: of the tests they say the opposite.
    told = np.concatenate([samples[0].arrays.region, 1 - samples[1].arrays.region])
    names = np.concatenate([one.names for one in samples])
    folder = given(told[:, None] + np.array([[0.0, 3.0]]), names)
    step = Regions(model="mine", supervised=False, seed=1, training_set="roi-c1:train")
    roles = {"encoder": [folder], "train": [train], f"{TEST}same": [train], f"{TEST}other": [test]}
    outcome = step.run(roles, tmp_path, ignored)
    values = {
        row.task: row.value for row in outcome.rows if not row.cube and row.metric == "accuracy_corners"
    }
    assert values == {"same": 1, "other": 0}
