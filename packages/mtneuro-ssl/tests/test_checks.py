import numpy as np
import pytest
import torch
from mtneuro_ssl import TrainSettings, embed, train, untrained
from mtneuro_ssl.checks import check_run, with_depth


def small(method: str, **changes: object) -> TrainSettings:
    values = {"method": method, "encoder": "tiny_lab:encoder", "batch_size": 4, "steps": 4, "device": "cpu"}
    return TrainSettings.model_validate(values | changes)


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (12, 16, 20), dtype=np.uint8)


@pytest.mark.parametrize(
    ("method", "changes", "message"),
    [
        ("byol", {"batch_size": 64}, "batch_size must be at most the number of images, 12, got 64"),
        ("byol", {"batch_size": 1}, "batch_size must be at least 2"),
        ("myow", {"pool_size": 13}, "pool_size must be at most the number of images, 12, got 13"),
        ("supervised", {}, "needs labels"),
        ("myow", {"mined_neighbours": 4}, "mined_neighbours must be less than the pool of 4, got 4"),
        ("byol", {"views": {"rotate": True}}, "views.rotate needs square views, got 8 x 10"),
        ("byol", {"views": {"slices": 1}}, "views.slices needs a sample_id for each of the 12 images"),
        ("byol", {"views": {"crop": 0.3}}, "images must be at least 27 x 27, got 16 x 20"),
        (
            "myow",
            {"start_from": "nowhere"},
            "start_from must be the folder of a run of BYOL, MYOW or MAE, .*nowhere",
        ),
        (
            "mae",
            {"encoder": "vit"},
            r"multiples of vit.patch, 8 x 8, got 8 x 10 of 16 x 20: set vit.patch to divisors",
        ),
        (
            "mae",
            {"encoder": "vit", "vit": {"patch": 2}, "mae": {"mask_ratio": 0.01}},
            "mae.mask_ratio must hide a patch of a crop and leave one, got 0.01 of 20 patches",
        ),
    ],
)
def test_settings_that_do_not_fit_the_images_are_refused(method, changes, message, images):
    with pytest.raises(ValueError, match=message):
        check_run(images, small(method, **changes))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(12, np.int64), "at least 2 classes"),
        (np.arange(12) - 1, "count from 0, got -1"),
        (np.arange(11), r"shape \(12,\), one per image, got int64 of shape \(11,\)"),
        (np.arange(12) / 2, "must be integers"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_wrong_labels_are_refused(labels, message, images):
    with pytest.raises(ValueError, match=message):
        check_run(images, small("supervised"), labels=labels)


@pytest.mark.parametrize("method", ["byol", "myow", "myow-m", "untrained", "pca"])
def test_who_needs_no_labels_takes_those_of_one_region(method, images):
    check_run(images, small(method), labels=np.zeros(12, np.int64), class_names=["neuropil"])


@pytest.mark.parametrize("method", ["supervised", "supervised+mixup"])
@pytest.mark.parametrize("labels", [None, np.zeros(12, np.int64)])
def test_a_supervised_method_without_classes_to_tell_apart_is_told_of_one_that_needs_none(
    method, labels, images
):
    with pytest.raises(
        ValueError, match=r"needs labels.*a self-supervised method needs none \(--method byol\)"
    ):
        check_run(images, small(method), labels=labels)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.full((12, 16, 16), 7, np.uint8), "must vary in intensity, got 7"),
        (
            np.arange(12 * 15 * 16, dtype=np.int64).reshape(12, 15, 16).astype(np.uint8),
            "at least 16 x 16, got 15 x 16",
        ),
        (np.zeros((16, 16), np.uint8), r"shape \(n, y, x\)"),
        (np.zeros((12, 16, 16), complex), "must be numbers"),
        (np.zeros((0, 16, 16), np.uint8), "with no axis of length 0"),
        (np.zeros((2, 3, 16, 16), np.uint8), r"the shape \(2, 3, 16, 16\) looks like \(n, channel, y, x\)"),
        (np.zeros((32, 32, 3), np.uint8), r"looks like \(y, x, channel\); take one channel"),
        (np.zeros((2, 1, 5, 9, 9), np.uint8), r"shape \(n, y, x\) .* got uint8 of shape \(2, 1, 5, 9, 9\)"),
        (np.arange(12 * 5 * 15 * 16).reshape(12, 5, 15, 16), "must be at least 16 x 16, got 15 x 16"),
        (np.full((12, 16, 16), np.nan), "must be finite, got nan or inf"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_wrong_images_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        check_run(wrong, small("byol"))


def test_the_shape_of_an_array_says_its_depth():
    assert with_depth(small("byol"), np.zeros((2, 5, 16, 16), np.uint8)).depth == 5
    assert with_depth(small("byol", depth=5), np.zeros((2, 5, 16, 16), np.uint8)).depth == 5
    assert with_depth(small("byol"), np.zeros((2, 16, 16), np.uint8)).depth is None


@pytest.mark.parametrize(
    ("shape", "depth", "message"),
    [
        ((2, 5, 16, 16), 8, r"shape \(n, 8, y, x\), as depth=8 says, got \(2, 5, 16, 16\); set depth"),
        ((8, 16, 16), 8, r"shape \(n, 8, y, x\), as depth=8 says, got \(8, 16, 16\); set depth"),
        ((2, 3, 16, 16), None, r"\(n, channel, y, x\); take one channel, array\[:, 0\]; if .*set depth=3$"),
        ((2, 8, 16, 3), None, r"looks like \(n, y, x, channel\)"),
    ],
)
def test_a_shape_that_is_not_of_the_depth_is_refused(shape, depth, message):
    with pytest.raises(ValueError, match=message):
        with_depth(small("byol", depth=depth), np.zeros(shape, np.uint8))
    assert with_depth(small("byol", depth=3), np.zeros((2, 3, 16, 16), np.uint8)).depth == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 6}, "must be divisible by the number of processes, 4, got 6 and 6"),
        ({"batch_size": 8, "pool_size": 10}, "got 8 and 10"),
        (
            {"batch_size": 8, "partial_batches": True},
            "partial_batches must be false where several processes share a batch, got 4",
        ),
        ({"method": "pca"}, "'pca' must be run by 1 process, got 4"),
    ],
)
def test_what_cannot_be_shared_is_refused(changes, message, monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (16, 16, 16), dtype=np.uint8)
    for name, value in (
        ("RANK", "0"),
        ("WORLD_SIZE", "4"),
        ("LOCAL_WORLD_SIZE", "4"),
        ("TORCHELASTIC_RUN_ID", "x"),
    ):
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=message):
        check_run(images, TrainSettings.model_validate({"method": "myow"} | changes))


