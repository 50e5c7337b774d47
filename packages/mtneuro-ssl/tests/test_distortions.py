"""Changes of views, against their formulas, on images and on subvolumes."""

import numpy as np
import pytest
import torch
from mtneuro_ssl.distortions import cut_mixed, erased, sharpened, solarised, zoomed
from mtneuro_ssl.views import generator_at

SIZES = [(24, 24), (12, 16, 16)]


def draws() -> torch.Generator:
    return generator_at(1, "views")


def ramps(size: tuple[int, ...], axis: int, count: int = 200) -> torch.Tensor:
    shape = [1] * len(size)
    shape[axis] = size[axis]
    return torch.arange(float(size[axis])).reshape(shape).expand(count, *size)


@pytest.mark.parametrize("size", SIZES)
def test_a_zoom_magnifies_all_axes_alike_and_shows_nothing_from_beyond(size):
    slopes = []
    for axis in range(len(size)):
        seen = zoomed(ramps(size, axis), largest=2, generator=draws())
        assert seen.shape == (200, *size)
        assert -1e-4 < seen.min() <= seen.max() < size[axis] - 1 + 1e-4
        middle = seen.narrow(axis + 1, 2, size[axis] - 4)
        slope = middle.diff(dim=axis + 1).flatten(1)
        torch.testing.assert_close(slope, slope[:, :1].expand_as(slope), atol=1e-4, rtol=0)
        slopes.append(slope[:, 0])
        # Its place is each view's own, and reaches both ends.
        assert middle.mean(dim=tuple(range(1, len(size) + 1))).std() > 0.04 * size[axis]
    for slope in slopes[1:]:
        torch.testing.assert_close(slope, slopes[0], atol=1e-4, rtol=0)
    logs = -slopes[0].log2()
    assert 0 <= logs.min() < 0.02
    assert 0.98 < logs.max() <= 1
    assert logs.mean() == pytest.approx(0.5, abs=0.07)


def test_a_zoom_of_one_is_the_view_and_images_of_bytes_are_taken():
    images = torch.arange(32, dtype=torch.uint8).reshape(2, 4, 4)
    torch.testing.assert_close(zoomed(images, largest=1, generator=draws()), images.float())


@pytest.mark.parametrize("size", SIZES)
def test_sharpening_adds_a_multiple_of_the_difference_from_the_blurred_view(size):
    views = torch.from_numpy(np.random.default_rng(0).uniform(0, 255, (50, *size))).float()
    seen = sharpened(views, largest=3, generator=draws())
    # Blurred by weights 1, 2, 1 along every axis, with edges repeated.
    blurred = np.asarray(views, np.float64)
    for axis in range(1, views.ndim):
        padded = np.pad(blurred, [(1, 1) if a == axis else (0, 0) for a in range(views.ndim)], mode="edge")
        take = [np.take(padded, range(k, k + size[axis - 1]), axis=axis) for k in range(3)]
        blurred = take[0] / 4 + take[1] / 2 + take[2] / 4
    edges = (views.numpy() - blurred).reshape(50, -1)
    added = (seen - views).numpy().reshape(50, -1)
    strength = (added * edges).sum(axis=1) / (edges**2).sum(axis=1)
    np.testing.assert_allclose(added, strength[:, None] * edges, atol=1e-2)
    assert 0 <= strength.min() < 0.3
    assert 2.7 < strength.max() <= 3


@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
def test_solarising_inverts_the_upper_half_of_the_scale_of_some_views(kind):
    views = torch.arange(256).to(kind).reshape(1, 16, 16).expand(400, 16, 16)
    seen = solarised(views, chance=0.25, generator=draws())
    assert seen.dtype == kind
    inverted = torch.tensor([value if value < 128 else 255 - value for value in range(256)]).to(kind)
    changed = (seen != views).flatten(1).any(dim=1)
    assert torch.equal(seen[changed], inverted.reshape(1, 16, 16).expand_as(seen[changed]))
    assert changed.float().mean() == pytest.approx(0.25, abs=0.06)


def assert_a_box(inside: torch.Tensor) -> float:
    """Assert that what is chosen of a view is one box, and return which part of the view it is."""
    where = inside.nonzero()
    low, high = where.min(dim=0).values, where.max(dim=0).values + 1
    assert len(where) == int((high - low).prod())
    return len(where) / inside.numel()


@pytest.mark.parametrize("size", SIZES)
def test_cutmix_shows_a_box_of_one_other_view_in_its_own_place(size):
    place = torch.arange(float(np.prod(size))).reshape(size)
    views = torch.stack([place + 10_000 * number for number in range(300)])
    seen = cut_mixed(views, chance=0.5, generator=draws())
    owner = ((seen - place) / 10_000).round().long()
    assert torch.equal(place + 10_000 * owner, seen)  # every pixel stays in its place
    parts, mixed = [], 0
    for number, own in enumerate(owner):
        others = set(own.unique().tolist()) - {number}
        if others:
            mixed += 1
            assert len(others) == 1
            parts.append(assert_a_box(own != number))
    assert mixed / 300 == pytest.approx(0.5, abs=0.1)
    # In voxels, a box is a little more or less than its share.
    assert 0 < min(parts) < 0.06
    assert 0.28 < max(parts) < 0.45


@pytest.mark.parametrize("size", SIZES)
def test_erasing_fills_a_box_with_the_views_mean(size):
    views = torch.from_numpy(np.random.default_rng(0).uniform(0, 255, (300, *size))).float()
    seen = erased(views, chance=0.5, generator=draws())
    changed = [(view, before) for view, before in zip(seen, views, strict=True) if (view != before).any()]
    assert len(changed) / 300 == pytest.approx(0.5, abs=0.1)
    for view, before in changed:
        assert_a_box(view != before)
        filled = view[view != before]
        torch.testing.assert_close(filled, before.mean().expand_as(filled))


@pytest.mark.parametrize("change", [cut_mixed, erased])
def test_a_chance_of_one_changes_every_view_and_of_none_no_view(change):
    views = torch.from_numpy(np.random.default_rng(0).uniform(0, 255, (20, 24, 24))).float()
    assert (change(views, chance=1, generator=draws()) != views).flatten(1).any(dim=1).all()
    assert torch.equal(change(views, chance=0, generator=draws()), views)


def test_a_view_that_is_alone_is_mixed_with_itself():
    view = torch.rand(1, 8, 8)
    assert torch.equal(cut_mixed(view, chance=1, generator=draws()), view)
