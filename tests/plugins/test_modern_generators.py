"""gankit-modern's generators, held to their reference code (tests/plugins/modern/golden/ORIGIN.md)."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from gankit.contracts import GeneratorContract
from gankit.testing import check_component
from tests.plugins.modern.formula import deviation, drawn, fill, golden, results
from tests.plugins.modern.parts import modern as modern


def nafnet(**options: Any) -> Any:
    from gankit_modern.nafnet import NAFNet

    return NAFNet(3, 3, **{"channels": 4, "encoder": [1, 2], "middle": 1, "decoder": [1, 1]} | options)


def uvcgan(**options: Any) -> Any:
    from gankit_modern.uvcgan import UVCGANGenerator

    small = {"channels": 4, "downs": 2, "width": 12, "heads": 3, "blocks": 2, "hidden": 20}
    return UVCGANGenerator(3, 3, **small | options)


def attentiongan(**options: Any) -> Any:
    from gankit_modern.attentiongan import AttentionGANGenerator

    return AttentionGANGenerator(3, 3, **{"channels": 4, "blocks": 2} | options)


@pytest.mark.parametrize(
    ("make", "name", "picture", "thin", "most"),
    [
        (nafnet, "nafnet", drawn("naf.x", 2, 3, 16, 24), 1, 5e-5),
        (uvcgan, "uvcgan", drawn("uvcgan.x", 2, 3, 32, 32), 2, 5e-5),
        (attentiongan, "attentiongan", drawn("att.x", 1, 3, 16, 24), 1, 5e-5),
    ],
)
def test_the_generators_are_the_papers(make: Any, name: str, picture: torch.Tensor, thin: int, most: float) -> None:
    network = fill(make())
    ours = results(network.train(), name, picture, thin=thin)
    assert deviation(ours, golden(name)) < most


def test_nafnet_begins_with_what_its_first_and_last_convolutions_make_and_ends_as_told() -> None:
    x = drawn("x", 1, 3, 8, 8)
    net = nafnet()
    assert GeneratorContract(net).overshoots and GeneratorContract(net).size_multiple == 4
    with torch.no_grad():
        net.last.bias.fill_(3)
    assert net(x).max() > 1 and net.eval()(x).max() == 1
    bounded = nafnet(ending="tanh")
    assert not GeneratorContract(bounded).overshoots and bounded(x).abs().max() < 1
    from gankit_modern.nafnet import NAFNet

    assert NAFNet(1, 3, channels=2, encoder=[1], middle=0, decoder=[1], ending="tanh")(x[:, :1]).shape == (1, 3, 8, 8)
    with pytest.raises(ValueError, match="1 channels cannot be added to 3"):
        NAFNet(1, 3, channels=2)
    with pytest.raises(ValueError, match="`decoder` has 4"):
        nafnet(decoder=[1, 1, 1, 1])
    with pytest.raises(ValueError, match="multiples of 4"):
        net(x[..., :7])


def test_the_transformer_begins_as_a_linear_map_and_takes_any_size() -> None:
    net = uvcgan()
    assert all(block.alpha.item() == 0 for block in net.transformer.blocks)
    for size in ((8, 8), (16, 40)):
        assert net(torch.zeros(1, 3, *size)).shape == (1, 3, *size)
    with pytest.raises(ValueError, match="width of 12 does not fall into 5 heads"):
        uvcgan(heads=5)
    with pytest.raises(ValueError, match="multiples of 4"):
        net(torch.zeros(1, 3, 10, 8))


def test_a_token_knows_its_row_and_its_column() -> None:
    place, seen = uvcgan().transformer, []
    place.place.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    place(torch.zeros(1, 8, 2, 3))
    assert seen[0].tolist() == [[-1, -1], [-1, 0], [-1, 1], [1, -1], [1, 0], [1, 1]]


def test_masks_share_out_each_pixel_among_contents_and_the_source() -> None:
    net, x = attentiongan(masks=3), drawn("x", 2, 3, 8, 12)
    with torch.no_grad():
        net.score.bias.copy_(torch.tensor([0.0, 0.0, 50.0]))
    image, attention, logits = net(x)
    torch.testing.assert_close(image, x)
    assert attention.shape == (2, 1, 8, 12) and attention.max() < 1e-6 and logits is None
    from gankit_modern.attentiongan import AttentionGANGenerator

    with pytest.raises(ValueError, match="1 channels are not 3"):
        AttentionGANGenerator(1, 3)


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("nafnet", {"channels": 4, "encoder": [1], "middle": 1, "decoder": [1]}),
        ("uvcgan", {"channels": 4, "downs": 2, "width": 8, "heads": 2, "blocks": 1, "hidden": 8}),
        ("attentiongan", {"channels": 4, "blocks": 1, "masks": 3}),
    ],
)
def test_the_generators_keep_their_contract(name: str, overrides: dict) -> None:
    check_component("generator", f"gankit-modern/{name}", overrides=overrides)