IMAGES = np.random.default_rng(0).integers(0, 256, (12, 16, 16), dtype=np.uint8)
LABELS = np.arange(12) % 2
WRONG: dict[str, tuple[object, dict[str, object], str]] = {
    "a list of images": (IMAGES.tolist(), {}, "images must be numbers of shape .*, got list"),
    "no images": (None, {}, "images must be numbers of shape .*, got NoneType"),
    "one image": (IMAGES[0], {}, r"got uint8 of shape \(16, 16\)"),
    "a tensor": (torch.zeros(4, 16, 16), {}, "images must be numbers"),
    "complex images": (IMAGES.astype(complex), {}, "images must be numbers .*, got complex128"),
    "texts": (np.full((4, 16, 16), "a"), {}, "images must be numbers"),
    "objects": (IMAGES.astype(object), {}, "images must be numbers .*, got object"),
    "other settings": (IMAGES, {"settings": {"method": "byol"}}, "settings must be TrainSettings, got dict"),
    "a list of labels": (
        IMAGES,
        {"labels": LABELS.tolist()},
        "labels must be ndarray .*, got list",
    ),
    "labels as texts": (IMAGES, {"labels": np.full(12, "CTX")}, r"labels must be integers .*, got <U3"),
    "two columns": (IMAGES, {"labels": np.stack([LABELS, LABELS], axis=1)}, r"got int64 of shape \(12, 2\)"),
    "ids for labels": (IMAGES, {"labels": LABELS * 2**40}, r"got 1099511627776 among 12 .*numpy.unique"),
    "large ids": (IMAGES, {"labels": LABELS.astype(np.uint64) * np.uint64(2**63)}, "must number the classes"),
    "no labels": (IMAGES, {"settings": small("supervised")}, "needs labels, .*, got none: give labels="),
    "few names": (IMAGES, {"labels": LABELS, "class_names": ["CTX"]}, "class_names must name class 1, got 1"),
    "no ids": (IMAGES, {"settings": small("byol", views={"slices": 1})}, "views.slices needs a sample_id"),
    "few ids": (
        IMAGES,
        {"settings": small("byol", views={"slices": 1}), "sample_id": np.array(["a/z1"])},
        "views.slices needs a sample_id for each of the 12 images",
    ),
    "another device": (
        IMAGES,
        {"settings": small("byol").model_copy(update={"device": "tpu"})},
        "device must be 'auto', 'cpu', 'cuda' or 'mps', got 'tpu'",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.usefixtures("unchecked")
def test_whatever_is_wrong_is_told_in_one_line_before_any_work(wrong, tmp_path):
    images, changes, message = WRONG[wrong]
    given: dict[str, object] = {"settings": small("byol"), "out": tmp_path / "model"} | changes
    settings = given.pop("settings")
    with pytest.raises((ValueError, TypeError), match=message) as refusal:
        train(images, settings, **given)
    assert "\n" not in str(refusal.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model: embed("a folder", IMAGES), r"model must be Model, as load_model.*, got str"),
        (lambda model: embed(model, IMAGES.tolist()), "images must be numbers .*, got list"),
        (lambda model: embed(model, IMAGES[:0]), "with no axis of length 0"),
        (lambda model: embed(model, IMAGES, batch_size=0), "batch_size must be at least 1, got 0"),
        (lambda model: model.embed(IMAGES.astype(np.float32)), "must be uint8, got float32"),
        (lambda model: model.predict(IMAGES), "predict needs a supervised model"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_whatever_cannot_be_embedded_is_told_in_one_line(call, message):
    with pytest.raises((ValueError, TypeError), match=message) as refusal:
        call(untrained(TrainSettings(encoder="tiny_lab:encoder", latent_dim=None, device="cpu")))
    assert "\n" not in str(refusal.value)


@pytest.mark.usefixtures("unchecked")
def test_a_model_takes_samples_of_the_form_that_it_was_trained_on():
    of_images = untrained(small("untrained", latent_dim=None))
    of_subvolumes = untrained(small("untrained", latent_dim=None, encoder="tiny_lab:encoder_3d", depth=3))
    deep = IMAGES.reshape(2, 6, 16, 16)
    assert len(of_subvolumes.embed(deep)) == 2  # of any depth
    with pytest.raises(ValueError, match=r"images must be numbers of shape \(n, y, x\) .*\(2, 6, 16, 16\)"):
        of_images.embed(deep)
    with pytest.raises(ValueError, match=r"subvolumes must be .* shape \(n, z, y, x\) .*\(12, 16, 16\)"):
        of_subvolumes.embed(IMAGES)


@pytest.mark.parametrize(
    "form",
    [
        lambda a: a[:, ::-1, ::-1],
        lambda a: np.repeat(a, 2, axis=2)[..., ::2],
        lambda a: np.asfortranarray(a),
        lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
    ],
    ids=["mirrored", "strided", "columns first", "read only"],
)
def test_the_form_of_an_array_does_not_matter(form, tmp_path):
    settings = small("byol", hidden=8, projection=4, steps=1)
    given = form(IMAGES)
    found = train(given, settings, out=tmp_path / "one").embed(given)
    plain = np.array(given, order="C")
    np.testing.assert_array_equal(train(plain, settings, out=tmp_path / "two").embed(plain), found)


def test_a_macs_gpu_trains_alone_in_full_precision_uncompiled(monkeypatch, images):
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: True)
    for changes, told in (
        ({"precision": "bf16-mixed"}, "precision must be '32-true' on device 'mps', got 'bf16-mixed'"),
        ({"compile": True}, "compile must be false on device 'mps'"),
    ):
        with pytest.raises(ValueError, match=told):
            check_run(images, small("byol", device="mps", **changes))
    for name, value in (
        ("RANK", "0"),
        ("WORLD_SIZE", "2"),
        ("LOCAL_WORLD_SIZE", "2"),
        ("TORCHELASTIC_RUN_ID", "x"),
    ):
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match="device must be 'cuda' or 'cpu' for 2 processes, got 'mps'"):
        check_run(images, small("byol", device="mps"))
