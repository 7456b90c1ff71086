"""LBAM and PConv: what they do with masks."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gankit.generators.lbam import LBAM
from gankit.generators.lbam_layers import AsymmetricGaussian, ForwardAttention, MaskUpdate
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
