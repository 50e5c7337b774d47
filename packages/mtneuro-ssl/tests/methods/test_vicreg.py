import torch


def test_vicreg_is_its_formula(method_of, random_views, formulas, assert_same_gradients):
    method = method_of("vicreg")
    v1, v2 = random_views(2)
    a, b = formulas.projections(method, v1, v2)
    literal = 25 * ((a - b) ** 2).sum() / a.numel()
    for z in (a, b):
        centred = z - z.sum(0) / len(v1)
        covariance = centred.T @ centred / (len(v1) - 1)
        literal = literal + 25 / 2 * torch.clamp(1 - torch.sqrt(covariance.diagonal() + 1e-4), min=0).mean()
        literal = literal + ((covariance**2).sum() - (covariance.diagonal() ** 2).sum()) / z.shape[1]
    assert_same_gradients(method, method.loss(v1, v2), literal)
