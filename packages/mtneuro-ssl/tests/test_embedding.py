import numpy as np
from mtneuro_ssl import TrainSettings, corner_crops, embed, untrained
from mtneuro_ssl.embedding import corner_ids


def test_embedding_is_the_models_own():
    images = np.random.default_rng(0).integers(0, 256, (3, 16, 16), dtype=np.uint8)
    model = untrained(TrainSettings(encoder="tiny_lab:encoder", latent_dim=None, device="cpu"))
    np.testing.assert_array_equal(embed(model, images, batch_size=2), model.embed(images, batch_size=2))


def test_the_ids_of_corners_follow_the_order_of_the_crops():
    quarters = np.arange(4, dtype=np.uint8).reshape(1, 2, 2).repeat(2, axis=1).repeat(2, axis=2)
    named = dict(zip(corner_ids(np.array(["a/z0"])), corner_crops(quarters)[0], strict=True))
    assert {name: int(crop[0, 0]) for name, crop in named.items()} == {
        "a/z0/tl": 0, "a/z0/tr": 1, "a/z0/bl": 2, "a/z0/br": 3,
    }  # fmt: skip
