import math

import pytest
import torch
from mtneuro_ssl.methods.myow import Candidates

BATCH, POOL = 5, 7


@pytest.mark.parametrize("exclude_self", [True, False])
def test_myow_is_its_formula(exclude_self, method_of, random_views, formulas, assert_same_gradients):
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
    chosen = formulas.nearest(y3, u, own if exclude_self else None, others)
    assert found.tolist() == chosen
    p = formulas.head(
        method.mined_predictor, formulas.head(method.mined_projector, formulas.head(method.projector, y3))
    )
    z = formulas.head(method.target_mined_projector, formulas.head(method.target_projector, u[chosen]))
    literal = (formulas.byol(method, v1, v2) + weight * formulas.distance(p, z)) / (1 + weight)
    assert_same_gradients(method, ours, literal)


def test_a_step_passes_no_view_twice(method_of, encoder_passes):
    assert encoder_passes(method_of("myow").float()) == (3, 3)


def test_while_its_weight_is_0_the_mined_term_is_left_out(method_of, encoder_passes):
    method = method_of("myow", mined_delay_fraction=0.6)
    assert encoder_passes(method.float()) == (2, 2)
    logs = method.step_logs(method.draw_at(5))
    assert logs["loss"] == logs["view_loss"]
    assert math.isnan(logs["mined_loss"])
    assert math.isnan(logs["mined_accuracy"])
    logs["loss"].backward()
    # Several processes wait for a gradient of each parameter.
    assert all(p.grad is not None for p in method.parameters() if p.requires_grad)
    assert all((p.grad == 0).all() for p in method.mined_predictor.parameters())


def test_side_by_side_the_second_projector_takes_the_encoders_features(
    method_of, random_views, formulas, assert_same_gradients
):
    method = method_of("myow", batch_size=POOL, mined_layout="parallel")
    (v3,), (pool,) = random_views(1), random_views(1, POOL)
    mined, found = method.mined_loss(Candidates(view=v3, pool=pool, pool_positions=torch.arange(POOL)))
    y3, u = method.encoder(v3), method.target_encoder(pool)
    assert found.tolist() == formulas.nearest(y3, u, None, None)
    p = formulas.head(method.mined_predictor, formulas.head(method.mined_projector, y3))
    literal = formulas.distance(p, formulas.head(method.target_mined_projector, u[found]))
    assert_same_gradients(method, mined, literal)


def test_candidates_may_be_searched_as_the_online_encoder_sees_them(
    method_of, random_views, formulas, assert_same_gradients
):
    method = method_of("myow", batch_size=POOL, mined_candidates="online")
    (v3,), (pool,) = random_views(1), random_views(1, POOL)
    mined, found = method.mined_loss(Candidates(view=v3, pool=pool, pool_positions=torch.arange(POOL)))
    y3 = method.encoder(v3)
    assert found.tolist() == formulas.nearest(y3, method.encoder(pool), None, None)
    p = formulas.head(
        method.mined_predictor, formulas.head(method.mined_projector, formulas.head(method.projector, y3))
    )
    u = method.target_encoder(pool[found])
    z = formulas.head(method.target_mined_projector, formulas.head(method.target_projector, u))
    assert_same_gradients(method, mined, formulas.distance(p, z))


def test_the_pool_may_be_larger_than_a_batch(method_of):
    method = method_of("myow", pool_size=12).float()
    candidates = method.candidates(method.draw_at(0))
    assert len(candidates.pool) == 12
    assert torch.isfinite(method.mined_loss(candidates)[0])


def test_a_mined_sample_is_one_of_the_nearest(method_of):
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


def test_the_history_has_how_often_a_mined_sample_has_the_same_label(method_of):
    method = method_of("myow").float()
    logs = method.step_logs(method.draw_at(5))
    assert 0 <= logs["mined_accuracy"] <= 1
    method.labels = torch.zeros(12, dtype=torch.int64)
    assert method.step_logs(method.draw_at(5))["mined_accuracy"] == 1
    method.labels = None
    assert "mined_accuracy" not in method.step_logs(method.draw_at(5))
