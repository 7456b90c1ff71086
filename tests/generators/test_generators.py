"""Generators: sizes, taps, attention heads and adaptive norms, and what they refuse."""

from collections.abc import Callable
from functools import partial

import pytest
import torch

from gankit.attention.cam import CAM
from gankit.attention.mask import MaskAttention
from gankit.attention.timm_heads import SE
from gankit.generators.resnet import ResnetGenerator
from gankit.generators.trunk import ResidualGenerator
from gankit.generators.ugatit import UGATITGenerator
from gankit.generators.unet import UNetGenerator
from gankit.init import Init, initialize
from gankit.methods.base import image_of
from gankit.norms.adain import AdaIN
from gankit.norms.adalin import LIN, AdaLIN
from gankit.norms.group import GroupNorm
from gankit.norms.instance import InstanceNorm
from gankit.norms.layer import LayerNorm
from gankit.norms.none import NoNorm
from gankit.slots import Translated

resnet = partial(ResnetGenerator, channels=4, blocks=2)
ugatit = partial(UGATITGenerator, channels=4, blocks=1)
unet = partial(UNetGenerator, channels=4, downs=5)


def parameters(net):
    return sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (ResnetGenerator, 11_378_179),
        (partial(ResnetGenerator, blocks=6), 7_837_699),
        (UNetGenerator, 54_413_955),
        (partial(UNetGenerator, downs=7), 41_828_995),
        (UGATITGenerator, 10_589_888),
        (partial(UGATITGenerator, light=False), 278_959_808),
    ],
)
def test_as_many_parameters_as_the_reference_code(make, count):
    with torch.device("meta"):
        assert parameters(make(3, 3)) == count


@pytest.mark.parametrize(
    "make",
    [
        resnet,
        partial(resnet, down="antialiased", up="antialiased"),
        partial(resnet, up="nearest", padding="replicate", dropout=True),
        partial(resnet, padding="zero", ends="zero", geometry="tensorflow", relu_after_sum=True),
        partial(resnet, norm=NoNorm, blocks=0),
        partial(ugatit, attention=None),
        unet,
        partial(unet, norm=InstanceNorm, dropout=False),
    ],
)
def test_image_in_image_out(make):
    net = make(3, 2)
    x = torch.rand(2, 3, 32, 64) * 2 - 1
    y = net(x)
    assert y.shape == (2, 2, 32, 64) and y.abs().max() <= 1
    assert net.offers == frozenset()
    y.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters() if p.requires_grad)


@pytest.mark.parametrize("norm", [AdaLIN, AdaIN, partial(AdaLIN, unbiased=False)])
@pytest.mark.parametrize("attention", [None, CAM])
def test_resnet_serves_adaptive_norms(norm, attention):
    net = resnet(3, 3, norm=norm, attention=attention)
    kinds = {type(m) for m in net.modules()}
    assert getattr(norm, "func", norm) in kinds
    out = net(torch.rand(2, 3, 32, 32))
    image = out.image if attention else out
    image.square().sum().backward()
    assert net.style.gamma.weight.grad.any() and net.style.beta.weight.grad.any()
    assert all(p.grad is not None for n, p in net.named_parameters() if "rho" in n or "style" in n)


def test_doublings_take_the_companion_of_an_adaptive_norm():
    assert isinstance(resnet(3, 3, norm=AdaLIN).up[0].norm, LIN)
    assert isinstance(resnet(3, 3, norm=AdaIN).up[0].norm, InstanceNorm)


def test_the_style_depends_on_the_picture():
    net = resnet(3, 3, norm=AdaIN)
    seen = []
    net.style.register_forward_hook(lambda module, args, style: seen.append(style))
    net(torch.rand(2, 3, 32, 32))
    gamma = seen[0]["gamma"]
    assert gamma.shape == (2, 16) and not torch.equal(gamma[0], gamma[1])


@pytest.mark.parametrize(
    ("head", "offers"),
    [(CAM, {"attention", "logits"}), (partial(MaskAttention, channels=4), {"attention"}), (SE, set())],
)
@pytest.mark.parametrize("make", [resnet, ugatit])
def test_any_head_fits(make, head, offers):
    net = make(3, 3, attention=head)
    translated = net(torch.rand(1, 3, 32, 40))
    assert isinstance(translated, Translated) and net.offers == offers
    assert {name for name in ("attention", "logits") if getattr(translated, name) is not None} == offers
    if "attention" in offers:
        assert translated.attention.shape == (1, 1, 8, 10)


@pytest.mark.parametrize("norm", [InstanceNorm, LayerNorm, GroupNorm, AdaIN])
def test_norms_of_ugatit_can_be_exchanged(norm):
    out = ugatit(3, 3, norm=norm)(torch.rand(1, 3, 16, 16))
    assert out.image.shape == (1, 3, 16, 16)


def test_full_ugatit_takes_one_size():
    net = ugatit(3, 3, light=False, image_size=32)
    assert net(torch.rand(1, 3, 32, 32)).image.shape == (1, 3, 32, 32)
    with pytest.raises(ValueError, match="sides must be 32; got 64x32"):
        net(torch.rand(1, 3, 64, 32))


