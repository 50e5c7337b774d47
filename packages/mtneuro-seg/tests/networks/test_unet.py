"""The plain U-Net: its parameters, counted by hand."""

from mtneuro_seg import PlainUNet


def conv(before: int, after: int, taps: int) -> int:
    return before * after * taps + after


def test_the_plain_unet_has_the_parameters_of_its_description():
    # Two levels of 4 and 8 filters: each 3x3 convolution is followed by a batch normalisation (2 a channel).
    down = conv(1, 4, 9) + 8 + conv(4, 4, 9) + 8 + conv(4, 8, 9) + 16 + conv(8, 8, 9) + 16
    up = conv(8, 4, 4) + 8 + conv(8, 4, 9) + 8 + conv(4, 4, 9) + 8
    net = PlainUNet(axes=2, classes=3, filters=4, levels=2)
    assert sum(p.numel() for p in net.parameters()) == down + up + conv(4, 3, 1)
