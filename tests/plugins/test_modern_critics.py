"""gankit-modern's critics, held to their reference code (tests/plugins/modern/golden/ORIGIN.md)."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gankit.backbones import Timm
from gankit.contracts import DiscriminatorContract
from gankit.discriminators import MultiscaleDiscriminator, PatchDiscriminator, PixelDiscriminator
from gankit.features import own_state
from gankit.init import initialize
from gankit.testing import check_component
from tests.plugins.modern.formula import deviation, drawn, fill, golden, probes, results
from tests.plugins.modern.parts import modern as modern

PATCH = partial(PatchDiscriminator, channels=4, layers=2)
RANDOM = partial(Timm, model="test_resnet", weights="random")


def case(file: str, name: str) -> dict[str, Tensor]:
    return {key: value for key, value in golden(file).items() if key.startswith(f"{name}.")}


# -- the U-Net -------------------------------------------------------------------------------------------------------
def test_the_unet_critic_is_the_papers() -> None:
    from gankit_modern.unet_critic import UNetCritic

    net = fill(UNetCritic(3, channels=2, downs=5))
    ours = results(net.train(), "unet", drawn("unet.x", 2, 3, 128, 128), thin=8)
    assert deviation(ours, golden("unet_critic")) < 5e-5


def test_the_unet_critic_of_other_depths_and_sizes() -> None:
    from gankit_modern.unet_critic import UNetCritic

    for downs, deepest in ((1, 2), (4, 16), (6, 32)):
        assert UNetCritic(1, channels=2, downs=downs).picture.in_channels == deepest
    net = UNetCritic(1, channels=2, downs=2)
    pixels, picture = net(torch.zeros(2, 1, 7, 9))
    assert pixels.shape == (2, 1, 7, 9) and picture.shape == (2, 1)
    [features] = net.features(torch.zeros(2, 1, 8, 8))
    assert [tuple(x.shape[1:]) for x in features] == [(2, 4, 4), (4, 2, 2), (2, 4, 4), (2, 8, 8)]
    with pytest.raises(ValueError, match="U-Net critic"):
        net(torch.zeros(1, 1, 3, 8))


def test_its_attention_is_that_of_the_papers_code() -> None:
    from gankit_modern.unet_critic import UNetCritic

    net = fill(UNetCritic(3, channels=4, downs=5, attention=[4, 2]))
    ours = results(net.train(), "attention", drawn("unet.x", 2, 3, 128, 128), thin=8)
    assert deviation(ours, golden("unet_attention")) < 5e-5


def test_attention_begins_as_nothing_and_stands_where_it_is_told() -> None:
    from gankit_modern.unet_critic import UNetCritic

    plain = fill(UNetCritic(3, channels=2, downs=3, spectral_norm=False))
    seeing = UNetCritic(3, channels=2, downs=3, spectral_norm=False, attention=[3])
    missing, unknown = seeing.load_state_dict(plain.state_dict(), strict=False)
    assert not unknown and {name.split(".")[1] for name in missing} == {"3"}
    x = drawn("x", 1, 3, 16, 24)
    for one, other in zip(plain(x), seeing(x), strict=True):
        torch.testing.assert_close(one, other)
    assert (plain.min_size, seeing.min_size) == (8, 16)
    with pytest.raises(ValueError, match="after halving 4, and there are 3"):
        UNetCritic(3, downs=3, attention=[1, 4])


# -- batches ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "options", "count"),
    [("four", {}, 8), ("maps", {"group": 2, "maps": 3}, 4), ("all", {"group": None}, 3)],
)
def test_deviations_are_stylegan2s(name: str, options: dict, count: int) -> None:
    from gankit_modern.batch_critics import Deviation

    ours = results(Deviation(**options), f"style.{name}", drawn(f"style.{name}", count, 6, 3, 4))
    assert deviation(ours, case("batch_critics", f"style.{name}")) < 1e-5


def test_a_batch_that_does_not_fall_into_groups_is_cut_otherwise() -> None:
    from gankit_modern.batch_critics import Deviation

    x = drawn("x", 6, 2, 3, 3)
    torch.testing.assert_close(Deviation(4)(x), Deviation(3)(x))
    torch.testing.assert_close(Deviation(4)(x[:3]), Deviation(None)(x[:3]))  # StyleGAN2's min(group, batch)
    torch.testing.assert_close(Deviation(4)(x[:1])[:, 2], torch.full((1, 3, 3), 1e-4))


def test_pictures_that_are_alike_are_found_out() -> None:
    from gankit_modern.batch_critics import MinibatchDeviation

    net = MinibatchDeviation(3, discriminator=partial(MultiscaleDiscriminator, discriminator=PATCH, scales=2))
    x = drawn("x", 2, 3, 32, 32)
    assert len(net(x)) == 2
    alone, alike = net(x[:1])[0], net(x[:1].repeat(2, 1, 1, 1))[0]
    torch.testing.assert_close(alike, alone.repeat(2, 1, 1, 1))
    assert not torch.allclose(net(x)[0][:1], alone)
    with pytest.raises(ValueError, match="16 channels do not fall into 3 parts"):
        MinibatchDeviation(3, discriminator=PATCH, maps=3)
    with pytest.raises(ValueError, match="gives no features"):
        MinibatchDeviation(3, discriminator=PixelDiscriminator)


def test_what_the_features_do_not_use_does_not_learn() -> None:
    from gankit_modern.batch_critics import BatchHead

    net = BatchHead(3, discriminator=PATCH)
    still = {name for name, p in net.named_parameters() if not p.requires_grad}
    assert still == {"body.head.weight", "body.head.bias"}


@pytest.mark.parametrize("statistic", ["deviation", "norm"])
def test_the_head_with_a_memory_is_uvcgans(statistic: Any) -> None:
    from gankit_modern.batch_critics import BatchHead

    net = fill(BatchHead(3, discriminator=PATCH, statistic=statistic))
    with torch.no_grad():
        [features] = net.last(drawn("past", 3, 3, 32, 32))
    net.remember(features, "fake")

    class Asked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.forward = lambda x: net(x, past="fake")  # type: ignore[method-assign]

    name = f"head.{statistic}"
    ours = results(Asked(), name, drawn("head.x", 1, 3, 32, 32))
    ours |= {f"{name}.grad.{k}": probes(k, p.grad) for k, p in net.named_parameters() if p.grad is not None}
    assert deviation(ours, case("batch_critics", name)) < 5e-5


def test_the_memory_is_of_each_kind_and_moves_only_in_the_critics_turn() -> None:
    from gankit_modern.batch_critics import BatchHead

    net = BatchHead(3, discriminator=PATCH, memory=3)
    x = [drawn(f"x{i}", 2, 3, 16, 16) for i in range(4)]
    before = net(x[0], past="real")
    assert net.past_real.shape == (3, 16, 3, 3) and net.past_fake.shape == (0,)
    [first] = net.last(x[0])
    assert torch.equal(net.past_real, first[[1, 0, 1]])
    net.requires_grad_(False)
    net(x[1], past="real")
    net(x[1], past="fake")
    with torch.no_grad():
        net(x[1], past="real")
    net.requires_grad_(True).eval()
    net(x[1], past="real")
    assert torch.equal(net.past_real, first[[1, 0, 1]]) and net.past_fake.shape == (0,)
    net.train()(x[1], past="real")
    assert torch.equal(net.past_real, torch.cat([first[1:], net.last(x[1])[0]]))
    other = BatchHead(3, discriminator=PATCH)
    other.load_state_dict(net.state_dict())
    assert torch.equal(other.past_real, net.past_real)
    torch.testing.assert_close(other(x[2], past="real"), net(x[2], past="real"))
    assert not torch.allclose(net(x[0], past="real"), before)
    net(x[3], past="fake")
    assert net(x[0]).shape == before.shape  # a penalty: the mean of both memories
    assert net(drawn("large", 2, 3, 20, 20), past="real").shape == (
        2,
        1,
        4,
        4,
    )  # pictures of another size: a new memory


def test_a_memory_has_one_precision() -> None:
    """So that a run may be resumed in another."""
    from gankit_modern.batch_critics import BatchHead

    net = BatchHead(3, discriminator=PATCH, memory=2)
    for _ in range(2):
        with torch.autocast("cpu", torch.bfloat16):
            net(drawn("x", 1, 3, 16, 16), past="real")
        assert net.past_real.dtype == torch.float32


# -- a frozen network's features ---------------------------------------------------------------------------------------
def test_the_projected_critic_is_the_papers() -> None:
    from gankit_modern.projected import ProjectedCritic

    net = fill(ProjectedCritic(3, backbone=partial(Timm, model="tf_efficientnet_lite0", weights="random"), channels=8))
    ours = results(net.train(), "projected", drawn("projected.x", 2, 3, 48, 40))
    assert deviation(ours, golden("projected")) < 5e-5


def test_projections_follow_from_their_seed_and_are_not_stored() -> None:
    from gankit_modern.projected import ProjectedCritic

    make = partial(ProjectedCritic, 3, backbone=RANDOM, side=64, channels=4)
    torch.manual_seed(1)
    one = initialize(make())
    torch.manual_seed(2)
    two, other = make(), make(seed=1)
    weight = one.mixing.up[0].weight
    assert torch.equal(weight, two.mixing.up[0].weight) and not torch.equal(weight, other.mixing.up[0].weight)
    assert {key.split(".")[0] for key in own_state(one)} == {"critics"}
    assert not any(p.requires_grad for p in one.mixing.parameters()) and not one.train().backbone.training


def test_grey_pictures_other_projections_and_wrong_ones() -> None:
    from gankit_modern.projected import ProjectedCritic

    make = partial(ProjectedCritic, backbone=RANDOM, channels=4)
    grey = make(1, side=64, projection="channels", layers=["1", "2"])
    assert grey(drawn("grey", 2, 1, 20, 30)).ndim == 2
    assert make(3, side=64, projection="none", layers=["1"]).mixing is None
    with pytest.raises(ValueError, match="not of 2"):
        make(2)
    with pytest.raises(ValueError, match="needs 4: make `side` larger"):
        make(3, side=64, projection="none")
    with pytest.raises(ValueError, match="are not halved"):
        make(3, side=72)
    with pytest.raises(ValueError, match=r"shape \(N, 1, H, W\)"):
        grey(torch.zeros(1, 3, 20, 20))


# -- StyleGAN2 ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("ends", ["linear", "patch", "small_patch"])
def test_stylegan2s_critic_is_cuts(ends: Any) -> None:
    from gankit_modern.stylegan2 import StyleGAN2Critic

    net = fill(StyleGAN2Critic(3, channels=4, image_size=32, ends=ends))
    picture = drawn("stylegan2.c", 2, 3, 32, 32) if ends == "linear" else drawn("stylegan2.p", 1, 3, 24, 36)
    assert deviation(results(net, ends, picture, thin=2), case("stylegan2", ends)) < 5e-5


def test_stylegan2s_critic_says_what_pictures_it_takes() -> None:
    from gankit_modern.batch_critics import MinibatchDeviation
    from gankit_modern.stylegan2 import StyleGAN2Critic

    with pytest.raises(ValueError, match=r"takes pictures of 16 x 16 px, not \(1, 3, 16, 20\)"):
        StyleGAN2Critic(3, channels=2, image_size=16)(torch.zeros(1, 3, 16, 20))
    with pytest.raises(ValueError, match="a power of two, not 48"):
        StyleGAN2Critic(3, image_size=48)
    wide = StyleGAN2Critic(1, channels=64, image_size=64, ends="patch")
    assert [block.inner[2].weight.shape[0] for block in wide.down] == [128, 256, 384] and wide.min_size == 8
    patch = partial(StyleGAN2Critic, channels=2, image_size=16, ends="patch")
    assert MinibatchDeviation(3, discriminator=patch)(drawn("x", 2, 3, 16, 24)).shape == (2, 1, 8, 12)


# -- the kit -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("unet_critic", {"channels": 2, "downs": 3}),
        ("unet_critic", {"channels": 4, "downs": 3, "attention": [1, 3]}),
        ("stylegan2", {"channels": 2, "image_size": 16}),
        ("stylegan2", {"channels": 2, "image_size": 16, "ends": "patch"}),
        ("minibatch_deviation", None),
        ("batch_head", None),
        ("projected", {"backbone": {"type": "timm", "model": "test_resnet", "weights": "random"}, "side": 64}),
    ],
)
def test_the_critics_keep_their_contract(name: str, overrides: dict | None) -> None:
    if name == "projected":
        overrides = (overrides or {}) | {"channels": 2, "norm": "none"}
    check_component("discriminator", f"gankit-modern/{name}", overrides=overrides)


def test_contracts() -> None:
    from gankit_modern.batch_critics import BatchHead

    assert DiscriminatorContract(BatchHead(3, discriminator=PATCH)).mixes_batch
