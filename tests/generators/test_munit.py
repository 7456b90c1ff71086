from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from gankit.generators.munit import MUNITGenerator
from gankit.layers import ResidualBlock
from gankit.norms.adain import AdaIN
from gankit.norms.adalin import LIN, AdaLIN
from gankit.norms.batch import BatchNorm
from gankit.norms.instance import InstanceNorm

small = partial(MUNITGenerator, 3, 3, channels=4, blocks=1, style_channels=5, style_downs=2, mlp_channels=6)


def picture(*size: int) -> torch.Tensor:
    return torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_the_paper_s_has_as_many_parameters_as_the_authors() -> None:
    with torch.device("meta"):
        net = MUNITGenerator(3, 3)
    parts = {name: sum(p.numel() for p in part.parameters()) for name, part in net.named_children()}
    assert sum(parts.values()) == 15_026_187
    assert parts["mlp"] == 8 * 256 + 256 + 256 * 256 + 256 + 256 * 4096 + 4096


def test_forward_is_its_parts_and_styles_change_the_picture() -> None:
    torch.manual_seed(0)
    net, x = small(), picture(16, 24)
    content, style = net.encode_content(x), net.encode_style(x)
    assert content.shape == (2, 16, 4, 6) and style.shape == (2, 5)
    torch.testing.assert_close(net(x), net.decode(content, style))
    assert not torch.allclose(net.decode(content, style), net.decode(content, style + 1))


def test_offsets_come_before_scales_and_norms_in_their_order() -> None:
    torch.manual_seed(0)
    net = small(blocks=2)
    with torch.no_grad():
        net.mlp[-1].weight.zero_()  # type: ignore[union-attr]
        net.mlp[-1].bias.copy_(torch.arange(4 * 2 * 16))  # type: ignore[union-attr, arg-type]
    affine = net.affine(torch.zeros(1, 5))
    assert affine.shape == (1, 4, 2, 16)
    seen: list[tuple[float, float]] = []
    for module in net.modules():
        if isinstance(module, AdaIN):
            module.register_forward_pre_hook(
                lambda _, x, given: seen.append((given["gamma"][0, 0].item(), given["beta"][0, 0].item())),
                with_kwargs=True,
            )
    net.decode(torch.randn(1, 16, 4, 4), torch.zeros(1, 5))
    assert seen == [(16, 0), (48, 32), (80, 64), (112, 96)]  # (gamma, beta) of each norm in turn


def test_content_forgets_the_scale_and_offset_of_features() -> None:
    """Instance norm without affine right after the first convolution: contrast and brightness are not content."""
    torch.manual_seed(0)
    net, x = small(padding="replicate"), picture(16, 16).double()
    net.double()
    torch.testing.assert_close(net.encode_content(0.5 * x + 0.3), net.encode_content(x), rtol=1e-3, atol=1e-3)
    assert not torch.allclose(net.encode_style(0.5 * x + 0.3), net.encode_style(x), rtol=1e-2)


def norms_of(part: nn.Module) -> set[type]:
    return {type(m.norm) for m in part.modules() if hasattr(m, "norm")}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("norm", "encoder", "decoder"),
    [(AdaIN, InstanceNorm, AdaIN), (AdaLIN, LIN, AdaLIN), (BatchNorm, BatchNorm, AdaIN)],
)
def test_a_norm_goes_where_it_can_be_used(norm: type, encoder: type, decoder: type) -> None:
    net = small(norm=norm)
    assert norms_of(net.content) == norms_of(net.content_blocks) == {encoder}
    assert norms_of(net.blocks) == {decoder}
    assert all(block.first.conv.bias is not None for block in net.blocks)  # type: ignore[union-attr]


def test_sizes() -> None:
    net = small(style_downs=4)
    assert (net.size_multiple, net.min_size) == (4, 16)
    assert net(picture(16, 16)).shape == (2, 3, 16, 16)
    assert net.encode_style(picture(17, 31)).shape == (2, 5)
    with pytest.raises(ValueError, match="multiples of 4"):
        net(picture(18, 16))
    with pytest.raises(ValueError, match="at least 16"):
        net.encode_style(picture(12, 16))


def test_an_adaptive_norm_of_the_doublings_is_refused() -> None:
    with pytest.raises(ValueError, match="up_norm"):
        small(up_norm=AdaIN)


def test_activations_and_depths() -> None:
    torch.manual_seed(0)
    for options in (
        {"activation": "leaky_relu"},
        {"activation": "selu", "padding": "zero"},
        {"mlp_layers": 1},
        {"downs": 0},
    ):
        assert small(**options)(picture(16, 16)).shape == (2, 3, 16, 16)  # type: ignore[arg-type]


def test_taps_stop_early() -> None:
    net, x = small(), picture(16, 16)
    called: list[str] = []
    net.head.register_forward_hook(lambda *_: called.append("head"))
    content, up = net.features(x, ["block1", "up2"])
    torch.testing.assert_close(content, net.encode_content(x))
    assert up.shape == (2, 4, 16, 16) and not called


def test_a_block_takes_a_style_for_each_of_its_norms() -> None:
    torch.manual_seed(0)
    block, x = ResidualBlock(4, AdaIN), torch.randn(1, 4, 5, 5)
    one, other = ({"gamma": torch.randn(1, 4), "beta": torch.randn(1, 4)} for _ in range(2))
    torch.testing.assert_close(block(x, one), block(x, one, one))
    assert not torch.allclose(block(x, one), block(x, one, other))
