"""Each method's loss and gradient against its formula, written out slowly in double precision."""

from typing import Any

import numpy as np
import pytest
import torch
from mtneuro_ssl import TrainSettings
from mtneuro_ssl.methods.base import Draw
from mtneuro_ssl.methods.myow import Candidates
from mtneuro_ssl.schedules import target_momentum
from mtneuro_ssl.training import new_method
from torch import Tensor

BATCH, POOL = 5, 7


def method_of(name: str, **changes: object) -> Any:
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


def random_views(count: int, size: int = BATCH) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(size, 1, 8, 8, generator=generator, dtype=torch.float64) for _ in range(count)]


def literal_head(head: Any, x: Tensor) -> Tensor:
    """W2 max(0, gamma (W1 x + b1 - mean) / sqrt(var + eps) + beta)."""
    first, norm, _, second = head.layers
    y = x @ first.weight.T + first.bias
    mean = y.sum(0) / len(y)
    variance = ((y - mean) ** 2).sum(0) / len(y)
    y = norm.weight * (y - mean) / torch.sqrt(variance + 1e-5) + norm.bias
    assert second.bias is None
    return torch.clamp(y, min=0) @ second.weight.T


def literal_distance(p: Tensor, z: Tensor) -> Tensor:
    """The mean over samples of 2 - 2 p.z / (|p| |z|)."""
    total = torch.zeros((), dtype=torch.float64)
    for a, b in zip(p, z.detach(), strict=True):
        total = total + 2 - 2 * (a * b).sum() / torch.sqrt((a * a).sum() * (b * b).sum())
    return total / len(p)


def literal_byol(m: Any, v1: Tensor, v2: Tensor) -> Tensor:
    q1, q2 = (literal_head(m.predictor, literal_head(m.projector, m.encoder(v))) for v in (v1, v2))
    z1, z2 = (literal_head(m.target_projector, m.target_encoder(v)) for v in (v1, v2))
    return literal_distance(q1, z2) / 2 + literal_distance(q2, z1) / 2


def literal_mined(online: Tensor, features: Tensor, own: Tensor | None, pool: Tensor | None) -> list[int]:
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


def assert_same_gradients(method: Any, ours: Tensor, literal: Tensor) -> None:
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


def test_byol_is_its_formula():
    method = method_of("byol")
    v1, v2 = random_views(2)
    assert_same_gradients(method, method.loss(v1, v2), literal_byol(method, v1, v2))


@pytest.mark.parametrize("exclude_self", [True, False])
def test_myow_is_its_formula(exclude_self):
    method = method_of("myow", batch_size=POOL, exclude_self=exclude_self)
    v1, v2, v3 = random_views(3)
    (pool,) = random_views(1, POOL)
    own, others = torch.arange(BATCH), torch.arange(POOL).roll(2)
    weight = method.weight_at(1) if exclude_self else 0.07

    candidates = Candidates(
        view=v3, pool=pool, pool_positions=others, view_positions=own if exclude_self else None
    )
    mined, found = method.mined_loss(candidates)
    ours = (method.loss(v1, v2) + weight * mined) / (1 + weight)

    y3, u = method.encoder(v3), method.target_encoder(pool)
    chosen = literal_mined(y3, u, own if exclude_self else None, others)
    assert found.tolist() == chosen
    p = literal_head(
        method.mined_predictor, literal_head(method.mined_projector, literal_head(method.projector, y3))
    )
    z = literal_head(method.target_mined_projector, literal_head(method.target_projector, u[chosen]))
    literal = (literal_byol(method, v1, v2) + weight * literal_distance(p, z)) / (1 + weight)
    assert_same_gradients(method, ours, literal)


def test_myow_merged_is_its_formula():
    method = method_of("myow-m", batch_size=POOL)
    v1, v2, v3 = random_views(3)
    (pool,) = random_views(1, POOL)
    mined, _ = method.mined_loss(Candidates(view=v3, pool=pool, pool_positions=torch.arange(POOL)))
    ours = (method.loss(v1, v2) + 0.1 * mined) / 1.1

    y3, u = method.encoder(v3), method.target_encoder(pool)
    chosen = literal_mined(y3, u, None, None)
    ahead = literal_distance(
        literal_head(method.predictor, literal_head(method.projector, y3)),
        literal_head(method.target_projector, u[chosen]),
    )
    back = literal_distance(
        literal_head(method.predictor, literal_head(method.projector, method.encoder(pool[chosen]))),
        literal_head(method.target_projector, method.target_encoder(v3)),
    )
    literal = (literal_byol(method, v1, v2) + 0.1 * (ahead + back) / 2) / 1.1
    assert_same_gradients(method, ours, literal)


def projections(method: Any, v1: Tensor, v2: Tensor) -> list[Tensor]:
    return [method.projector(method.encoder(view)) for view in (v1, v2)]


def literal_simsiam(m: Any, v1: Tensor, v2: Tensor) -> Tensor:
    z1, z2 = projections(m, v1, v2)
    total = torch.zeros((), dtype=torch.float64)
    for p, z in ((m.predictor(z1), z2), (m.predictor(z2), z1)):
        total = total + (literal_distance(p, z) - 2) / 2
    return total / 2


