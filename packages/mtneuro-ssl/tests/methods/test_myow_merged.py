import pytest
import torch
from mtneuro_ssl.methods.myow import Candidates

POOL = 7


@pytest.mark.parametrize("again", [True, False])
def test_myow_merged_is_its_formula(again, method_of, random_views, formulas, assert_same_gradients):
    method = method_of("myow-m", batch_size=POOL, reencode_mined=again)
    v1, v2, v3 = random_views(3)
    (pool,) = random_views(1, POOL)
    mined, _ = method.mined_loss(Candidates(view=v3, pool=pool, pool_positions=torch.arange(POOL)))
    ours = (method.loss(v1, v2) + 0.1 * mined) / 1.1

    y3, u = method.encoder(v3), method.target_encoder(pool)
    chosen = formulas.nearest(y3, u, None, None)
    ahead = formulas.distance(
        formulas.head(method.predictor, formulas.head(method.projector, y3)),
        # Again in a batch of their own, whose statistics differ from those of the whole pool.
        formulas.head(method.target_projector, method.target_encoder(pool[chosen]) if again else u[chosen]),
    )
    back = formulas.distance(
        formulas.head(method.predictor, formulas.head(method.projector, method.encoder(pool[chosen]))),
        formulas.head(method.target_projector, method.target_encoder(v3)),
    )
    literal = (formulas.byol(method, v1, v2) + 0.1 * (ahead + back) / 2) / 1.1
    assert_same_gradients(method, ours, literal)


def test_a_step_passes_no_view_twice(method_of, encoder_passes):
    assert encoder_passes(method_of("myow-m").float()) == (4, 5)
    assert encoder_passes(method_of("myow-m", reencode_mined=False).float()) == (4, 4)
    assert encoder_passes(method_of("myow-m", mined_weight=0).float()) == (2, 2)
