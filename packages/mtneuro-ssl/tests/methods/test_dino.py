import numpy as np
import torch


def test_dino_is_its_formula(method_of, random_views, assert_same_gradients):
    method = method_of("dino")
    method.criterion.center.fill_(0.25)
    v1, v2 = random_views(2)
    literal = torch.zeros((), dtype=torch.float64)
    for mine, theirs in ((v1, v2), (v2, v1)):
        student = torch.softmax(method.projector(method.encoder(mine)) / 0.1, dim=1)
        teacher = method.target_projector(method.target_encoder(theirs)).detach()
        # lightly keeps the teacher's temperature in single precision.
        teacher = torch.softmax((teacher - 0.25) / float(np.float32(0.04)), dim=1)
        literal = literal - (teacher * torch.log(student)).sum() / len(v1) / 2
    assert_same_gradients(method, method.loss(v1, v2), literal)


def test_dinos_centre_begins_as_the_first_batchs_mean_and_then_moves_slowly(method_of, random_views):
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
