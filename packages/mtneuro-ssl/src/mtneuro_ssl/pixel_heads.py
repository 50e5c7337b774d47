"""Heads that turn feature maps into scores of pixels' classes: a logistic regression, and a small decoder."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int64, UInt8
from scipy.optimize import minimize
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate, relu

from mtneuro_ssl._shared.bounds import check_memory
from mtneuro_ssl.probe_settings import PixelProbeSettings
from mtneuro_ssl.types import Progress

TOLERANCE = 1e-4
"""Largest derivative, in whitened features, at which a regression has converged."""

_GOAL = 1e-5
"""Largest derivative at which it stops; in single precision it may end a little above."""

_BATCH_BYTES = 1 << 26
"""Bytes of class scores at full resolution that are held at a time."""

_SMALLEST = 1e-6
"""Variance, as a part of the largest, below which a direction of the features is not stretched further."""


def upsampled(
    scores: Float[Tensor, "n classes h w"], size: tuple[int, int]
) -> Float[Tensor, "n classes y x"]:
    """Return maps at the size of the image that they cover from edge to edge, by bilinear interpolation."""
    return interpolate(scores, size=size, mode="bilinear", align_corners=False)


def map_statistics(
    maps: Float32[Tensor, "n features *places"],
) -> tuple[Float32[Tensor, " features"], Float32[Tensor, " features"]]:
    """Return mean and standard deviation of each feature over all places; infinity for a constant one.

    Divided by an infinite deviation, a constant feature is 0.
    """
    place = maps.device
    # In double precision, which a Mac's GPU has not.
    rows = (maps.cpu() if place.type == "mps" else maps).flatten(2)
    mean = rows.mean(dim=(0, 2), dtype=torch.float64)
    square = sum((one - mean[:, None]).square().sum(dim=1) for one in rows)
    sd = (torch.as_tensor(square) / (len(rows) * rows.shape[2])).sqrt()
    constant = sd <= 1e-6 * mean.abs()
    return mean.float().to(place), sd.masked_fill(constant, float("inf")).float().to(place)


def held_maps(
    batches: Iterable[Float[Tensor, "batch features *places"]], *, count: int
) -> Float32[Tensor, "n features *places"]:
    """Return the feature maps of all images in one array.

    Parameters
    ----------
    batches
        The maps of one batch of images after another.
    count
        Number of images.

    Raises
    ------
    ValueError
        If they are more than the memory at hand.
    """
    held = torch.empty(0)
    done = 0
    for maps in batches:
        if not done:
            check_memory(
                f"feature maps of {count} images",
                0 if maps.is_cuda else 4 * count * maps[0].numel(),
                remedy="fit to fewer images",
            )
            held = torch.empty(count, *maps.shape[1:], device=maps.device)
        held[done : done + len(maps)] = maps
        done += len(maps)
    return held


class Standardised(nn.Module):
    """A head that sees each feature less its mean and over its standard deviation, which it keeps.

    Parameters
    ----------
    features
        Features of a place.
    """

    mean: Tensor
    sd: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("sd", torch.ones(features))

    def measure(self, maps: Float32[Tensor, "n features *places"]) -> None:
        """Take mean and standard deviation from the maps that are learnt from, and go where they are."""
        self.mean, self.sd = (each.to(self.mean) for each in map_statistics(maps))
        self.to(maps.device)

    def standard(self, maps: Float32[Tensor, "n features *places"]) -> Float32[Tensor, "n features *places"]:
        """Return maps less the mean, over the standard deviation."""
        places = [1] * (maps.ndim - 2)
        return (maps - self.mean.view(-1, *places)) / self.sd.view(-1, *places)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FittedHead:
    """A head that was fitted, and how."""

    head: nn.Module
    """From feature maps as the encoder gives them to scores, at the maps' resolution or a finer one."""

    losses: tuple[float, ...]
    """What was minimised, after each iteration or step."""

    converged: bool = True
    """Whether a regression reached its optimum; a decoder is trained for as long as it is told."""