@pytest.mark.parametrize("make", [resnet, ugatit, unet, partial(resnet, down="antialiased", up="antialiased")])
def test_every_tap_can_be_asked_for(make):
    net = make(3, 3).eval()
    x = torch.rand(1, 3, 32, 32)
    names = list(net.feature_names)
    features = net.features(x, names)
    assert len({*names}) == len(names) == len(features)
    assert all(f.shape[0] == 1 and f.isfinite().all() for f in features)
    some = [names[3], names[0], names[3]]
    for ours, expected in zip(net.features(x, some), (features[3], features[0], features[3]), strict=True):
        assert torch.equal(ours, expected)


def test_taps_stop_early():
    net, ran = resnet(3, 3), []
    net.up[0].register_forward_hook(lambda *_: ran.append(True))
    net.features(torch.rand(1, 3, 32, 32), ["stem", "block1"])
    assert not ran


def test_an_unknown_tap_is_named():
    with pytest.raises(ValueError, match="no features are called blok1; there are input, stem"):
        resnet(3, 3).features(torch.rand(1, 3, 32, 32), ["blok1"])


@pytest.mark.parametrize(
    ("make", "shape", "message"),
    [
        (resnet, (1, 3, 65, 64), "sides must be multiples of 4; got 65x64"),
        (resnet, (1, 1, 64, 64), r"expected a batch of shape \(N, 3, H, W\); got \(1, 1, 64, 64\)"),
        (resnet, (3, 64, 64), "expected a batch of shape"),
        (resnet, (1, 3, 4, 64), "sides must be at least 8; got 4x64"),
        (partial(resnet, attention=MaskAttention), (1, 3, 16, 16), "sides must be at least 32"),
        (ugatit, (1, 3, 18, 16), "sides must be multiples of 4; got 18x16"),
        (unet, (1, 3, 48, 32), "sides must be multiples of 32; got 48x32"),
    ],
)
def test_wrong_images_are_refused(make, shape, message):
    with pytest.raises(ValueError, match=message):
        make(3, 3)(torch.zeros(shape))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(unet, norm=AdaLIN), "no style to give to the adaptive norm AdaLIN"),
        (partial(resnet, norm=AdaLIN, blocks=0), "AdaLIN needs at least one residual block"),
        (partial(ugatit, encoder_norm=AdaLIN), "encoder_norm cannot be adaptive"),
        (partial(ugatit, decoder_norm=AdaIN), "decoder_norm cannot be adaptive"),
        (partial(ugatit, light=False, image_size=30), "image_size must be a multiple of 4; got 30"),
    ],
)
def test_wrong_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make(3, 3)


@pytest.mark.parametrize("make", [ResnetGenerator, UGATITGenerator])
@pytest.mark.parametrize("kind", ["normal", "kaiming", "orthogonal"])
def test_a_residual_image_begins_as_a_copy_and_learns(make: Callable[..., ResidualGenerator], kind: Init) -> None:
    net = initialize(make(3, 3, channels=4, blocks=1, residual_image=True), kind)
    x = torch.rand(2, 3, 16, 16) * 2 - 1
    copied = image_of(net(x))
    torch.testing.assert_close(copied, x.clamp(-0.99, 0.99), atol=1e-6, rtol=0)
    copied.square().mean().backward()
    weight = dict(net.head.named_parameters())["weight"]
    assert weight.grad is not None and weight.grad.abs().max() > 0
    with torch.no_grad():
        weight.add_(weight.grad, alpha=-1000)
    assert image_of(net(x)).abs().max() <= 1 and not torch.equal(image_of(net(x)), copied)


@pytest.mark.parametrize("make", [ResnetGenerator, UGATITGenerator])
def test_a_gated_residual_image_nearly_copies_and_can_put_another_picture_in_its_place(
    make: Callable[..., ResidualGenerator],
) -> None:
    net = make(3, 3, channels=4, blocks=1, residual_image="gated")
    x = torch.rand(2, 3, 16, 16) * 2 - 1
    near = image_of(net(x))
    torch.testing.assert_close(near, x, atol=0.05, rtol=0)
    near.square().mean().backward()
    weight = dict(net.head.named_parameters())["weight"]
    assert weight.shape[0] == 4 and weight.grad is not None and weight.grad[-1].abs().max() > 0

    drawn = torch.rand(2, 4, 16, 16)
    drawn[:, -1] = torch.linspace(-10, 10, 16)
    image = net._image(drawn, x)
    kept = 1 - torch.sigmoid(drawn[:, -1:] - 3)
    torch.testing.assert_close(image.atanh(), kept * x.clamp(-0.99, 0.99).atanh() + drawn[:, :-1], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(image[..., -1], drawn[:, :-1, :, -1].tanh(), atol=5e-3, rtol=0)


@pytest.mark.parametrize("make", [ResnetGenerator, UGATITGenerator])
def test_a_residual_image_needs_the_channels_of_the_image(make: Callable[..., ResidualGenerator]) -> None:
    with pytest.raises(ValueError, match="as many channels of the result as of the image; got 1 and 3"):
        make(1, 3, residual_image=True)
    with pytest.raises(ValueError, match="residual_image must be true, false or 'gated', not 'gatd'"):
        make(3, 3, residual_image="gatd")


def test_a_residual_image_is_not_computed_in_tiles_that_lack_the_image() -> None:
    assert ResnetGenerator(3, 3, channels=4, blocks=1).stages()
    assert not ResnetGenerator(3, 3, channels=4, blocks=1, residual_image=True).stages()
