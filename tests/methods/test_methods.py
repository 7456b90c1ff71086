"""What each paper's method does beyond its plan."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from gankit.discriminators.ugatit import UGATITDiscriminator
from gankit.generators.resnet import ResnetGenerator
from gankit.generators.ugatit import UGATITGenerator
from gankit.generators.unet import UNetGenerator
from gankit.losses.adversarial import LSGAN, Vanilla
from gankit.losses.reconstruction import L1, Cycle
from gankit.methods.attention_guided import AttentionGuided
from gankit.methods.base import Method, image_of
from gankit.methods.cyclegan import CycleGAN
from gankit.methods.paired import Paired
from gankit.methods.resolve import compute
from gankit.methods.ugatit import UGATIT
from gankit.norms.batch import BatchNorm
from gankit.training.step import Stepper
from tests.methods.small import agit, batch, count_calls, critic, cyclegan, generator, mask

unet = partial(UNetGenerator, channels=2, downs=3)


def paired(**options) -> Paired:
    torch.manual_seed(0)
    return Paired(options.pop("generator", unet), critic, **options)


def ugatit(light: bool = True, **options) -> UGATIT:
    torch.manual_seed(0)
    return UGATIT(
        partial(UGATITGenerator, channels=2, blocks=1, light=light, image_size=16),
        partial(UGATITDiscriminator, channels=2),
        **options,
    )


METHODS = {"cyclegan": cyclegan, "attention_guided": agit, "ugatit": ugatit, "paired": paired}


# -- any size ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", [*METHODS, "ugatit-full"])
@pytest.mark.parametrize("size", [(1, 1), (5, 300), (17, 30)])
def test_every_method_translates_every_size(name: str, size: tuple[int, int]) -> None:
    method = ugatit(light=False) if name == "ugatit-full" else METHODS[name]()
    method.eval()
    picture = torch.rand(2, 3, *size) * 2 - 1
    for direction in method.directions:
        output = method.translate(picture, direction)
        assert output.shape == picture.shape
        assert output.isfinite().all() and output.abs().max() <= 1
        attention = method.attend(picture, direction)
        assert (attention is None) == (name in ("cyclegan", "paired"))
        if attention is not None:
            assert attention.shape == (2, 1, *size)
            assert attention.min() >= 0 and attention.max() <= 1


def test_a_picture_of_a_fitting_size_is_not_padded() -> None:
    method, picture = cyclegan().eval(), batch(32)["a"]
    torch.testing.assert_close(method.translate(picture), method.network("generator", "a2b")(picture))


def test_the_smallest_side_is_that_of_all_that_makes_the_picture() -> None:
    method = AttentionGuided(partial(UNetGenerator, channels=2, downs=2), mask, critic)
    assert method.eval().translate(torch.zeros(1, 3, 3, 3)).shape == (1, 3, 3, 3)


def test_an_unknown_direction() -> None:
    with pytest.raises(ValueError, match="direction must be one of a2b, not 'b2a'"):
        paired().translate(torch.zeros(1, 3, 8, 8), "b2a")


@pytest.mark.parametrize("make", METHODS.values(), ids=METHODS)
def test_translating_keeps_no_graph(make) -> None:
    assert not make().eval().translate(torch.zeros(1, 3, 16, 16)).requires_grad


# -- cycles --------------------------------------------------------------------------------------------------
NOISE = 0.3


@pytest.mark.parametrize("make", [cyclegan, ugatit, agit], ids=["cyclegan", "ugatit", "attention_guided"])
def test_the_way_back_begins_with_noise_in_training_alone(make: Callable[..., CycleGAN | AttentionGuided]) -> None:
    plain, noisy = make(), make(cycle_noise=NOISE)
    output, reconstruction = values(plain, "output", "reconstruction")
    torch.manual_seed(2)
    same, with_noise = values(noisy, "output", "reconstruction")
    torch.manual_seed(2)
    seen = output + NOISE * torch.randn_like(output)
    assert torch.equal(same, output)
    assert not torch.allclose(with_noise, reconstruction)
    back = image_of(noisy.network("generator", "b2a")(seen))
    if make is agit:
        attention = noisy.network("attention_net", "b2a")(seen).map
        back = back * attention + output * (1 - attention)
    torch.testing.assert_close(with_noise, back.detach())
    rested = [values(method.eval(), "reconstruction")[0] for method in (plain, noisy)]
    assert torch.equal(*rested)


# -- attention_guided ----------------------------------------------------------------------------------------
def values(method: Method, *names: str) -> list[Tensor]:
    with torch.no_grad():
        found = compute(method, "a2b", batch(), names)
    return [found[name] for name in names]


def test_the_output_is_the_source_where_nothing_is_attended_to() -> None:
    output, raw, attention = values(agit(), "output", "raw", "attention")
    source = batch()["a"]
    torch.testing.assert_close(output, raw * attention + source * (1 - attention))


def test_the_cycle_goes_through_the_other_map_of_the_output() -> None:
    method = agit()
    output, reconstruction = values(method, "output", "reconstruction")
    attention = method.network("attention_net", "b2a")(output).map
    raw = method.network("generator", "b2a")(output)
    torch.testing.assert_close(reconstruction, raw * attention + output * (1 - attention))


def test_a_generator_may_be_fed_what_is_attended_to_alone() -> None:
    method = agit(generator_sees="attended")
    raw, attention, output, reconstruction, identity = values(
        method, "raw", "attention", "output", "reconstruction", "identity"
    )
    source, target = batch()["a"], batch()["b"]
    makes, back_makes = (method.network("generator", direction) for direction in ("a2b", "b2a"))
    torch.testing.assert_close(raw, makes(source * attention))
    torch.testing.assert_close(output, raw * attention + source * (1 - attention))
    back = method.network("attention_net", "b2a")(output).map
    torch.testing.assert_close(reconstruction, back_makes(output * back) * back + output * (1 - back))
    own = method.network("attention_net", "a2b")(target).map
    torch.testing.assert_close(identity, makes(target * own) * own + target * (1 - own))
    assert not torch.equal(raw, makes(source))
    torch.testing.assert_close(method.eval().translate(source), output)


def test_critics_see_whole_pictures_in_the_first_phase() -> None:
    method = agit(whole_image_until_epoch=2)
    method.set_epoch(1)
    output, fake, real = values(method, "output", "fake_logits", "real_logits")
    judge = method.network("discriminator", "a2b")
    torch.testing.assert_close(fake, judge(output))
    torch.testing.assert_close(real, judge(batch()["b"]))


@pytest.mark.parametrize("masked_fake, name", [("raw", "raw"), ("composed", "output")])
def test_critics_see_what_is_attended_to_in_the_second(masked_fake: str, name: str) -> None:
    method = agit(whole_image_until_epoch=2, masked_fake=masked_fake, threshold=0.5)
    method.set_epoch(2)
    picture, attention, back, fake, real = values(
        method, name, "attention", "back_attention", "fake_logits", "real_logits"
    )
    judge = method.network("discriminator", "a2b")
    assert 0 < (attention >= 0.5).float().mean() < 1
    torch.testing.assert_close(fake, judge(picture * (attention >= 0.5)))
    torch.testing.assert_close(real, judge(batch()["b"] * (back >= 0.5)))


def cycle_gradients(share: float, name: str) -> tuple[float, list[Tensor]]:
    method = agit(cycle_to_attention=share)
    reconstruction = compute(method, "a2b", batch(), ["reconstruction"])["reconstruction"]
    loss = (reconstruction - batch()["a"]).abs().mean()
    loss.backward()
    return loss.item(), [
        p.grad for d in ("a2b", "b2a") for p in method.network(name, d).parameters() if p.requires_grad
    ]


@pytest.mark.parametrize("share", [0.0, 0.25])
def test_the_cycle_may_have_less_of_the_maps(share: float) -> None:
    """The attention that brings back gets its share at once; that of the way there is also seen by what follows it."""
    whole, every = cycle_gradients(1.0, "attention_net")
    loss, some = cycle_gradients(share, "attention_net")
    assert loss == whole
    there, back = some[: len(some) // 2], some[len(some) // 2 :]
    torch.testing.assert_close(back, [share * gradient for gradient in every[len(every) // 2 :]])
    assert all(gradient.norm() < full.norm() for gradient, full in zip(there, every, strict=False) if full.norm() > 0)
    assert share or all(gradient.abs().max() == 0 for gradient in some)


def test_the_map_of_the_way_back_teaches_maps_alone() -> None:
    method, given = agit(), batch()
    found = compute(method, "a2b", given, ["output", "attention", "returned_attention"])
    expected = method.network("attention_net", "b2a")(found["output"]).map
    torch.testing.assert_close(found["returned_attention"], expected)
    (found["attention"] - found["returned_attention"]).square().mean().backward()
    reached = {name.split(".")[0] for name, p in method.networks.named_parameters() if p.grad is not None}
    assert reached == {"attention_net_a2b", "attention_net_b2a"}


def learning(network: nn.Module) -> set[str]:
    return {name for name, p in network.named_parameters() if p.requires_grad}


def test_maps_stop_learning_and_norms_leave_the_critics() -> None:
    """The biases in front of instance norms never learn, before the phase or after it."""
    method = agit(whole_image_until_epoch=1)
    critic_norm = method.network("discriminator", "a2b")
    own = learning(mask(3))
    assert "stem.conv.weight" in own and "stem.conv.bias" not in own
    for epoch, first in ((0, True), (1, False), (0, True)):
        method.set_epoch(epoch)
        assert learning(method.network("attention_net", "a2b")) == (own if first else set())
        assert critic_norm.norm_enabled == first


def test_the_phases_parts_can_be_switched_off() -> None:
    method = agit(whole_image_until_epoch=0, freeze_attention=False, drop_norm=False)
    assert learning(method.network("attention_net", "a2b")) == learning(mask(3))
    assert method.network("discriminator", "a2b").norm_enabled


@pytest.mark.parametrize(
    "alternate, first", [(False, ["generator", "discriminator"]), (True, ["generator_a2b", "discriminator_a2b"])]
)
def test_the_order_of_moves(alternate: bool, first: list[str]) -> None:
    stepper = Stepper(agit(alternate=alternate), {"adversarial": LSGAN(), "cycle": Cycle()}, pool_size=2)
    played = list(dict.fromkeys(key.split("/")[0] for key in stepper.step(batch())))
    assert played[:2] == first and len(played) == (4 if alternate else 2)


def test_frozen_maps_stay_in_the_second_phase() -> None:
    method = agit(whole_image_until_epoch=0)
    before = {k: v.clone() for k, v in method.network("attention_net", "a2b").state_dict().items()}
    Stepper(method, {"adversarial": LSGAN(), "cycle": Cycle()}).step(batch())
    after = method.network("attention_net", "a2b").state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)


def test_agit_needs_one_number_of_channels_and_a_map() -> None:
    with pytest.raises(ValueError, match="must be equal"):
        agit(channels_a=1)
    from gankit.attention.self_attention import SelfAttention

    with pytest.raises(ValueError, match="a map"):
        AttentionGuided(generator, SelfAttention, critic)


# -- paired --------------------------------------------------------------------------------------------------
def test_the_conditional_critic_sees_the_source_beside_the_picture() -> None:
    method, pictures = paired(), batch()
    judge = method.network("discriminator", "a2b")
    (real,) = values(method, "real_logits")
    torch.testing.assert_close(real, judge(torch.cat([pictures["a"], pictures["b"]], 1)))


def test_the_unconditional_critic_sees_the_picture() -> None:
    method = paired(conditional=False)
    (real,) = values(method, "real_logits")
    torch.testing.assert_close(real, method.network("discriminator", "a2b")(batch()["b"]))


def test_the_critic_moves_first() -> None:
    losses = Stepper(paired(), {"adversarial": Vanilla(), "l1": L1()}, pool_size=0).step(batch())
    assert next(iter(losses)).startswith("discriminator/")


@pytest.mark.parametrize("noise", [True, False])
def test_noise_at_test(noise: bool) -> None:
    deep = partial(UNetGenerator, channels=2, downs=6)  # only the middle levels have dropout
    method = paired(generator=deep, noise_at_test=noise).eval()
    picture = batch(64, n=2)["a"]
    torch.manual_seed(1)
    first, second = method.translate(picture), method.translate(picture)
    assert torch.equal(first, second) != noise
    assert not method.network("discriminator", "a2b").training


def test_no_picture_sees_the_others_of_its_batch() -> None:
    method = paired(generator=partial(UNetGenerator, channels=2, downs=3, norm=BatchNorm)).eval()
    pictures = batch(32, n=3)["a"]
    alone = torch.cat([method.translate(picture[None]) for picture in pictures])
    assert torch.equal(method.translate(pictures), alone) and not torch.equal(alone[0], alone[1])


def test_noise_does_not_move_the_networks() -> None:
    method = paired().eval()
    before = {k: v.clone() for k, v in method.networks.state_dict().items()}
    method.translate(batch()["a"])
    after = method.networks.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)


# -- ugatit --------------------------------------------------------------------------------------------------
def test_ugatit_offers_logits_and_its_critics_move_first() -> None:
    method = ugatit()
    logits, attention = values(method, "logits", "attention")
    assert logits.shape == (1, 2) and attention.shape == (1, 1, 4, 4)
    assert [turn.name for turn in method.turns()] == ["discriminator", "generator"]


def test_networks_of_any_make_fit_one_method() -> None:
    from gankit.attention.cam import CAM
    from gankit.losses.cam import CAMLoss

    method = CycleGAN(partial(ResnetGenerator, channels=2, blocks=2, attention=CAM), critic)
    calls = count_calls(method)
    losses = Stepper(method, {"adversarial": LSGAN(), "cam": CAMLoss()}).step(batch())
    assert losses["generator/cam/a2b"] > 0 and calls["generator_a2b"] == 2
