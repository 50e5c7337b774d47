import numpy as np
import torch
from mtneuro_ssl.heads import perceptron


def test_a_head_is_linear_norm_relu_linear_with_the_first_bias_only():
    head = perceptron(3, hidden=5, outputs=2).double()
    weights = {name: value.detach().numpy() for name, value in head.named_parameters()}
    x = np.random.default_rng(0).normal(size=(7, 3))
    first, norm, second = (name.removesuffix(".weight") for name in weights if name.endswith("weight"))
    hidden = x @ weights[f"{first}.weight"].T + weights[f"{first}.bias"]
    hidden = (hidden - hidden.mean(axis=0)) / np.sqrt(hidden.var(axis=0) + 1e-5)
    hidden = hidden * weights[f"{norm}.weight"] + weights[f"{norm}.bias"]
    expected = np.maximum(hidden, 0) @ weights[f"{second}.weight"].T
    np.testing.assert_allclose(head(torch.from_numpy(x)).detach().numpy(), expected, rtol=1e-12)
    assert f"{second}.bias" not in weights
