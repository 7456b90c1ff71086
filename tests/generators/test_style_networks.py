"""Networks of style transfer and super-resolution."""

from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from gankit.generators.espcn import ESPCNGenerator
from gankit.generators.fast_style import FastStyleGenerator
from gankit.generators.johnson import OVERSHOOT, JohnsonGenerator
from gankit.generators.super_resolution import JohnsonSRGenerator
from gankit.norms.adain import AdaIN
from gankit.norms.instance import InstanceNorm
from gankit.norms.none import NoNorm
from gankit.resample import blur, enlarge, shrink

johnson = partial(JohnsonGenerator, channels=4)


def parameters(net):
    return sum(p.numel() for p in net.parameters())


def test_as_many_parameters_as_the_reference_code():
    with torch.device("meta"):
        assert parameters(FastStyleGenerator(3, 3)) == 1_679_235
        assert parameters(ESPCNGenerator(1, 1, factor=3)) == 59_657


def test_forty_pixels_of_padding_give_the_size_back():
    """The paper's arithmetic: 256 + 2*40 -> 256, for five blocks without padding at a quarter of the size."""
    net = johnson(3, 3)
    seen = []
    net.stem.register_forward_hook(lambda module, args, out: seen.append(args[0].shape))
    net.up[0].register_forward_hook(lambda module, args, out: seen.append(args[0].shape))
    assert net(torch.zeros(1, 3, 256, 256)).shape == (1, 3, 256, 256)
    assert [tuple(s[2:]) for s in seen] == [(336, 336), (64, 64)]
    net.pad.amount = 0
    assert net(torch.zeros(1, 3, 256, 256)).shape == (1, 3, 176, 176)


def test_the_identity_branch_is_cropped():
    block = johnson(3, 3).blocks[0]
    for p in block.parameters():
        p.data.zero_()
    x = torch.rand(1, 16, 10, 12)
    assert torch.equal(block(x), x[:, :, 2:-2, 2:-2])


@pytest.mark.parametrize(
    "net", [johnson(3, 3, blocks=1, norm=NoNorm), JohnsonSRGenerator(3, 3, channels=4, blocks=1, norm=NoNorm)]
)
def test_the_scaled_tanh_overshoots_in_training_alone(net):
    net.head.bias.data.fill_(9)
    x = torch.zeros(1, 3, 16, 16)
    assert net.train()(x).max().item() == pytest.approx(OVERSHOOT)
    assert net.eval()(x).max() == 1


def test_fast_style_rounds_odd_sizes_up():
    net = FastStyleGenerator(3, 3, channels=4, blocks=1)
    assert net(torch.zeros(1, 3, 37, 42)).shape == (1, 3, 40, 44)
    assert FastStyleGenerator(3, 3, channels=(3, 5, 7), blocks=1)(torch.zeros(1, 3, 8, 8)).shape == (1, 3, 8, 8)


@pytest.mark.parametrize("factor", [2, 4, 8])
@pytest.mark.parametrize(
    "make", [partial(JohnsonSRGenerator, channels=4, blocks=1), partial(ESPCNGenerator, channels=4)]
)
def test_super_resolution_enlarges_any_size(make, factor):
    net = make(3, 3, factor=factor).eval()
    assert net(torch.zeros(1, 3, 5, 7)).shape == (1, 3, 5 * factor, 7 * factor)


def test_add_bicubic_starts_near_the_enlargement():
    net = JohnsonSRGenerator(3, 3, channels=8, blocks=1, norm=NoNorm, add_bicubic=True)
    x = torch.rand(1, 3, 12, 12)
    assert (net(x) - enlarge(x, 4)).abs().mean() < 0.05
    net.head.weight.data.zero_()
    torch.testing.assert_close(net(x), enlarge(x, 4))


def test_espcn_leaves_colours_to_the_bicubic_filter():
    net = ESPCNGenerator(3, 3, factor=4, channels=4)
    x = torch.rand(1, 3, 8, 8) * 2 - 1
    chroma = torch.einsum("oc,nchw->nohw", net.to_ycc[1:], net(x))
    torch.testing.assert_close(chroma, enlarge(torch.einsum("oc,nchw->nohw", net.to_ycc[1:], x), 4), atol=1e-5, rtol=0)
    assert ESPCNGenerator(3, 3, channels=4, colour="rgb").layers[0].in_channels == 3


@pytest.mark.parametrize("make", [johnson, FastStyleGenerator, JohnsonSRGenerator])
def test_adaptive_norms_are_refused(make):
    with pytest.raises(ValueError, match="no style to give to the adaptive norm AdaIN"):
        make(3, 3, norm=AdaIN)


@pytest.mark.parametrize(
    ("make", "shape", "message"),
    [
        (johnson, (1, 3, 44, 46), "sides must be multiples of 4; got 44x46"),
        (johnson, (1, 3, 40, 40), "sides must be at least 44; got 40x40"),
        (FastStyleGenerator, (1, 1, 16, 16), "expected a batch of shape"),
    ],
)
def test_wrong_pictures_are_refused(make, shape, message):
    with pytest.raises(ValueError, match=message):
        make(3, 3)(torch.zeros(shape))


def test_unequal_channels_are_refused():
    with pytest.raises(ValueError, match="gives the channels that it takes"):
        ESPCNGenerator(3, 1)
    with pytest.raises(ValueError, match="as many channels out as in"):
        JohnsonSRGenerator(3, 1, add_bicubic=True)


# -- resampling --------------------------------------------------------------------------------------------------------
def test_resampling_is_pils():
    x = torch.rand(32, 24)

    def theirs(width: int, height: int) -> Tensor:
        return torch.from_numpy(np.array(Image.fromarray(x.numpy()).resize((width, height), Image.Resampling.BICUBIC)))

    torch.testing.assert_close(enlarge(x[None, None], 4)[0, 0], theirs(96, 128), atol=1e-5, rtol=0)
    torch.testing.assert_close(shrink(x[None, None], 4)[0, 0], theirs(6, 8), atol=1e-5, rtol=0)


def test_the_blur_is_a_gaussian():
    point = torch.zeros(1, 1, 15, 15)
    point[..., 7, 7] = 1
    seen = blur(point, 1.0)
    assert seen.sum() == pytest.approx(1, abs=1e-5)
    assert seen[0, 0, 7, 8] / seen[0, 0, 7, 7] == pytest.approx(torch.tensor(-0.5).exp().item(), rel=1e-4)
    assert (seen - seen.transpose(2, 3)).abs().max() < 1e-7
    assert blur(point, 0) is point
    assert F.l1_loss(blur(torch.ones(1, 3, 6, 6), 1.0), torch.ones(1, 3, 6, 6)) < 1e-6


def test_johnson_takes_any_norm():
    net = johnson(3, 3, blocks=1, norm=partial(InstanceNorm, affine=True))
    net(torch.rand(1, 3, 16, 20)).square().sum().backward()
    assert all(p.grad is not None for p in net.parameters() if p.requires_grad)
