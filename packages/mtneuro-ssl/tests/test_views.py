import numpy as np
import pytest
import torch
from mtneuro_ssl.settings import ViewSettings
from mtneuro_ssl.views import (
    batch_positions,
    corner_crops,
    crop_size,
    generator_at,
    normalised,
    random_crops,
    slice_neighbours,
    varied_views,
    vector_views,
)


def test_a_crop_is_a_window_of_its_own_image():
    images = torch.arange(6 * 8 * 10, dtype=torch.int64).remainder(251).to(torch.uint8).reshape(6, 8, 10)
    positions = torch.tensor([5, 0, 3, 3])
    crops = random_crops(images, positions, size=(4, 5), generator=generator_at(1, "views"))
    for crop, position in zip(crops, positions, strict=True):
        windows = images[position].unfold(0, 4, 1).unfold(1, 5, 1).reshape(-1, 4, 5)
        assert (windows == crop).flatten(1).all(1).any()


def test_offsets_are_each_samples_own_and_reach_every_place():
    images = torch.arange(36, dtype=torch.uint8).reshape(1, 6, 6)
    crops = random_crops(
        images, torch.zeros(400, dtype=torch.int64), size=(3, 3), generator=generator_at(1, "views")
    )
    corners = crops[:, 0, 0]
    assert sorted(corners.unique().tolist()) == sorted(6 * y + x for y in range(4) for x in range(4))


def test_one_offset_is_that_of_every_sample_and_another_at_every_draw():
    images = torch.arange(36, dtype=torch.uint8).reshape(1, 6, 6)
    generator = generator_at(1, "views")
    seen = [
        random_crops(
            images, torch.zeros(5, dtype=torch.int64), size=(3, 3), generator=generator, one_offset=True
        )[:, 0, 0].unique()
        for _ in range(40)
    ]
    assert all(len(corners) == 1 for corners in seen)
    assert len({int(corners) for corners in seen}) > 8


def test_a_crop_of_the_whole_is_the_image():
    images = torch.arange(2 * 16, dtype=torch.uint8).reshape(2, 4, 4)
    crops = random_crops(images, torch.arange(2), size=(4, 4), generator=generator_at(1, "views"))
    assert torch.equal(crops, images)


def test_a_crop_of_a_subvolume_is_a_window_of_its_own_in_every_axis():
    volumes = torch.arange(3 * 4 * 6 * 8, dtype=torch.int64).reshape(3, 4, 6, 8)
    positions = torch.tensor([2, 0, 1, 1])
    for size in ((4, 3, 4), (2, 3, 4)):
        crops = random_crops(volumes, positions, size=size, generator=generator_at(1, "views"))
        assert crops.shape == (4, *size)
        for crop, position in zip(crops, positions, strict=True):
            windows = volumes[position].unfold(0, size[0], 1).unfold(1, size[1], 1).unfold(2, size[2], 1)
            assert (windows.reshape(-1, *size) == crop).flatten(1).all(1).any()


def test_offsets_of_subvolumes_reach_every_place():
    volume = torch.arange(27).reshape(1, 3, 3, 3)
    many = torch.zeros(600, dtype=torch.int64)
    crops = random_crops(volume, many, size=(2, 2, 2), generator=generator_at(1, "views"))
    corners = crops[:, 0, 0, 0].unique().tolist()
    assert corners == sorted(9 * z + 3 * y + x for z in (0, 1) for y in (0, 1) for x in (0, 1))


def test_a_view_has_half_the_height_and_width_of_a_subvolume_and_all_slices():
    assert crop_size((8, 64, 32), ViewSettings()) == (8, 32, 16)
    assert crop_size((8, 64, 32), ViewSettings(crop_depth=0.01)) == (1, 32, 16)


def test_an_epoch_shows_each_image_once_and_epochs_differ():
    first = torch.cat([batch_positions(12, 4, step=t, seed=3) for t in range(3)])
    second = torch.cat([batch_positions(12, 4, step=t, seed=3) for t in range(3, 6)])
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(12))
    assert not torch.equal(first, second)
    assert not torch.equal(first, torch.cat([batch_positions(12, 4, step=t, seed=4) for t in range(3)]))
    pool = torch.cat([batch_positions(12, 4, step=t, seed=3, stream="pool") for t in range(3)])
    assert not torch.equal(first, pool)