def literal_simclr(m: Any, v1: Tensor, v2: Tensor) -> Tensor:
    both = torch.cat(projections(m, v1, v2))
    unit = both / both.norm(dim=1, keepdim=True)
    total = torch.zeros((), dtype=torch.float64)
    for i in range(2 * BATCH):
        partner = (i + BATCH) % (2 * BATCH)
        others = torch.stack([torch.exp(unit[i] @ unit[j] / 0.5) for j in range(2 * BATCH) if j != i])
        total = total - torch.log(torch.exp(unit[i] @ unit[partner] / 0.5) / others.sum())
    return total / (2 * BATCH)


def literal_vicreg(m: Any, v1: Tensor, v2: Tensor) -> Tensor:
    a, b = projections(m, v1, v2)
    loss = 25 * ((a - b) ** 2).sum() / a.numel()
    for z in (a, b):
        centred = z - z.sum(0) / BATCH
        covariance = centred.T @ centred / (BATCH - 1)
        loss = loss + 25 / 2 * torch.clamp(1 - torch.sqrt(covariance.diagonal() + 1e-4), min=0).mean()
        loss = loss + ((covariance**2).sum() - (covariance.diagonal() ** 2).sum()) / z.shape[1]
    return loss


def literal_barlow(m: Any, v1: Tensor, v2: Tensor) -> Tensor:
    a, b = ((z - z.mean(0)) / torch.sqrt(z.var(0, correction=0) + 1e-5) for z in projections(m, v1, v2))
    c = a.T @ b / BATCH
    loss = torch.zeros((), dtype=torch.float64)
    for i in range(len(c)):
        for j in range(len(c)):
            loss = loss + ((1 - c[i, i]) ** 2 if i == j else 0.005 * c[i, j] ** 2)
    return loss


def literal_dino(m: Any, v1: Tensor, v2: Tensor) -> Tensor:
    loss = torch.zeros((), dtype=torch.float64)
    for mine, theirs in ((v1, v2), (v2, v1)):
        student = torch.softmax(m.projector(m.encoder(mine)) / 0.1, dim=1)
        teacher = m.target_projector(m.target_encoder(theirs)).detach()
        # lightly keeps the teacher's temperature in single precision.
        teacher = torch.softmax((teacher - 0.25) / float(np.float32(0.04)), dim=1)
        loss = loss - (teacher * torch.log(student)).sum() / BATCH / 2
    return loss


@pytest.mark.parametrize(
    ("name", "literal"),
    [
        ("simsiam", literal_simsiam),
        ("simclr", literal_simclr),
        ("vicreg", literal_vicreg),
        ("barlow-twins", literal_barlow),
        ("dino", literal_dino),
    ],
)
def test_a_method_from_lightly_is_its_formula(name, literal):
    method = method_of(name)
    if name == "dino":
        method.criterion.center.fill_(0.25)
    v1, v2 = random_views(2)
    wanted = literal(method, v1, v2)
    assert_same_gradients(method, method.loss(v1, v2), wanted)


def test_dinos_centre_begins_as_the_first_batchs_mean_and_then_moves_slowly():
    method = method_of("dino")
    v1, v2 = random_views(2)
    method.loss(v1, v2)
    with torch.no_grad():
        teacher = torch.cat([method.target_projector(method.target_encoder(view)) for view in (v1, v2)])
    torch.testing.assert_close(method.criterion.center[0], teacher.mean(0, keepdim=True))
    before = method.criterion.center.clone()
    v3, v4 = random_views(2)
    method.loss(v3 + 1, v4 + 1)
    with torch.no_grad():
        later = torch.cat([method.target_projector(method.target_encoder(view + 1)) for view in (v3, v4)])
    torch.testing.assert_close(method.criterion.center, 0.9 * before + 0.1 * later.mean(0)[None, None])


@pytest.mark.parametrize("name", ["supervised", "supervised+mixup"])
def test_supervised_is_its_formula(name, monkeypatch):
    method = method_of(name, dropout=0.0, mixup_probability=1.0)
    single = Draw.whole
    monkeypatch.setattr(Draw, "whole", lambda draw: single(draw).double())
    draw = method.draw_at(3)
    images, labels = draw.whole(), draw.batch_labels()
    pixels = ((draw.images[draw.positions] / 255 - 0.4894) / 0.1238)[:, None]
    torch.testing.assert_close(images, pixels.double(), rtol=1e-5, atol=1e-5)
    weight, partner = (
        (1.0, torch.arange(BATCH)) if name == "supervised" else method.mixture(method.draw_at(3))
    )
    mixed = weight * images + (1 - weight) * images[partner]
    scores = method.classifier(method.encoder(mixed))
    chance = torch.exp(scores) / torch.exp(scores).sum(1, keepdim=True)
    literal = torch.stack([
        -weight * torch.log(row[labels[i]]) - (1 - weight) * torch.log(row[labels[partner[i]]])
        for i, row in enumerate(chance)
    ]).mean()  # fmt: skip
    assert 0 < weight <= 1
    assert_same_gradients(method, method.step_logs(method.draw_at(3))["loss"], literal)


