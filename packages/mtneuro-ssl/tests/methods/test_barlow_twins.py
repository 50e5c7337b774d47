import torch


def test_barlow_twins_is_its_formula(method_of, random_views, formulas, assert_same_gradients):
    method = method_of("barlow-twins")
    v1, v2 = random_views(2)
    a, b = (
        (z - z.mean(0)) / torch.sqrt(z.var(0, correction=0) + 1e-5)
        for z in formulas.projections(method, v1, v2)
    )
    c = a.T @ b / len(v1)
    literal = torch.zeros((), dtype=torch.float64)
    for i in range(len(c)):
        for j in range(len(c)):
            literal = literal + ((1 - c[i, i]) ** 2 if i == j else 0.005 * c[i, j] ** 2)
    assert_same_gradients(method, method.loss(v1, v2), literal)
