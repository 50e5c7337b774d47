import torch


def test_simsiam_is_its_formula(method_of, random_views, formulas, assert_same_gradients):
    method = method_of("simsiam")
    v1, v2 = random_views(2)
    z1, z2 = formulas.projections(method, v1, v2)
    total = torch.zeros((), dtype=torch.float64)
    for p, z in ((method.predictor(z1), z2), (method.predictor(z2), z1)):
        total = total + (formulas.distance(p, z) - 2) / 2
    literal = total / 2
    assert_same_gradients(method, method.loss(v1, v2), literal)
