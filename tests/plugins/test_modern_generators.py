"""gankit-modern's generators, held to their reference code (tests/plugins/modern/golden/ORIGIN.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from gankit import Recipe
from gankit.contracts import GeneratorContract
from gankit.interop import graph
from gankit.testing import check_component
from gankit.training.assemble import build_method
from tests.exports import exports
from tests.plugins.modern.formula import deviation, drawn, fill, golden, results
from tests.plugins.modern.parts import modern as modern
from tests.plugins.wheels import PLUGINS


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
    assert net.min_size == 4
    for size in ((4, 4), (8, 8), (16, 40)):
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


def stylegan2(**options: Any) -> Any:
    from gankit_modern.stylegan2 import StyleGAN2Resnet

    return StyleGAN2Resnet(3, 3, **{"channels": 4, "downs": 2, "blocks": 4} | options)


def test_the_generator_of_stylegan2s_layers_is_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    net = fill(stylegan2()).train()
    noise = iter([drawn("stylegan2.noise.0", 2, 1, 8, 12), drawn("stylegan2.noise.1", 2, 1, 16, 24)])
    monkeypatch.setattr(torch, "randn", lambda *_, **__: next(noise))
    ours = results(net, "generator", drawn("stylegan2.x", 2, 3, 16, 24), thin=2)
    theirs = {k: v for k, v in golden("stylegan2").items() if k.startswith("generator.")}
    assert deviation(ours, theirs) < 5e-5


def test_what_is_drawn_and_what_is_cut_in_training_and_in_use() -> None:
    net, x = fill(stylegan2()), 3 * drawn("x", 1, 3, 8, 12)
    with torch.no_grad():
        net.last[1].bias.fill_(4)
    assert GeneratorContract(net).overshoots and net(x).max() > 1 and not torch.equal(net(x), net(x))
    assert net.eval()(x).max() == 1 and torch.equal(net(x), net(x))
    still = fill(stylegan2(noise=False))
    assert torch.equal(still(x), still(x)) and still.up[0][0].strength is None
    with pytest.raises(ValueError, match="`blocks` is even, not 3"):
        stylegan2(blocks=3)


def test_features_before_the_middle_are_given_by_name() -> None:
    net, x = stylegan2(), drawn("x", 1, 3, 8, 12)
    assert net.feature_names == ("input", "first", "down1", "down2", "block1", "block2")
    block, first, picture = net.features(x, ["block2", "first", "input"])
    assert torch.equal(picture, x) and first.shape == (1, 4, 8, 12) and block.shape == (1, 16, 2, 3)
    with pytest.raises(ValueError, match="no features are called block3"):
        net.features(x, ["block3"])
    with pytest.raises(ValueError, match="multiples of 4"):
        net(x[..., :10])


def test_cut_compares_its_features(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(PLUGINS / "gankit-cut")
    from gankit_cut.method import CUT

    method = CUT(generator=lambda *_: stylegan2(), layers=["input", "down1", "block2"], init="default")
    [generator] = [method.network("generator", way) for way in method.directions]
    assert generator.first[0].weight.std() > 0.5  # as its own class draws
    assert method.translate(drawn("x", 1, 3, 15, 22)).shape == (1, 3, 15, 22)


def test_blurs_keep_what_is_flat_and_weights_their_own_start() -> None:
    from gankit_modern.stylegan2 import Blur, StyleGAN2Resnet

    from gankit.init import initialize

    assert torch.allclose(Blur((2, 1))(torch.ones(1, 2, 6, 7))[..., 2:-2, 2:-2], torch.ones(1))
    net = initialize(StyleGAN2Resnet(3, 3, channels=16, blocks=2), "normal", 0.02)
    assert net.blocks[0].inner[0].weight.std().item() == pytest.approx(1, abs=0.05)
    largest = [StyleGAN2Resnet(3, 3, channels=c, downs=3, blocks=0).last[0].weight.shape[1] for c in (2, 600)]
    assert largest == [2, 600]


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("nafnet", {"channels": 4, "encoder": [1], "middle": 1, "decoder": [1]}),
        ("uvcgan", {"channels": 4, "downs": 2, "width": 8, "heads": 2, "blocks": 1, "hidden": 8}),
        ("attentiongan", {"channels": 4, "blocks": 1, "masks": 3}),
        ("stylegan2_resnet", {"channels": 4, "blocks": 2}),
    ],
)
def test_the_generators_keep_their_contract(name: str, overrides: dict) -> None:
    check_component("generator", f"gankit-modern/{name}", overrides=overrides)


@exports
def test_a_graph_is_made_though_the_smallest_map_has_one_pixel(tmp_path: Path) -> None:
    small = "{type: gankit-modern/nafnet, channels: 2, encoder: [1], middle: 1, decoder: [1]}"
    method = build_method(Recipe.load("demo-cyclegan", [f"method.generator={small}", "method.init=default"]))
    translator = graph.Translator(method.eval().requires_grad_(False), "a2b")
    run = graph.write_torch(graph.capture(translator), tmp_path / "x.pt2", {})
    assert translator.smallest == 4  # of which it is not one pixel
    inputs = [translator.example(*size) for size in translator.sizes()]
    assert graph.largest_difference(translator, run, inputs) < 1e-5