@pytest.mark.parametrize(("count", "sizes"), [(14, [4, 4, 4, 2]), (13, [4, 4, 4]), (12, [4, 4, 4])])
def test_a_partial_batch_ends_an_epoch_unless_it_would_be_a_single_image(count, sizes):
    def epoch(start):
        return [
            batch_positions(count, 4, step=t, seed=3, partial=True) for t in range(start, start + len(sizes))
        ]

    assert [len(batch) for batch in epoch(0)] == [len(batch) for batch in epoch(len(sizes))] == sizes
    seen = torch.cat(epoch(0)).tolist()
    assert len(set(seen)) == len(seen) == sum(sizes)


def test_draws_depend_on_seed_purpose_and_step_alone():
    def draw(seed: int, stream: str, step: int) -> float:
        return float(torch.rand(1, generator=generator_at(seed, stream, step=step)))

    keys = [(1, "views", 0), (1, "views", 1), (2, "views", 0), (1, "order", 0)]
    assert len({draw(*key) for key in keys}) == 4
    assert [draw(*key) for key in keys] == [draw(*key) for key in keys]


def test_normalising_is_its_formula():
    images = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16)
    expected = (images.double() / 255 - 0.4894) / 0.1238
    got = normalised(images, mean=0.4894, sd=0.1238)
    assert got.shape == (1, 1, 16, 16)
    torch.testing.assert_close(got[:, 0].double(), expected, rtol=1e-5, atol=1e-5)


def test_corners_of_odd_images_touch_the_edges():
    image = np.arange(35, dtype=np.uint8).reshape(1, 5, 7)
    corners = corner_crops(image)
    assert corners.shape == (1, 4, 2, 3)
    assert corners[0, 3, -1, -1] == 34
    assert corners[0, 1, 0].tolist() == [4, 5, 6]


def test_corners_of_a_subvolume_are_those_of_its_slices():
    volumes = np.random.default_rng(0).integers(0, 256, (2, 3, 5, 7))
    corners = corner_crops(volumes)
    assert corners.shape == (2, 4, 3, 2, 3)
    for z in range(3):
        np.testing.assert_array_equal(corners[:, :, z], corner_crops(volumes[:, z]))


def many(count: int = 400) -> torch.Tensor:
    return torch.tensor([[1, 2], [3, 4]], dtype=torch.uint8).expand(count, 2, 2)


def test_the_default_views_are_left_as_they_are():
    views = varied_views(many(3), ViewSettings(), generator=generator_at(1, "views"))
    assert torch.equal(views, many(3))


def test_turns_and_mirrors_reach_all_eight_positions_of_a_square():
    settings = ViewSettings(flip=0.5, rotate=True)
    views = varied_views(many(), settings, generator=generator_at(1, "views"))
    assert len(views.flatten(1).unique(dim=0)) == 8
    turned = varied_views(many(), ViewSettings(rotate=True), generator=generator_at(1, "views"))
    assert len(turned.flatten(1).unique(dim=0)) == 4
    mirrored = varied_views(many(), ViewSettings(flip=0.25), generator=generator_at(1, "views"))
    assert len(mirrored.flatten(1).unique(dim=0)) == 4
    assert (mirrored[:, 0, 0] == 4).float().mean() == pytest.approx(0.0625, abs=0.04)


def test_subvolumes_are_mirrored_along_every_axis_and_turned_in_the_plane():
    volume = torch.arange(8, dtype=torch.uint8).reshape(1, 2, 2, 2).expand(600, 2, 2, 2)
    mirrored = varied_views(volume, ViewSettings(flip=0.5), generator=generator_at(1, "views"))
    assert len(mirrored.flatten(1).unique(dim=0)) == 8
    turned = varied_views(volume, ViewSettings(rotate=True), generator=generator_at(1, "views"))
    assert len(turned.flatten(1).unique(dim=0)) == 4
    assert (turned.sum(dim=(2, 3)) == volume.sum(dim=(2, 3))).all()  # each slice stays where it is
    bright = varied_views(volume, ViewSettings(brightness=0.1), generator=generator_at(1, "views"))
    shift = bright - volume
    torch.testing.assert_close(shift, shift[:, :1, :1, :1].expand_as(shift))


