from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from gankit.discriminators.multiscale import MultiscaleDiscriminator
from gankit.discriminators.patch import PatchDiscriminator
from gankit.discriminators.pixel import PixelDiscriminator
from gankit.discriminators.spectral import SpectralConv2d
from gankit.discriminators.ugatit import UGATITDiscriminator
from gankit.norms.batch import BatchNorm
from gankit.norms.instance import InstanceNorm
from gankit.norms.none import NoNorm

AGIT = partial(PatchDiscriminator, padding=2, norm_first=True, norm=partial(InstanceNorm, affine=True))


def parameters(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def test_numbers_of_parameters_are_the_papers() -> None:
    with torch.device("meta"):
        assert parameters(PatchDiscriminator(3)) == 2_764_737
        assert parameters(PatchDiscriminator(6, norm=BatchNorm)) == 2_768_705
        assert parameters(PixelDiscriminator(3)) == 8_705
        assert parameters(PixelDiscriminator(3, norm=BatchNorm)) == 8_832
        # AGIT counts the 2 of a norm behind the last convolution, which nothing uses.
        assert parameters(AGIT(3)) == 2_766_659 - 2
        assert parameters(UGATITDiscriminator(3, layers=(7,))) == 53_130_176
        assert parameters(UGATITDiscriminator(3)) == 53_130_176 + 3_290_560


@pytest.mark.parametrize(("layers", "side"), [(1, 62), (2, 30), (3, 14), (4, 6), (5, 2)])
def test_patch_maps_at_128(layers: int, side: int) -> None:
    assert PatchDiscriminator(3, channels=1, layers=layers)(torch.zeros(1, 3, 128, 128)).shape[2:] == (side, side)


def test_a_blur_halves_as_a_stride_does() -> None:
    for side in (30, 33, 64):
        for padding in (1, 2):
            make = partial(PatchDiscriminator, 3, channels=2, padding=padding)
            x = torch.zeros(1, 3, side, side + 3)
            assert make()(x).shape == make(down="antialiased")(x).shape
    assert make().state_dict().keys() == make(down="antialiased").state_dict().keys()


def test_agit_and_ugatit_maps_at_256() -> None:
    x = torch.zeros(1, 3, 256, 256)
    assert AGIT(3, channels=1)(x).shape == (1, 1, 35, 35)
    shapes = [tuple(y.shape) for y in UGATITDiscriminator(3, channels=1)(x)]
    assert shapes == [(1, 1, 6, 6), (1, 2), (1, 1, 30, 30), (1, 2)]


@pytest.mark.parametrize(
    "make",
    [
        *(partial(PatchDiscriminator, channels=2, layers=n) for n in range(6)),
        partial(PatchDiscriminator, channels=2, layers=2, padding=2),
        *(partial(PatchDiscriminator, channels=2, layers=n, down="antialiased") for n in range(4)),
        PixelDiscriminator,
        partial(UGATITDiscriminator, channels=2, layers=(3,)),
        partial(UGATITDiscriminator, channels=2, layers=(5, 4)),
        partial(UGATITDiscriminator, channels=2, layers=(7,)),
        partial(MultiscaleDiscriminator, discriminator=partial(PatchDiscriminator, channels=2, layers=1)),
        partial(MultiscaleDiscriminator, scales=2, discriminator=partial(UGATITDiscriminator, channels=2, layers=(3,))),
    ],
)
def test_min_size_is_the_smallest_that_runs(make) -> None:
    net = make(3)
    judged = net(torch.randn(1, 3, net.min_size, net.min_size))
    for logits in [judged] if isinstance(judged, torch.Tensor) else judged:
        assert logits.numel() > 0 and logits.isfinite().all()
    for height, width in ((net.min_size - 1, 64), (64, net.min_size - 1)):
        with pytest.raises(ValueError, match="px at least"):
            net(torch.randn(1, 3, height, width))


def test_wrong_channels_are_named() -> None:
    with pytest.raises(ValueError, match=r"takes pictures \(N, 6, H, W\), not \(1, 3, 64, 64\)"):
        PatchDiscriminator(6, channels=2)(torch.zeros(1, 3, 64, 64))


def test_norm_can_be_left_out_at_run_time() -> None:
    torch.manual_seed(0)
    net = AGIT(3, channels=4)
    plain = PatchDiscriminator(3, channels=4, padding=2, norm=InstanceNorm)
    plain.load_state_dict({k: v for k, v in net.state_dict().items() if not k.startswith("norms")})
    plain.norms = nn.ModuleList(nn.Identity() for _ in plain.norms)
    x = torch.randn(1, 3, 32, 32)
    with_norm = net(x)
    net.set_norm(False)
    assert torch.equal(net(x), plain(x))
    net.set_norm(True)
    assert torch.equal(net(x), with_norm)


@pytest.mark.parametrize(("norm", "bias"), [(InstanceNorm, True), (BatchNorm, False), (NoNorm, False)])
def test_bias_rule(norm, bias: bool) -> None:
    patch, pixel = PatchDiscriminator(3, channels=2, norm=norm), PixelDiscriminator(3, channels=2, norm=norm)
    assert [conv.bias is not None for conv in patch.convs] == [True, bias, bias, bias]
    assert patch.head.bias is not None and pixel.first.bias is not None
    assert [conv.bias is not None for conv in (pixel.second, pixel.head)] == [bias, bias]


def test_spectral_patch() -> None:
    net = PatchDiscriminator(3, channels=2, layers=1, spectral_norm=True)
    assert all(isinstance(conv, SpectralConv2d) for conv in [*net.convs, net.head])


def test_heatmaps_are_the_critics_maps_as_large_as_the_picture() -> None:
    torch.manual_seed(0)
    net = UGATITDiscriminator(3, channels=2, layers=(4, 3)).eval()
    x = torch.randn(2, 3, 24, 32)
    maps = net.heatmaps(x)
    assert maps.shape == (2, 2, 24, 32)
    assert torch.equal(maps.amin((2, 3)), torch.zeros(2, 2)) and torch.equal(maps.amax((2, 3)), torch.ones(2, 2))
    coarse = net.critiques(x)[0].heatmap[:, 0]
    y, z = divmod(int(coarse[0].argmax()), coarse.shape[-1])
    at = maps[0, 0, round((y + 0.5) * 24 / coarse.shape[1] - 0.5), round((z + 0.5) * 32 / coarse.shape[2] - 0.5)]
    assert at > 0.8  # bright where the critic's own map is
    assert net.heatmaps(torch.zeros(1, 3, 16, 16)).isfinite().all()  # a map that is the same all over


def test_cam_weight_changes_the_map_only_behind_the_classifier() -> None:
    torch.manual_seed(0)
    raw = UGATITDiscriminator(3, channels=2, layers=(3,)).eval()
    normalized = UGATITDiscriminator(3, channels=2, layers=(3,), cam_weight="normalized").eval()
    normalized.load_state_dict(raw.state_dict())
    x = torch.randn(1, 3, 16, 16)
    (one,), (other,) = raw.critiques(x), normalized.critiques(x)
    assert torch.equal(one.cam_logits, other.cam_logits)
    assert not torch.allclose(one.heatmap, other.heatmap)


def test_critics_without_cam_judge_patches_alone() -> None:
    net = UGATITDiscriminator(3, channels=2, layers=(4, 3), cam=False)
    assert [tuple(y.shape) for y in net(torch.randn(2, 3, 32, 32))] == [(2, 1, 6, 6), (2, 1, 14, 14)]
    assert {name.split(".")[2] for name in net.state_dict()} == {"convs", "head"}


def test_multiscale_sees_halves() -> None:
    net = MultiscaleDiscriminator(3, scales=3, discriminator=partial(PatchDiscriminator, channels=2, layers=1))
    x = torch.randn(2, 3, 64, 48)
    logits = net(x)
    assert [tuple(y.shape[2:]) for y in logits] == [(30, 22), (14, 10), (6, 4)]
    constant = net(torch.full_like(x, 0.5))
    assert torch.equal(constant[2], net.critics[2](torch.full((2, 3, 16, 12), 0.5)))  # the border does not darken


def test_critics_without_cam_give_no_heatmaps() -> None:
    with_cam, without = (UGATITDiscriminator(3, channels=2, layers=(4, 3), cam=cam) for cam in (True, False))
    assert with_cam.heatmaps is not None and without.heatmaps is None
    assert with_cam.heatmaps(torch.zeros(2, 3, 32, 40)).shape == (2, 2, 32, 40)