def test_a_feature_is_dropped_as_often_as_asked_and_the_rest_scaled():
    method = method_of("supervised", dropout=0.25, latent_dim=400).float()
    seen: list[Tensor] = []
    method.classifier.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    method.encoder.forward = lambda images: torch.ones(len(images), 400)
    draw = method.draw_at(0)
    method.scores(draw.whole(), draw)
    assert (seen[0] == 0).float().mean() == pytest.approx(0.25, abs=0.04)
    assert seen[0].unique().tolist() == pytest.approx([0, 1 / 0.75])


def test_the_target_follows_parameters_only():
    method = method_of("byol")
    before = {name: value.clone() for name, value in method.state_dict().items()}
    method.after_step(4)
    momentum = target_momentum(4, 10, base=0.996)
    assert momentum == pytest.approx(1 - 0.004 * (1 + np.cos(np.pi * 0.4)) / 2)
    buffers = {name for name, _ in method.named_buffers()}
    for name, value in method.state_dict().items():
        if name.startswith("target_") and name not in buffers:
            online = before[name.removeprefix("target_")]
            torch.testing.assert_close(value, momentum * before[name] + (1 - momentum) * online)
        else:
            assert torch.equal(value, before[name]), name


@pytest.mark.parametrize(("name", "passes"), [("byol", (2, 2)), ("myow", (3, 3)), ("myow-m", (4, 4))])
def test_a_step_passes_no_view_twice(name, passes):
    method = method_of(name).float()
    counts = {"online": 0, "target": 0}

    def counting(network: str):
        def hook(*_: object) -> None:
            counts[network] += 1

        return hook

    method.encoder.register_forward_hook(counting("online"))
    method.target_encoder.register_forward_hook(counting("target"))
    method.step_logs(method.draw_at(0))
    assert (counts["online"], counts["target"]) == passes


def test_the_pool_may_be_larger_than_a_batch():
    method = method_of("myow", pool_size=12).float()
    candidates = method.candidates(method.draw_at(0))
    assert len(candidates.pool) == 12
    assert torch.isfinite(method.mined_loss(candidates)[0])


def test_a_method_follows_its_schedules_at_every_step():
    method = method_of("myow", warmup_fraction=0.3, mined_rampup_fraction=0.4)
    found = method.configure_optimizers()
    optimizer, schedule = found["optimizer"], found["lr_scheduler"]["scheduler"]
    for t in range(10):
        falling = (1 + np.cos(np.pi * (t - 3) / 7)) / 2
        rate = 0.03 * BATCH / 256 * (t / 3 if t < 3 else falling)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(rate)
        assert method.weight_at(t) == pytest.approx(0.1 * min(t / 4, 1))
        before = [part.clone() for part in method.target_mined_projector.parameters()]
        with torch.no_grad():
            for part in method.mined_projector.parameters():
                part.add_(0.01)
        method.after_step(t)
        momentum = 1 - 0.004 * (1 + np.cos(np.pi * t / 10)) / 2
        for slow, online, old in zip(
            method.target_mined_projector.parameters(),
            method.mined_projector.parameters(),
            before,
            strict=True,
        ):
            torch.testing.assert_close(slow, momentum * old + (1 - momentum) * online, rtol=1e-12, atol=1e-14)
        optimizer.step()
        schedule.step()


def test_the_optimiser_has_the_protocols_settings():
    for name, momentum, decay, rate in (("byol", 0.9, 5e-4, 0.03 * 5 / 256), ("supervised", 0.0, 0.3, 0.03)):
        method = method_of(name)
        group = method.configure_optimizers()["optimizer"].param_groups[0]
        assert (group["momentum"], group["weight_decay"]) == (momentum, decay)
        assert group["initial_lr"] == pytest.approx(rate)
        trained = [p for n, p in method.named_parameters() if not n.startswith("target")]
        assert len(group["params"]) == len(trained)


def test_a_mined_sample_is_one_of_the_nearest():
    method = method_of("myow", mined_neighbours=3).float()
    draw = method.draw_at(0)
    candidates = method.candidates(draw)
    assert candidates.ranks is not None
    assert set(candidates.ranks.tolist()) <= {0, 1, 2}
    online = method.encoder(candidates.view)
    chosen, _ = method.mine(online, candidates)
    target = method.target_encoder(candidates.pool)
    cosine = torch.cosine_similarity(online[:, None], target[None], dim=2)
    own = draw.positions[:, None] == candidates.pool_positions[None]
    order = cosine.masked_fill(own, -2).argsort(dim=1, descending=True)
    assert chosen.tolist() == order[torch.arange(BATCH), candidates.ranks].tolist()


def test_how_often_the_mined_sample_has_the_samples_label_is_told():
    method = method_of("myow").float()
    logs = method.step_logs(method.draw_at(0))
    assert 0 <= logs["mined_accuracy"] <= 1
    method.labels = torch.zeros(12, dtype=torch.int64)
    assert method.step_logs(method.draw_at(0))["mined_accuracy"] == 1
    method.labels = None
    assert "mined_accuracy" not in method.step_logs(method.draw_at(0))
