"""VNetLight: its parameters, counted by hand, and its stem."""

import torch
from mtneuro_seg import VNetLight


def conv(before: int, after: int, taps: int) -> int:
    return before * after * taps + after


def test_vnetlight_has_the_parameters_of_its_description():
    def residual(width: int, times: int) -> int:
        return times * (conv(width, width, 125) + 2 * width)

    def halving(width: int) -> int:
        return conv(width // 2, width, 8) + 2 * width

    def doubling(before: int, width: int) -> int:
        return conv(before, width // 2, 8) + width

    expected = conv(1, 16, 125) + 32
    expected += (
        halving(32) + residual(32, 1) + halving(64) + residual(64, 2) + halving(128) + residual(128, 3)
    )
    expected += doubling(128, 128) + residual(128, 2)
    expected += doubling(128, 64) + residual(64, 1) + doubling(64, 32) + residual(32, 1)
    expected += conv(32, 4, 125) + 8 + conv(4, 4, 1)
    assert sum(p.numel() for p in VNetLight(classes=4, activation="elu").parameters()) == expected


def test_the_papers_form_has_the_parameters_that_were_counted_in_the_original():
    assert sum(p.numel() for p in VNetLight(classes=4).parameters()) == 12_247_988


def test_vnetlight_repeats_its_input_over_the_stem():
    net = VNetLight(classes=2).eval()
    for parameter in net.stem.parameters():
        torch.nn.init.zeros_(parameter)
    seen: list[torch.Tensor] = []
    net.down32.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    image = torch.rand(1, 1, 8, 8, 8)
    with torch.no_grad():
        net(image)
    torch.testing.assert_close(seen[0], image.expand(1, 16, 8, 8, 8))