@torch.enable_grad()
def fitted_linear_head(
    maps: Float32[Tensor, "n features h w"],
    masks: UInt8[np.ndarray, "n y x"],
    *,
    classes: int,
    settings: PixelProbeSettings,
    progress: Progress | None = None,
) -> FittedHead:
    """Return the multinomial logistic regression of the class of each pixel on its features.

    The features of a pixel are those of the maps, interpolated bilinearly. Interpolation is linear and its
    weights add up to one, so scores of the small maps that are then interpolated are the scores of
    interpolated features, and the large features are never held.

    Parameters
    ----------
    maps
        Feature maps, which are overwritten.
    masks
        Classes from 0 to ``classes - 1``, each of them somewhere; all else is left out.
    classes
        Number of classes.
    settings
        Their ``C`` and ``max_iter`` are read.
    progress
        Called with the iterations done and allowed.

    Notes
    -----
    What is minimised is scikit-learn's: the sum of ``C`` times the cross entropy of each labelled pixel, and
    half the squared norm of the weights, of features that are standardised by their mean and standard
    deviation over the maps; the intercepts are free. It is strictly convex, so its optimum is one point. The
    regression of two classes is scikit-learn's too, with one vector of weights.

    L-BFGS walks in features that are whitened beforehand, which changes its way and not its end: correlated
    features would take it many times as long.
    """
    place = maps.device
    if place.type == "mps":
        # L-BFGS sums in double precision, which a Mac's GPU has not.
        maps = maps.cpu()
    mean, sd = map_statistics(maps)
    count, features, height, width = maps.shape
    rows = maps.sub_(mean[:, None, None]).div_(sd[:, None, None]).view(count, features, height * width)
    labelled = int((masks < classes).sum())
    # With two classes the weights are opposite, and the squared norm of one stands for the two.
    penalty = (2.0 if classes == 2 else 1.0) / (settings.C * labelled)
    whitening = _whitening(rows, penalty)
    for one in rows:
        one.copy_(whitening.float() @ one)
    norm = (whitening.T @ whitening).cpu().numpy()
    parts = list(_parts(count, classes, masks))

    def objective(
        found: Float64[np.ndarray, " parameters"],
    ) -> tuple[float, Float64[np.ndarray, " parameters"]]:
        table = found.reshape(classes, features + 1)
        weight = torch.from_numpy(table[:, :-1]).to(rows)
        intercept = torch.from_numpy(table[:, -1:]).to(rows)
        loss = 0.0
        slope = np.zeros_like(table)
        for part in parts:
            small = (weight @ rows[part] + intercept).unflatten(2, (height, width)).requires_grad_()
            truth = torch.from_numpy(masks[part].astype(np.int64)).to(rows.device)
            each = cross_entropy(
                upsampled(small, masks.shape[1:]),
                truth.masked_fill_(truth >= classes, -1),
                ignore_index=-1,
                reduction="none",
            )
            (towards,) = torch.autograd.grad(each.sum(), small)
            towards = towards.flatten(2)
            loss += each.detach().sum(dtype=torch.float64).item()
            slope[:, :-1] += (towards @ rows[part].mT).sum(dim=0, dtype=torch.float64).cpu().numpy()
            slope[:, -1] += towards.sum(dim=(0, 2), dtype=torch.float64).cpu().numpy()
        pull = penalty * table[:, :-1] @ norm
        slope /= labelled
        slope[:, :-1] += pull
        return loss / labelled + 0.5 * float((pull * table[:, :-1]).sum()), slope.ravel()

    losses: list[float] = []

    def watched(intermediate_result: Any) -> None:
        losses.append(float(intermediate_result.fun))
        if progress is not None:
            progress(len(losses), settings.max_iter)

    solved = minimize(
        objective,
        np.zeros(classes * (features + 1)),
        jac=True,
        method="L-BFGS-B",
        callback=watched,
        options={"maxiter": settings.max_iter, "maxfun": 4 * settings.max_iter, "gtol": _GOAL, "ftol": 0.0},
    )
    if progress is not None:
        progress(settings.max_iter, settings.max_iter)
    table = solved.x.reshape(classes, features + 1)
    weight = torch.from_numpy(table[:, :-1]) @ whitening.cpu() / sd.cpu().double()
    intercept = torch.from_numpy(table[:, -1]) - weight @ mean.cpu().double()
    head = linear_head(features, classes)
    head.load_state_dict({"weight": weight[:, :, None, None].float(), "bias": intercept.float()})
    return FittedHead(
        head=head.to(place), losses=tuple(losses), converged=bool(np.abs(solved.jac).max() <= TOLERANCE)
    )


def linear_head(features: int, classes: int) -> nn.Module:
    """Return an unfitted regression: the same linear layer at every place of a map."""
    return nn.utils.skip_init(nn.Conv2d, features, classes, 1)


def _whitening(
    rows: Float32[Tensor, "n features places"], penalty: float
) -> Float64[Tensor, "features features"]:
    """Return the symmetric matrix that makes directions of the features equally steep.

    Cross entropy curves along a direction as its variance, times a quarter at most, and the penalty adds
    its own.
    """
    covariance = torch.zeros(rows.shape[1], rows.shape[1], dtype=torch.float64, device=rows.device)
    for one in rows:
        covariance += (one @ one.mT).double()
    curves, directions = torch.linalg.eigh(covariance / (4 * rows.shape[0] * rows.shape[2]))
    curves = (curves.clamp(min=0) + penalty).clamp(min=_SMALLEST * float(curves[-1]))
    return (directions * curves.rsqrt()) @ directions.mT


