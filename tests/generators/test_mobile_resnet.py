"""The ResNet of separable blocks: sizes, widths, what it refuses."""

from functools import partial

import pytest
import torch

from gankit.attention.cam import CAM
from gankit.generators.mobile_resnet import MobileResnetGenerator
from gankit.norms.adalin import AdaLIN
from gankit.norms.batch import BatchNorm

small = partial(MobileResnetGenerator, down=(3, 5, 6), inner=(4, 7), up=(5, 2))


@pytest.mark.parametrize(
    ("widths", "count"),
    [
        ({}, 1_987_075),
        # the compressed horse2zebra generator of the authors
        ({"down": (16, 32, 128), "inner": (64,) * 3 + (128,) * 6, "up": (32, 16)}, 356_867),
    ],
)
def test_parameters(widths, count):
    with torch.device("meta"):
        assert sum(p.numel() for p in MobileResnetGenerator(3, 3, **widths).parameters()) == count


@pytest.mark.parametrize("options", [{}, {"norm": BatchNorm, "padding": "zero", "dropout": True}])
def test_image_in_image_out(options):
    net = small(3, 1, **options)
    y = net(torch.rand(2, 3, 16, 20) * 2 - 1)
    assert y.shape == (2, 1, 16, 20) and y.abs().max() <= 1
    y.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters() if p.requires_grad)


def test_taps_and_attention():
    net = small(3, 3, attention=CAM)
    assert net.offers == {"attention", "logits"} and net.feature_names[5:9] == (
        "down2",
        "block1",
        "attention",
        "block2",
    )
    assert net(torch.rand(1, 3, 16, 16)).attention.shape == (1, 1, 4, 4)
    assert net.features(torch.rand(1, 3, 16, 16), ["block2"])[0].shape == (1, 6, 4, 4)


def test_an_adaptive_norm_is_refused():
    with pytest.raises(ValueError, match="no style to give to the adaptive norm AdaLIN"):
        small(3, 3, norm=AdaLIN)
