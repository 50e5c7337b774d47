import torch


def test_simclr_is_its_formula(method_of, random_views, formulas, assert_same_gradients):
    method = method_of("simclr")
    v1, v2 = random_views(2)
    both = torch.cat(formulas.projections(method, v1, v2))
    unit = both / both.norm(dim=1, keepdim=True)
    total = torch.zeros((), dtype=torch.float64)
    for i in range(2 * len(v1)):
        partner = (i + len(v1)) % (2 * len(v1))
        others = torch.stack([torch.exp(unit[i] @ unit[j] / 0.5) for j in range(2 * len(v1)) if j != i])
        total = total - torch.log(torch.exp(unit[i] @ unit[partner] / 0.5) / others.sum())
    literal = total / (2 * len(v1))
    assert_same_gradients(method, method.loss(v1, v2), literal)
