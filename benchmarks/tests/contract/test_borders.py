"""Each producer's output is each consumer's input: under the type checker, and once at run time."""

from pathlib import Path

import numpy as np
import pytest
from mtneuro_data import (
    Cube,
    SplitPart,
    TaskArrays,
    TaskSpec,
    downsampled_images,
    four_corners,
    load,
    open_volume,
    save_volume,
)
from mtneuro_probe import (
    feature_readout,
    floor_embeddings,
    load_embeddings,
    load_point_clouds,
    point_clouds,
    region_readout,
    save_embeddings,
    save_point_clouds,
    semantic_features,
)
from mtneuro_seg import (
    Model,
    SuggestSettings,
    build_network,
    confusion_matrix,
    finetune,
    open_volume_file,
    predict,
    scores,
    suggest,
)
from mtneuro_seg import TrainSettings as SegmentationSettings
from mtneuro_seg import train as train_segmenter
from mtneuro_ssl import TrainSettings as EncoderSettings
from mtneuro_ssl import corner_crops, embed, open_images
from mtneuro_ssl import train as train_encoder


@pytest.fixture(scope="module")
def labelled() -> TaskArrays:
    task = TaskSpec(
        name="contract",
        kind="semantics",
        image="phantom://image",
        annotation="phantom://pixel_labels",
        regions=("CTX", "VP"),
        cubes={
            "A-CTX": Cube(region="CTX", y=(900, 1028), x=(4600, 4728)),
            "A-VP": Cube(region="VP", y=(850, 978), x=(3063, 3191)),
        },
        splits={"all": (SplitPart(cubes=("A-CTX", "A-VP"), z=(110, 270)),)},
        class_names=("background", "vessels", "cells", "axons"),
        label_map={0: 0, 1: 1, 2: 2, 3: 3},
        z_step=10,
    )
    return load(task, "all")


@pytest.fixture(scope="module")
def encoder(labelled: TaskArrays, tmp_path_factory: pytest.TempPathFactory):
    settings = EncoderSettings(method="pca", components=4)
    images = downsampled_images(labelled.images, 4)
    return train_encoder(images, settings, labels=labelled.region, out=tmp_path_factory.mktemp("ssl") / "pca")


def test_images_of_data_are_what_ssl_learns_from_and_its_embeddings_what_probe_reads(
    labelled: TaskArrays, encoder, tmp_path: Path
) -> None:
    embeddings = embed(encoder, downsampled_images(labelled.images, 4))
    path = tmp_path / "embeddings.npz"
    save_embeddings(path, embeddings, sample_id=labelled.sample_id)
    loaded = load_embeddings(path)
    assert np.array_equal(loaded.embeddings, embeddings)
    assert np.array_equal(loaded.sample_id, labelled.sample_id)


def test_labels_of_data_and_embeddings_of_ssl_are_what_the_feature_readout_takes(
    labelled: TaskArrays, encoder
) -> None:
    assert labelled.masks is not None
    features = semantic_features(
        labelled.masks, sample_id=labelled.sample_id, voxel_size_um=labelled.voxel_size_um
    )
    embeddings = embed(encoder, downsampled_images(labelled.images, 4))
    table = feature_readout(embeddings, features)
    assert {"r2_same_sample", "r2_cross_validated", "n_samples", "reason"} <= set(table.columns)


def test_corners_of_data_are_what_ssl_embeds_and_the_region_readout_scores(
    labelled: TaskArrays, encoder
) -> None:
    crops = four_corners(downsampled_images(labelled.images, 4))
    embeddings = embed(encoder, crops.reshape(-1, *crops.shape[2:]))
    region = np.repeat(labelled.region, 4)
    score = region_readout(embeddings, region, embeddings, region, class_names=labelled.region_names, seed=0)
    assert score.confusion.sum() == len(region)


