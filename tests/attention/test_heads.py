"""Attention heads: what each returns, and how a map behaves."""

import pytest
import torch
from torch.nn import functional as F

from gankit.attention import timm_heads
from gankit.attention.cam import CAM
from gankit.attention.mask import MaskAttention
from gankit.attention.self_attention import SelfAttention
from gankit.norms.adalin import AdaLIN

TIMM = [
    timm_heads.SE,
    timm_heads.EffectiveSE,
    timm_heads.ECA,
    timm_heads.CircularECA,
    timm_heads.GatherExcite,
    timm_heads.GlobalContext,
    timm_heads.CBAM,
    timm_heads.LightCBAM,
    timm_heads.NonLocal,
]


@pytest.mark.parametrize("size", [(8, 8), (9, 13), (10, 31)])
@pytest.mark.parametrize("geometry", ["symmetric", "tensorflow"])
def test_mask_of_any_size(size, geometry):
    x = torch.randn(2, 3, *size)
    features, mask, logits = MaskAttention(3, channels=4, geometry=geometry)(x)
    assert mask.shape == (2, 1, *size) and logits is None
    assert mask.min() >= 0 and mask.max() <= 1
    torch.testing.assert_close(features, x * mask)


def test_mask_of_features():
    x = torch.randn(1, 12, 16, 16)
    assert MaskAttention(12, channels=4)(x).features.shape == x.shape


@pytest.mark.parametrize(
    ("shape", "message"), [((1, 3, 7, 9), "at least 8; got 7x9"), ((1, 2, 8, 8), r"\(N, 3, H, W\)")]
)
def test_mask_refuses(shape, message):
    with pytest.raises(ValueError, match=message):
        MaskAttention(3, channels=4)(torch.zeros(shape))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"norm": AdaLIN}, "no style to give to the adaptive norm AdaLIN"),
        ({"decoder_kernels": (3, 2, 7)}, "odd kernel"),
    ],
)
def test_mask_refuses_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        MaskAttention(3, **options)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
def test_cam_is_the_papers_formula(activation):
    cam = CAM(6, activation=activation)
    x = torch.randn(2, 6, 5, 4)
    features, heat, logits = cam(x)
    average, maximum = cam.average.weight, cam.maximum.weight
    expected_logits = torch.cat([x.mean((2, 3)) @ average.T, x.amax((2, 3)) @ maximum.T], 1)
    both = torch.cat([x * average[:, :, None, None], x * maximum[:, :, None, None]], 1)
    act = F.relu if activation == "relu" else lambda y: F.leaky_relu(y, 0.2)
    torch.testing.assert_close(logits, expected_logits)
    torch.testing.assert_close(features, act(cam.mix(both)), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(cam.heatmap(features), features.sum(1, keepdim=True))
    assert heat.min() >= 0 and heat.max() <= 1


def test_cam_peaks_at_one_in_each_picture():
    torch.manual_seed(0)
    heat = CAM(6)(torch.randn(4, 6, 5, 4) * torch.tensor([1.0, 10.0, 100.0, 0.1])[:, None, None, None]).map
    torch.testing.assert_close(heat.amax((1, 2, 3)), torch.ones(4))


def test_a_cam_without_positive_features_has_an_empty_map():
    cam = CAM(4)
    with torch.no_grad():
        cam.mix.bias.fill_(-100.0)
    heat = cam(torch.randn(2, 4, 3, 3)).map
    assert (heat == 0).all()


def test_self_attention_starts_as_the_identity():
    x = torch.randn(2, 16, 5, 7)
    assert torch.equal(SelfAttention(16)(x).features, x)


def test_self_attention_is_the_papers_formula():
    head, x = SelfAttention(16), torch.randn(2, 16, 3, 5)
    torch.nn.init.constant_(head.gamma, 0.7)
    query, key, value = (f(x).flatten(2) for f in (head.query, head.key, head.value))
    weights = torch.einsum("nci,ncj->nij", query, key).softmax(2)
    attended = torch.einsum("nij,ncj->nci", weights, value).unflatten(2, (3, 5))
    torch.testing.assert_close(head(x).features, x + 0.7 * head.out(attended), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", TIMM)
@pytest.mark.parametrize("channels", [8, 24])
def test_timm_heads_keep_the_shape_and_use_the_input(kind, channels):
    x = torch.randn(2, channels, 9, 7, requires_grad=True)
    features, heat, logits = kind(channels)(x)
    assert features.shape == x.shape and heat is None and logits is None
    features.square().sum().backward()
    assert x.grad.isfinite().all() and x.grad.any()


def test_gather_excite_can_be_local():
    x = torch.randn(1, 8, 16, 16)
    gate = timm_heads.GatherExcite(8, extent=4)(x).features / x
    assert gate.std((2, 3)).min() > 0  # gathered over the whole map it would be one number a channel


def test_gather_excite_refuses_odd_extents():
    with pytest.raises(ValueError, match="extent must be even; got 3"):
        timm_heads.GatherExcite(8, extent=3)
