import torch
from mtneuro_ssl.mining import nearest_positions


def test_mining_agrees_with_brute_force():
    generator = torch.Generator().manual_seed(0)
    queries, pool = (torch.randn(n, 16, generator=generator) for n in (20, 31))
    own, others = torch.arange(20), torch.randperm(31, generator=generator)
    cosine = torch.cosine_similarity(queries[:, None], pool[None], dim=2)
    assert torch.equal(nearest_positions(queries, pool), cosine.argmax(1))
    allowed = torch.where(own[:, None] == others[None], -2.0, cosine)
    assert torch.equal(nearest_positions(queries, pool, forbidden=(own, others)), allowed.argmax(1))


def test_a_sample_finds_itself_unless_that_is_forbidden():
    features = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
    own = torch.arange(9)
    assert torch.equal(nearest_positions(features, features), own)
    assert not (nearest_positions(features, features, forbidden=(own, own)) == own).any()


def test_the_nearest_by_the_euclidean_distance_agrees_with_brute_force():
    generator = torch.Generator().manual_seed(0)
    queries, pool = (torch.randn(n, 16, generator=generator) for n in (20, 31))
    distance = (queries[:, None] - pool[None]).square().sum(2)
    found = nearest_positions(queries, pool, distance="l2")
    assert torch.equal(found, distance.argmin(1))
    assert not torch.equal(found, nearest_positions(queries, pool))