def test_subvolumes_are_learnt_from_and_their_embeddings_read_out(
    labelled: TaskArrays, tmp_path: Path
) -> None:
    deep = downsampled_images(labelled.images, 4).reshape(-1, 8, 32, 32)
    region, ids = labelled.region[::8], labelled.sample_id[::8]
    model = train_encoder(deep, EncoderSettings(method="pca", components=4), out=tmp_path / "pca")
    crops = corner_crops(deep)
    embeddings = embed(model, crops.reshape(-1, *crops.shape[2:]))
    corners = np.repeat(region, 4)
    score = region_readout(
        embeddings, corners, embeddings, corners, class_names=labelled.region_names, seed=0
    )
    assert score.confusion.sum() == len(corners)
    save_embeddings(tmp_path / "embeddings.npz", embed(model, deep), sample_id=ids)
    loaded = load_embeddings(tmp_path / "embeddings.npz")
    assert loaded.sample_id.tolist() == ids.tolist()
    assert len(floor_embeddings(deep)["pixels"]) == len(loaded.embeddings) == 4


def test_images_and_masks_of_data_are_what_seg_learns_from(labelled: TaskArrays, tmp_path: Path) -> None:
    assert labelled.masks is not None
    images, masks = labelled.images[:4, :64, :64], labelled.masks[:4, :64, :64]
    settings = SegmentationSettings(model="unet", classes=4, filters=4, levels=2, steps=1, batch_size=2)
    model = train_segmenter(
        images, settings, masks=masks, class_names=labelled.class_names, out=tmp_path / "unet"
    )
    prediction = predict(model, images)
    assert scores(confusion_matrix(masks, prediction, classes=4)).f1.shape == (4,)


def test_clouds_of_probe_are_what_ssl_learns_from_as_arrays_and_files(
    labelled: TaskArrays, tmp_path: Path
) -> None:
    assert labelled.masks is not None
    clouds = point_clouds(
        labelled.masks,
        sample_id=labelled.sample_id,
        voxel_size_um=labelled.voxel_size_um,
        region=labelled.region,
        region_names=labelled.region_names,
    )
    settings = EncoderSettings(method="supervised", encoder="deepsets", steps=2, batch_size=8, latent_dim=8)
    model = train_encoder(clouds.points, settings, labels=labelled.region, out=tmp_path / "model")
    save_point_clouds(tmp_path / "points.npz", clouds)
    loaded, opened = load_point_clouds(tmp_path / "points.npz"), open_images(tmp_path / "points.npz")
    np.testing.assert_array_equal(embed(model, loaded.points), embed(model, opened.images))
    assert opened.sample_id.tolist() == labelled.sample_id.tolist()
    assert opened.labels is not None
    assert opened.labels.tolist() == labelled.region.tolist()
    assert opened.class_names == labelled.region_names
    assert opened.voxel_size_um == labelled.voxel_size_um


@pytest.mark.parametrize("name", ["labels.tif", "labels-mine.zarr", "labels.nii.gz"])
def test_boxes_that_seg_suggests_are_read_by_data_and_corrections_in_datas_formats_by_seg(
    labelled: TaskArrays, tmp_path: Path, name: str
) -> None:
    settings = SegmentationSettings(
        model="unet", classes=4, filters=2, levels=2, steps=1, batch_size=2, image_type="uint8"
    )
    model = Model(network=build_network(settings).eval(), settings=settings, class_names=labelled.class_names)
    asked = SuggestSettings(boxes=1, size=(2, 16, 16), strategy="random")
    volume = labelled.images[:4]
    found = suggest(model, volume, out=tmp_path / "round1", settings=asked, voxel_size_um=(3.0, 2.0, 1.0))
    box = found[0].box
    inside = tuple(slice(*ends) for ends in zip(box.lower, box.upper, strict=True))
    place = tmp_path / "round1" / "boxes" / box.name
    for form in ("image.nii.gz", "image.ome.zarr"):
        image = open_volume(str(place / form))
        np.testing.assert_array_equal(np.asarray(image[...]), volume[inside])
        assert image.voxel_size_um == pytest.approx((3, 2, 1))
    drawn = (volume[inside] // 64).astype(np.uint8)
    (place / name).unlink(missing_ok=True)
    save_volume(place / name, drawn, voxel_size_um=(3.0, 2.0, 1.0), labels=True)
    tuned = finetune(model, [tmp_path / "round1"], out=tmp_path / "new")
    assert tuned.provenance["data"]["masks"]["shape"] == [2, 16, 16]
    np.testing.assert_array_equal(open_volume_file(place / name).loaded(), drawn)
