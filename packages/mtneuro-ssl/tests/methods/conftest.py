"""Methods with small networks, and their formulas, written out slowly in double precision."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from mtneuro_ssl import TrainSettings, new_method
from torch import Tensor

BATCH = 5


def _method_of(name: str, **changes: object) -> Any:
    images = np.random.default_rng(0).integers(0, 256, (12, 16, 16), dtype=np.uint8)
    values = {
        "method": name,
        "batch_size": BATCH,
        "steps": 10,
        "hidden": 12,
        "projection": 6,
        "latent_dim": 7,
    }
    settings = TrainSettings.model_validate(values | changes)
    method = new_method(images, settings, labels=np.arange(12) % 3)
    with torch.no_grad():  # the target differs from the online network, as after some steps
        noise = torch.Generator().manual_seed(5)
        for name_, parameter in method.named_parameters():
            if name_.startswith("target"):
                parameter += 0.05 * torch.randn(parameter.shape, generator=noise)
    return method.double()


def _random_views(count: int, size: int = BATCH) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(size, 1, 8, 8, generator=generator, dtype=torch.float64) for _ in range(count)]


def _head(head: Any, x: Tensor) -> Tensor:
    """W2 max(0, gamma (W1 x + b1 - mean) / sqrt(var + eps) + beta)."""
    first, norm, _, second = head.layers
    y = x @ first.weight.T + first.bias
    mean = y.sum(0) / len(y)
    variance = ((y - mean) ** 2).sum(0) / len(y)
    y = norm.weight * (y - mean) / torch.sqrt(variance + 1e-5) + norm.bias
    assert second.bias is None
    return torch.clamp(y, min=0) @ second.weight.T


def _distance(p: Tensor, z: Tensor) -> Tensor:
    """The mean over samples of 2 - 2 p.z / (|p| |z|)."""
    total = torch.zeros((), dtype=torch.float64)
    for a, b in zip(p, z.detach(), strict=True):
        total = total + 2 - 2 * (a * b).sum() / torch.sqrt((a * a).sum() * (b * b).sum())
    return total / len(p)


def _byol(m: Any, v1: Tensor, v2: Tensor) -> Tensor:
    q1, q2 = (_head(m.predictor, _head(m.projector, m.encoder(v))) for v in (v1, v2))
    z1, z2 = (_head(m.target_projector, m.target_encoder(v)) for v in (v1, v2))
    return _distance(q1, z2) / 2 + _distance(q2, z1) / 2


def _nearest(online: Tensor, features: Tensor, own: Tensor | None, pool: Tensor | None) -> list[int]:
    chosen: list[int] = []
    for i, query in enumerate(online):
        best, found = -2.0, -1
        for j, other in enumerate(features):
            if own is not None and pool is not None and own[i] == pool[j]:
                continue
            cosine = (query @ other / (query.norm() * other.norm())).item()
            if cosine > best:
                best, found = cosine, j
        chosen.append(found)
    return chosen


def _projections(method: Any, v1: Tensor, v2: Tensor) -> list[Tensor]:
    return [method.projector(method.encoder(view)) for view in (v1, v2)]


def _assert_same_gradients(method: Any, ours: Tensor, literal: Tensor) -> None:
    trained = {name: p for name, p in method.named_parameters() if p.requires_grad}
    got: Any = torch.autograd.grad(ours, list(trained.values()), allow_unused=True)
    wanted: Any = torch.autograd.grad(literal, list(trained.values()), allow_unused=True)
    assert ours.item() == pytest.approx(literal.item(), rel=1e-12)
    norm = torch.cat([w.flatten() for w in wanted if w is not None]).norm()
    assert norm > 1e-6
    for name, a, b in zip(trained, got, wanted, strict=True):
        assert (a is None) == (b is None), name
        if a is not None:
            assert (a - b).norm() <= 1e-10 * norm, name


def _encoder_passes(method: Any) -> tuple[int, int]:
    counts = {"encoder": 0, "target_encoder": 0}
    for name in counts:

        def hook(*_: object, name: str = name) -> None:
            counts[name] += 1

        getattr(method, name).register_forward_hook(hook)
    method.step_logs(method.draw_at(5))  # the mined term has its weight by then
    return counts["encoder"], counts["target_encoder"]


@pytest.fixture
def method_of() -> Callable[..., Any]:
    """Makes a method of 12 images, a batch of 5 and small heads, in double precision."""
    return _method_of


@pytest.fixture
def random_views() -> Callable[..., list[Tensor]]:
    """Makes batches of random views."""
    return _random_views


@pytest.fixture
def assert_same_gradients() -> Callable[[Any, Tensor, Tensor], None]:
    """Asserts that two losses agree, and so do their gradients by every trained parameter."""
    return _assert_same_gradients


@pytest.fixture
def encoder_passes() -> Callable[[Any], tuple[int, int]]:
    """Counts how often one step passes views through the online and through the slow encoder."""
    return _encoder_passes


@pytest.fixture
def formulas() -> SimpleNamespace:
    """The parts that several methods' formulas have in common."""
    return SimpleNamespace(
        head=_head, distance=_distance, byol=_byol, nearest=_nearest, projections=_projections
    )
