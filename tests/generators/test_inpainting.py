"""LBAM and PConv: what they do with masks."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gankit.generators.lbam import LBAM
from gankit.generators.lbam_layers import (
    Activation,
    AsymmetricGaussian,
    ForwardAttention,
    MaskUpdate,
    ReverseAttention,
    ReverseMask,
)
from gankit.generators.pconv import PConvUNet
from gankit.generators.pconv_layers import PartialConv2d


def picture(side: int = 32, n: int = 2) -> tuple[Tensor, Tensor]:
    draws = torch.Generator().manual_seed(0)
    hole = torch.zeros(n, 1, side, side)
    hole[..., side // 4 : side // 2, side // 4 :] = 1
    return torch.rand(n, 3, side, side, generator=draws) * 2 - 1, hole


def test_the_asymmetric_gaussian() -> None:
    g = AsymmetricGaussian(a=3.0, mu=1.0, left=0.5, right=2.0)
    m = torch.tensor([-50.0, 0.0, 1.0, 2.0, 50.0])
    expected = [0.0, 3 * torch.tensor(-0.5).exp().item(), 3.0, 1 + 2 * torch.tensor(-2.0).exp().item(), 1.0]
    torch.testing.assert_close(g(m), torch.tensor(expected))


def test_a_parameter_beyond_its_bounds_is_moved_back_and_still_learns() -> None:
    g = AsymmetricGaussian(a=9.0, mu=5.0)
    before = g.eval()(torch.ones(3))
    assert (g.a.item(), g.mu.item()) == (9.0, 5.0)  # evaluation leaves the network as it is
    after = g.train()(torch.ones(3))
    assert (g.a.item(), g.mu.item()) == (6.0, 3.0)
    assert torch.equal(before, after)
    after.sum().backward()
    assert g.a.grad is not None and g.a.grad.item() > 0  # a clamp in the forward would have masked it


def test_two_forwards_before_a_backward() -> None:
    g = AsymmetricGaussian(a=9.0)
    (g(torch.ones(2)).sum() + g(torch.zeros(2)).sum()).backward()
    assert g.a.grad is not None and g.a.grad.isfinite()


def test_the_mask_update_has_no_slope_where_nothing_is_known() -> None:
    m = torch.tensor([-1.0, 0.0, 1e-30, 1.0], requires_grad=True)
    y = MaskUpdate()(m)
    y.sum().backward()
    assert m.grad is not None and m.grad.isfinite().all() and m.grad[:2].tolist() == [0, 0]
    with torch.autocast("cpu", torch.bfloat16):
        assert MaskUpdate()(m.bfloat16()).dtype == torch.float32


def test_a_layer_for_plain_python() -> None:
    layer = ForwardAttention(4, 6, 3, kernel=7, padding=3, activation="relu", bias=True)
    found = layer(torch.rand(2, 4, 20, 24), torch.ones(2, 3, 20, 24))
    assert all(part.shape == (2, 6, 10, 12) for part in found)
    torch.testing.assert_close(found.features, torch.relu(found.before * found.map))


@pytest.mark.parametrize("make", [LBAM, PConvUNet])
def test_what_the_hole_shows_is_not_looked_at(make) -> None:
    torch.manual_seed(0)
    net = make(3, 3, channels=4, downs=3).eval()
    x, hole = picture()
    assert torch.equal(net(x, hole), net(torch.where(hole > 0, 0.7, x), hole))
    assert not torch.equal(net(x, hole), net(x, hole.flip(-1)))


@pytest.mark.parametrize("make", [LBAM, PConvUNet])
def test_what_is_refused(make) -> None:
    from gankit.norms.adain import AdaIN

    net = make(3, 3, channels=2, downs=3)
    x, hole = picture()
    with pytest.raises(ValueError, match=r"the holes of pictures \(2, 3, 32, 32\) are \(2, 1, 32, 32\); got"):
        net(x, hole.expand(-1, 3, -1, -1))
    with pytest.raises(ValueError, match="multiples of 8"):
        net(x[..., :20], hole[..., :20])
    with pytest.raises(ValueError, match="2 widths are given for 3 levels"):
        make(3, 3, downs=3, widths=[4, 4])
    with pytest.raises(ValueError, match="adaptive norm AdaIN"):
        make(3, 3, norm=AdaIN)


def test_lbam_has_the_papers_size_and_both_forms() -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in LBAM(3, 3).parameters()) == 68_304_948
    torch.manual_seed(0)
    x, hole = picture()
    absolute = LBAM(3, 3, channels=4, downs=3, image="abs")(x, hole)
    torch.manual_seed(0)
    usual = LBAM(3, 3, channels=4, downs=3)(x, hole)
    torch.testing.assert_close(absolute, 2 * usual.abs() - 1)


@pytest.mark.parametrize("activation", ["leaky_relu", "relu", "sigmoid", "tanh", "prelu", "none"])
def test_the_activations_of_lbams_layers(activation: Activation) -> None:
    functions = {
        "leaky_relu": lambda x: torch.where(x > 0, x, 0.2 * x),
        "relu": torch.relu,
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "prelu": lambda x: torch.where(x > 0, x, 0.25 * x),  # as torch starts it
        "none": lambda x: x,
    }
    found = ForwardAttention(2, 3, activation=activation)(torch.randn(1, 2, 8, 8), torch.rand(1, 2, 8, 8))
    torch.testing.assert_close(found.features, functions[activation](found.before * found.map))
    below = ReverseAttention(3, 3, 3, activation=activation)
    skip, x, map = found.before, torch.randn(1, 3, 2, 2), torch.rand(1, 6, 4, 4)
    expected = functions[activation](torch.cat([skip, below.conv(x)], 1) * map)
    torch.testing.assert_close(below(skip, x, map), expected)
    net = LBAM(3, 3, channels=2, downs=3, activation=activation)
    learned = [name for name in net.state_dict() if name.endswith("activation.weight")]
    assert len(learned) == (5 if activation == "prelu" else 0)


def test_the_attention_functions_of_lbams_ablation() -> None:
    x, mask = torch.randn(1, 2, 8, 8), torch.rand(1, 2, 8, 8)
    for name, function in (("sigmoid", torch.sigmoid), ("relu", torch.relu)):
        layer, back = ForwardAttention(2, 3, attention=name), ReverseMask(2, 3, attention=name)
        torch.testing.assert_close(layer(x, mask).map, function(layer.mask_conv(mask)))
        torch.testing.assert_close(layer(x, mask).mask, MaskUpdate()(layer.mask_conv(mask)))
        torch.testing.assert_close(back(mask).map, function(back.conv(mask)))
    moved = ForwardAttention(2, 3, attention="leaky_relu")
    assert (moved(x, -mask).map < 0).any()


def test_fixed_masks_are_those_of_partial_convolution() -> None:
    x, hole = torch.randn(1, 2, 16, 16), picture(16, 1)[1]
    hole[..., :8, :8] = 1  # whole windows without a known pixel
    layer = ForwardAttention(2, 3, fixed=True, activation="none")
    partial = PartialConv2d(2, 3, 4, 2, 1, bias=False)
    partial.load_state_dict({"weight": layer.conv.weight})
    known = (1 - hole).expand(-1, 2, -1, -1)
    features, mask = partial(x, known)
    found = layer(x * known, known)
    torch.testing.assert_close(found.features, features)
    assert torch.equal(found.mask.expand_as(mask), mask) and not mask.all()


@pytest.mark.parametrize("options", [{"masks": "fixed"}, {"reverse": False}, {"masks": "fixed", "reverse": False}])
def test_the_variants_of_lbams_ablation(options: dict) -> None:
    torch.manual_seed(0)
    net = LBAM(3, 3, channels=2, downs=3, **options)
    x, hole = picture()
    y = net(x, hole)
    assert y.shape == x.shape and torch.equal(y, net(torch.where(hole > 0, 0.7, x), hole))
    assert not torch.equal(y, net(x, hole.flip(-1)))
    y.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    names = {name.split(".")[2] for name, _ in net.named_parameters() if name.startswith("encoder")}
    assert names == ({"conv"} if "masks" in options else {"conv", "mask_conv", "attention"})
    assert any(name.startswith("reverse") for name in net.state_dict()) == (options == {})


def test_without_reverse_maps_only_skips_are_weighted() -> None:
    torch.manual_seed(0)
    net = LBAM(3, 3, channels=2, downs=2, reverse=False)
    x, hole = picture()
    known = 1 - hole
    levels = net.encode((x + 1) / 2 * known, known)
    (decoder,) = net.decoder
    joined = torch.cat([levels[0].before * levels[0].map, decoder.conv(levels[1].features)], 1)
    torch.testing.assert_close(net(x, hole), torch.tanh(net.head(torch.nn.functional.leaky_relu(joined, 0.2))))


def test_fixed_masks_have_no_attention_function() -> None:
    with pytest.raises(ValueError, match="leave out attention, which is sigmoid"):
        LBAM(3, 3, masks="fixed", attention="sigmoid")


def test_grey_pictures() -> None:
    x, hole = picture()
    for make in (LBAM, PConvUNet):
        assert make(1, 1, channels=2, downs=3)(x[:, :1], hole).shape == (2, 1, 32, 32)


# -- partial convolution -----------------------------------------------------------------------------------------------
def test_partial_convolution_of_a_known_constant_is_constant() -> None:
    """Weighting by what is known makes up for holes and for the border."""
    layer = PartialConv2d(2, 3, 3, padding=1, bias=True)
    with torch.no_grad():
        layer.weight.copy_(layer.weight[:, :1, :1, :1].expand(-1, 2, 3, 3))
    _, hole = picture(12, 1)
    y, updated = layer(torch.full((1, 2, 12, 12), 0.5), 1 - hole)
    known = updated.expand_as(y) > 0
    assert updated.shape == (1, 1, 12, 12) and not known.all() and known.any()
    middle = y[:, :, :1, :1].expand_as(y)
    torch.testing.assert_close(y[known], middle[known])
    assert (y[~known] == 0).all()


def test_one_mask_for_all_channels_is_the_same_as_equal_ones() -> None:
    layer = PartialConv2d(2, 3, 5, 2, 2)
    x, hole = torch.rand(1, 2, 12, 12), picture(12, 1)[1]
    single, mask = layer(x, 1 - hole)
    several, masks = layer(x, (1 - hole).expand(-1, 2, -1, -1))
    torch.testing.assert_close(single, several)
    assert mask.shape[1] == 1 and masks.shape[1] == 3 and torch.equal(mask.expand_as(masks), masks)
    with pytest.raises(ValueError, match="has one channel or as many"):
        layer(x, torch.ones(1, 3, 12, 12))


def test_without_the_window_factor_results_are_smaller() -> None:
    x, hole = torch.rand(1, 2, 12, 12), picture(12, 1)[1]
    full = PartialConv2d(2, 3, 3, bias=False)
    missing = PartialConv2d(2, 3, 3, bias=False, window_factor=False)
    missing.load_state_dict(full.state_dict())
    masks = (1 - hole).expand(-1, 2, -1, -1)
    torch.testing.assert_close(full(x, masks)[0], 18 * missing(x, masks)[0])


def test_fine_tuning_keeps_the_encoders_statistics() -> None:
    net = PConvUNet(3, 3, channels=4, downs=3, freeze_bn=True).train()
    x, hole = picture()
    before = {name: value.clone() for name, value in net.named_buffers() if name.endswith("running_mean")}
    net(x, hole)
    changed = {name for name, value in net.named_buffers() if name in before and not torch.equal(value, before[name])}
    assert changed and not any(name.startswith("down_norm") for name in changed)


def test_pconv_may_leave_the_range_in_training_alone() -> None:
    net = PConvUNet(3, 3, channels=4, downs=3)
    with torch.no_grad():
        net.get_parameter("up.0.bias").fill_(3.0)
    x, hole = picture()
    assert net.train()(x, hole).max() > 1
    assert net.eval()(x, hole).max() <= 1