def test_intensity_varies_by_as_much_as_asked():
    images = torch.full((3000, 2, 2), 100, dtype=torch.uint8)
    images[:, 0] = 140
    bright = varied_views(images, ViewSettings(brightness=0.1), generator=generator_at(1, "views"))
    assert bright.mean(dim=(1, 2)).std() == pytest.approx(25.5, rel=0.05)
    torch.testing.assert_close(bright[:, 0] - bright[:, 1], torch.full((3000, 2), 40.0))
    contrast = varied_views(images, ViewSettings(contrast=0.2), generator=generator_at(1, "views"))
    torch.testing.assert_close(contrast.mean(dim=(1, 2)), torch.full((3000,), 120.0))
    assert ((contrast[:, 0] - contrast[:, 1]) / 40).log().std() == pytest.approx(0.2, rel=0.05)
    noisy = varied_views(images, ViewSettings(noise=0.1), generator=generator_at(1, "views"))
    assert (noisy - images).std() == pytest.approx(25.5, rel=0.05)
    assert torch.equal(
        noisy, varied_views(images, ViewSettings(noise=0.1), generator=generator_at(1, "views"))
    )


@pytest.mark.parametrize(
    "change", [{"zoom": 2}, {"cutmix": 1}, {"sharpen": 2}, {"solarise": 1}, {"erase": 1}], ids=str
)
def test_each_setting_changes_views_and_draws_the_same_again(change):
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (6, 16, 16), dtype=np.uint8))
    first, again = (
        varied_views(images, ViewSettings.model_validate(change), generator=generator_at(1, "views"))
        for _ in range(2)
    )
    assert first.shape == images.shape
    assert torch.equal(first, again)
    assert not torch.equal(first.float(), images.float())


def test_vectors_are_masked_and_noised():
    vectors = torch.ones(50, 100)
    masked = vector_views(vectors, ViewSettings(mask=0.3), generator=generator_at(1, "views"))
    assert (masked == 0).float().mean() == pytest.approx(0.3, abs=0.03)
    assert set(masked.unique().tolist()) == {0.0, 1.0}
    noisy = vector_views(vectors, ViewSettings(noise=2), generator=generator_at(1, "views"))
    assert (noisy - vectors).std() == pytest.approx(2, rel=0.05)


def test_neighbours_stay_in_their_cube_and_corner():
    ids = np.array(["a/z3/tl", "a/z3/tr", "a/z5/tl", "a/z4/tl", "b/z4/tl"])
    assert slice_neighbours(ids, reach=2).tolist() == [
        [0, 0, 0, 3, 2],
        [1, 1, 1, 1, 1],
        [0, 3, 2, 2, 2],
        [3, 0, 3, 2, 3],
        [4, 4, 4, 4, 4],
    ]
    with pytest.raises(ValueError, match=r"ids like 'A-CTX/z110', got 'slice 3'"):
        slice_neighbours(np.array(["slice 3"]), reach=1)
    with pytest.raises(ValueError, match="name each slice once, got twice: a/z1"):
        slice_neighbours(np.array(["a/z1", "a/z1"]), reach=1)


def test_a_reach_that_reaches_no_other_slice_is_refused_with_the_reason():
    ten_apart = [f"a/z{z}" for z in (20, 0, 10)]
    assert slice_neighbours(ten_apart, reach=10)[0].tolist() == [2, *[0] * 20]
    with pytest.raises(ValueError, match=r"got 9, where the slices of a cube are 10 apart; raise"):
        slice_neighbours(ten_apart, reach=9)
    with pytest.raises(ValueError, match="where each cube has a single slice"):
        slice_neighbours(["a/z1", "b/z2"], reach=1)