def _parts(count: int, classes: int, masks: UInt8[np.ndarray, "n y x"]) -> Iterator[slice]:
    most = max(1, _BATCH_BYTES // (4 * classes * masks.shape[1] * masks.shape[2]))
    for start in range(0, count, most):
        yield slice(start, min(start + most, count))


class Decoder(Standardised):
    """Three 3x3 convolutions over standardised feature maps, which are doubled after the first and second.

    Parameters
    ----------
    features
        Features of a map.
    classes
        Number of classes.
    filters
        Filters of the first two convolutions.

    Examples
    --------
    >>> maps = torch.zeros(1, 8, 4, 6)
    >>> Decoder(8, 3, filters=4).drawn(seed=0)(maps).shape
    torch.Size([1, 3, 16, 24])
    """

    def __init__(self, features: int, classes: int, *, filters: int) -> None:
        super().__init__(features)
        widths = ((features, filters), (filters, filters), (filters, classes))
        self.convolutions = nn.ModuleList(
            nn.utils.skip_init(nn.Conv2d, given, made, 3, padding=1) for given, made in widths
        )

    def drawn(self, *, seed: int) -> "Decoder":
        """Return it with weights drawn from a seed, for rectified linear units (He et al. 2015)."""
        generator = torch.Generator().manual_seed(seed)
        for layer in self.convolutions:
            weight, bias = layer.get_parameter("weight"), layer.get_parameter("bias")
            nn.init.kaiming_normal_(weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(bias)
        return self

    def forward(self, maps: Float32[Tensor, "n features h w"]) -> Float32[Tensor, "n classes y x"]:
        """Return scores of each class at four times the maps' resolution."""
        first, second, last = self.convolutions
        found = relu(first(self.standard(maps)))
        found = relu(second(interpolate(found, scale_factor=2, mode="bilinear", align_corners=False)))
        return last(interpolate(found, scale_factor=2, mode="bilinear", align_corners=False))


@torch.enable_grad()
def fitted_decoder(
    maps: Float32[Tensor, "n features h w"],
    masks: UInt8[np.ndarray, "n y x"],
    *,
    classes: int,
    settings: PixelProbeSettings,
    progress: Progress | None = None,
) -> FittedHead:
    """Return a decoder trained with Adam on the mean cross entropy of the labelled pixels of a batch.

    Parameters
    ----------
    maps
        Feature maps.
    masks
        Classes from 0 to ``classes - 1``; all else is left out.
    classes
        Number of classes.
    settings
        Their ``filters``, ``steps``, ``batch_size``, ``learning_rate`` and ``seed`` are read.
    progress
        Called with the steps done and all of them.
    """
    head = Decoder(maps.shape[1], classes, filters=settings.filters).drawn(seed=settings.seed)
    head.measure(maps)
    optimiser = torch.optim.Adam(head.parameters(), lr=settings.learning_rate)
    losses: list[float] = []
    drawn = batches(len(maps), size=settings.batch_size, seed=settings.seed)
    for step, chosen in zip(range(settings.steps), drawn, strict=False):
        truth = torch.from_numpy(masks[chosen].astype(np.int64)).to(maps.device)
        scores = upsampled(head(maps[torch.from_numpy(chosen).to(maps.device)]), masks.shape[1:])
        truth.masked_fill_(truth >= classes, -1)
        loss = cross_entropy(scores, truth, ignore_index=-1, reduction="sum")
        loss = loss / (truth >= 0).sum().clamp(min=1)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
        if progress is not None:
            progress(step + 1, settings.steps)
    return FittedHead(head=head.eval(), losses=tuple(losses))


def batches(count: int, *, size: int, seed: int) -> Iterator[Int64[np.ndarray, " batch"]]:
    """Yield positions of samples for ever, each once before any comes again; all where they are fewer.

    Examples
    --------
    >>> drawn = batches(4, size=2, seed=0)
    >>> sorted([*next(drawn).tolist(), *next(drawn).tolist()])
    [0, 1, 2, 3]
    """
    rng = np.random.default_rng(seed)
    left = np.empty(0, np.int64)
    while True:
        while len(left) < min(size, count):
            left = np.concatenate([left, rng.permutation(count)])
        yield left[:size]
        left = left[size:]
