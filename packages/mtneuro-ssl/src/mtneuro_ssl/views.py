"""Random views of images and subvolumes, and the random generators that they are drawn with."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float32, Int64, Real
from torch import Tensor

from mtneuro_ssl._shared.sample_ids import parsed_ids, slice_stacks, why_apart
from mtneuro_ssl.distortions import cut_mixed, erased, sharpened, solarised, zoomed
from mtneuro_ssl.settings import ViewSettings

_STREAMS = {"weights": 0, "order": 1, "pool": 2, "views": 3}


def generator_at(seed: int, stream: str, *, step: int = 0) -> torch.Generator:
    """Return the random generator of one purpose at one step.

    It depends on nothing else, so a run that goes on after an interruption draws what it would have drawn.
    """
    key = np.random.SeedSequence([seed, _STREAMS[stream], step]).generate_state(1, np.uint64)[0]
    # torch takes a signed 64-bit seed.
    return torch.Generator().manual_seed(int(key >> np.uint64(1)))


@lru_cache(maxsize=4)
def _permutation(count: int, seed: int, stream: str, epoch: int) -> Tensor:
    return torch.randperm(count, generator=generator_at(seed, stream, step=epoch))


def batch_positions(
    count: int, batch_size: int, *, step: int, seed: int, stream: str = "order", partial: bool = False
) -> Int64[Tensor, " batch"]:
    """Return the positions of a step's batch among ``count`` images.

    Each epoch is a permutation of its own, cut into whole batches; what is left over is dropped, or if
    ``partial`` it is the last batch, where it is more than one image.

    Examples
    --------
    >>> both = [batch_positions(5, 2, step=t, seed=1).tolist() for t in (0, 1)]
    >>> len(set(both[0] + both[1]))
    4
    """
    full, rest = divmod(count, batch_size)
    epoch, place = divmod(step, full + (partial and rest > 1))
    return _permutation(count, seed, stream, epoch)[place * batch_size : (place + 1) * batch_size]


def random_crops(
    images: Real[Tensor, "n *size"],
    positions: Int64[Tensor, " batch"],
    *,
    size: tuple[int, ...],
    generator: torch.Generator,
    one_offset: bool = False,
) -> Real[Tensor, "batch *crop"]:
    """Return one crop of each image, or subvolume, at the positions, at an offset of its own or all at one.

    Only the pixels of the crops are read. The offsets are drawn on the CPU, so they are the same on every
    device.
    """
    draws = torch.rand((len(size), 1 if one_offset else len(positions)), generator=generator)
    spare = torch.tensor([[whole - part + 1] for whole, part in zip(images.shape[1:], size, strict=True)])
    offsets = (draws * spare).long().to(images.device, non_blocking=True)
    windows: Tensor = images
    for axis, part in enumerate(size, start=1):
        windows = windows.unfold(axis, part, 1)  # every crop there is, as a view
    return windows[(positions.to(images.device, non_blocking=True), *offsets)]


def crop_size(size: tuple[int, ...], views: ViewSettings) -> tuple[int, ...]:
    """Return the height and width of the views of images of a size, and the slices of those of subvolumes.

    Examples
    --------
    >>> crop_size((129, 64), ViewSettings()), crop_size((8, 128, 64), ViewSettings(crop_depth=0.5))
    ((64, 32), (4, 64, 32))
    """
    *depth, height, width = size
    return (
        *(max(int(slices * views.crop_depth), 1) for slices in depth),
        int(height * views.crop),
        int(width * views.crop),
    )


def varied_views(
    pixels: Real[Tensor, "batch *size"], views: ViewSettings, *, generator: torch.Generator
) -> Real[Tensor, "batch *size"]:
    """Return views magnified, mirrored, turned, mixed, and varied in intensity as the settings say.

    Each view is varied independently of the others.

    Views of subvolumes ``(batch, z, y, x)`` are mirrored along z too, and turned in their slices' plane.
    Intensities stay on the scale of 0 to 255, and are not clipped.
    """
    count, device = len(pixels), pixels.device
    axes = tuple(range(1, pixels.ndim))
    each = (count, *(1 for _ in axes))
    varied: Tensor = pixels
    if views.zoom > 1:
        varied = zoomed(varied, largest=views.zoom, generator=generator)
    for axis in axes if views.flip else ():
        mirrored = torch.rand(count, generator=generator) < views.flip
        chosen = mirrored.to(device, non_blocking=True).reshape(each)
        varied = torch.where(chosen, varied.flip(axis), varied)
    if views.rotate:
        turns = torch.randint(4, (count,), generator=generator)
        varied = torch.stack(
            [view.rot90(turn, (-2, -1)) for view, turn in zip(varied, turns.tolist(), strict=True)]
        )
    if views.cutmix:
        varied = cut_mixed(varied, chance=views.cutmix, generator=generator)
    if views.brightness or views.contrast:
        drawn = torch.randn((2, *each), generator=generator)
        shift, stretch = drawn.to(device, non_blocking=True)
        centre = varied.float().mean(dim=axes, keepdim=True)
        varied = (
            (varied - centre) * (views.contrast * stretch).exp() + centre + 255 * views.brightness * shift
        )
    if views.sharpen:
        varied = sharpened(varied, largest=views.sharpen, generator=generator)
    if views.solarise:
        varied = solarised(varied, chance=views.solarise, generator=generator)
    if views.noise:
        varied = varied + 255 * views.noise * _noise(varied.shape, device, generator)
    if views.erase:
        varied = erased(varied, chance=views.erase, generator=generator)
    return varied


def vector_views(
    vectors: Float32[Tensor, "batch features"], views: ViewSettings, *, generator: torch.Generator
) -> Float32[Tensor, "batch features"]:
    """Return vectors with noise on every feature and some of them set to 0."""
    if views.noise:
        vectors = vectors + views.noise * _noise(vectors.shape, vectors.device, generator)
    if views.mask:
        masked = torch.rand(vectors.shape, generator=generator) < views.mask
        vectors = vectors.masked_fill(masked.to(vectors.device, non_blocking=True), 0)
    return vectors


def _noise(shape: torch.Size, device: torch.device, generator: torch.Generator) -> Tensor:
    """Return noise that is drawn on the device: one number per pixel is too much to copy there."""
    seed = int(torch.randint(2**62, (), generator=generator))
    return torch.randn(shape, device=device, generator=torch.Generator(device).manual_seed(seed))


def slice_neighbours(sample_id: Sequence[str] | np.ndarray, *, reach: int) -> Int64[Tensor, "n slices"]:
    """Return, for each slice, the positions of the slices of its cube within ``reach`` along z.

    Where a slice is missing, the slice itself takes its place. The ids may be in any order.

    Examples
    --------
    >>> slice_neighbours(np.array(["a/z3", "a/z4", "b/z5"]), reach=1)
    tensor([[0, 0, 1],
            [0, 1, 1],
            [2, 2, 2]])

    Raises
    ------
    ValueError
        If an id is not ``<cube>/z<z>`` or ``<cube>/z<z>/<corner>``, or names a slice twice, or no slice has
        another within ``reach``.
    """
    ids = parsed_ids(sample_id)
    if not ids.placed.all():
        wrong = str(sample_id[int(np.flatnonzero(~ids.placed)[0])])
        raise ValueError(
            f"views from other slices need ids like 'A-CTX/z110', got {wrong!r}; set views.slices to 0"
        )
    nearby = np.tile(np.arange(len(ids.z))[:, None], 2 * reach + 1)
    for rows in slice_stacks(sample_id):
        z = ids.z[rows]
        for column, step in enumerate(range(-reach, reach + 1)):
            at = np.minimum(np.searchsorted(z, z + step), len(z) - 1)
            there = z[at] == z + step
            nearby[rows[there], column] = rows[at[there]]
    if (nearby == nearby[:, :1]).all():
        reason = why_apart(sample_id)
        raise ValueError(
            f"views.slices must reach another slice, got {reach}"
            + (f", where {reason}" if reason else ", where each cube has a single slice")
            + "; raise views.slices, or set it to 0"
        )
    return torch.from_numpy(nearby)


def normalised(
    images: Real[Tensor, "batch *size"], *, mean: float, sd: float
) -> Float32[Tensor, "batch 1 *size"]:
    """Return images or subvolumes as the encoder takes them: scaled to [0, 1], standardised, with a channel.

    Examples
    --------
    >>> normalised(torch.full((1, 1, 1), 255, dtype=torch.uint8), mean=0.5, sd=0.25).item()
    2.0
    """
    return images[:, None].float().mul(1 / (255 * sd)).sub_(mean / sd)


def corner_crops(images: Real[np.ndarray, "n *size"]) -> Real[np.ndarray, "n 4 *corner"]:
    """Return the four corners of each image ``(y, x)``, of half its height and width.

    Their order is top left, top right, bottom left, bottom right. Those of a subvolume ``(z, y, x)`` have all
    of its slices.

    Examples
    --------
    >>> corner_crops(np.arange(16, dtype=np.uint8).reshape(1, 4, 4))[0, 1]
    array([[2, 3],
           [6, 7]], dtype=uint8)
    """
    h, w = images.shape[-2] // 2, images.shape[-1] // 2
    top, bottom = images[..., :h, :], images[..., -h:, :]
    return np.stack([top[..., :w], top[..., -w:], bottom[..., :w], bottom[..., -w:]], axis=1)
