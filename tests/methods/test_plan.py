"""What DESIGN promises of tensors, losses and plans."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from gankit.core.errors import BuildError
from gankit.losses.adversarial import LSGAN, WGAN
from gankit.losses.attention_area import AttentionArea
from gankit.losses.cam import CAMLoss
from gankit.losses.penalties import R1, GradientPenalty
from gankit.losses.reconstruction import L1, Cycle, Identity
from gankit.losses.total_variation import TotalVariation
from gankit.methods.base import Turn, tensor
from gankit.methods.cyclegan import CycleGAN
from gankit.methods.plan import Term, plan_turns, whole_step
from gankit.methods.resolve import compute
from gankit.methods.turns import TurnModule
from gankit.training.step import Stepper
from tests.methods.small import agit, batch, count_calls, critic, cyclegan, generator


def play(method, terms: dict[str, Term | nn.Module], steps: int = 1, **options) -> dict[str, float]:
    stepper = Stepper(method, terms, pool_size=0, **options)
    losses = {}
    for _ in range(steps):
        losses = stepper.step(batch())
    return losses


def turns_of(method, **losses) -> dict[str, TurnModule]:
    terms = {name: loss if isinstance(loss, Term) else Term(loss) for name, loss in losses.items()}
    return {turn.turn.name: turn for turn in plan_turns(method, terms)}


def refused(method, **losses) -> BuildError:
    with pytest.raises(BuildError) as error:
        turns_of(method, **losses)
    return error.value


# -- only what some loss needs -------------------------------------------------------------------------------
def test_a_pass_that_no_loss_needs_is_not_computed() -> None:
    method = cyclegan()
    calls = count_calls(method)
    play(method, {"adversarial": LSGAN()})
    assert calls["generator_a2b"] == calls["generator_b2a"] == 1
    assert calls["discriminator_a2b"] == 3  # the generator's fake; the critic's real and fake

    calls.clear()
    play(method, {"adversarial": LSGAN(), "cycle": Cycle(), "identity": Term(Identity(), 5)})
    assert calls["generator_a2b"] == 3
    assert calls["discriminator_a2b"] == 3

    calls.clear()
    play(method, {"adversarial": LSGAN(), "cycle": Cycle(), "identity": Term(Identity(), 0)})
    assert calls["generator_a2b"] == 2


def test_one_forward_of_the_generator_serves_both_turns_when_the_critic_moves_first() -> None:
    class CriticFirst(CycleGAN):
        def turns(self) -> list[Turn]:
            return super().turns()[::-1]

    method = CriticFirst(generator, critic)
    calls = count_calls(method)
    play(method, {"adversarial": LSGAN(), "cycle": Cycle()})
    assert calls["generator_a2b"] == 2


def test_without_an_adversarial_loss_no_critic_plays() -> None:
    method = cyclegan()
    calls = count_calls(method)
    losses = play(method, {"cycle": Cycle()})
    assert set(losses) == {"generator/cycle/a2b", "generator/cycle/b2a"}
    assert calls["discriminator_a2b"] == calls["discriminator_b2a"] == 0


def test_a_tensor_that_several_losses_take_is_computed_once() -> None:
    turn = turns_of(cyclegan(), cycle=Cycle(), smooth=Term(TotalVariation(), on={}))["generator"]
    keys = [node.key for node in turn.plan]
    assert len(keys) == len(set(keys))
    assert keys.count("output@a2b") == 1


def test_tensors_come_after_what_they_are_made_of() -> None:
    for turn in turns_of(agit(), adversarial=LSGAN(), cycle=Cycle(), identity=Identity()).values():
        seen: set[str] = set(turn.needs)
        for node in turn.plan:
            assert {a for a in node.arguments if "@" in a} <= seen
            seen.add(node.key)


# -- mistakes ------------------------------------------------------------------------------------------------
def test_a_loss_whose_tensor_is_not_offered() -> None:
    error = refused(cyclegan(), area=AttentionArea())
    assert error.path == ("losses", "area")
    assert "loss 'area' needs 'attention', which method 'cyclegan'" in error.message
    assert "no attention head" in error.message
    assert "set method.generator.attention" in error.message


def test_a_tensor_of_another_method_names_that_method() -> None:
    class Needy(nn.Module):
        def forward(self, raw: Tensor) -> Tensor:
            return raw.mean()

    error = refused(cyclegan(), needy=Needy())
    assert "method 'cyclegan' does not offer" in error.message and "attention_guided and inpainting do" in error.message


def test_an_unknown_tensor_lists_what_there_is() -> None:
    error = refused(cyclegan(), odd=Term(L1(), on={"output": "composite"}))
    assert error.path == ("losses", "odd", "on", "output")
    assert "'composite'" in error.message and "reconstruction" in error.message


def test_an_unknown_argument_of_on() -> None:
    error = refused(cyclegan(), odd=Term(L1(), on={"picture": "output"}))
    assert error.path == ("losses", "odd", "on", "picture")
    assert "it has output, target" in error.message


def test_logits_of_an_attention_net_without_any() -> None:
    assert "gives a map, not logits" in refused(agit(), cam=CAMLoss()).message


def test_a_loss_behind_which_nothing_learns() -> None:
    error = refused(cyclegan(), still=Term(L1(), on={"output": "source"}))
    assert "trains nothing" in error.message


def test_a_turn_that_does_not_exist() -> None:
    error = refused(cyclegan(), cycle=Term(Cycle(), turn="referee"))
    assert error.path == ("losses", "cycle", "turn")
    assert "discriminator, generator" in error.message


def test_tensors_that_need_one_another() -> None:
    class Circle(CycleGAN):
        @tensor
        def egg(self, hen: Tensor) -> Tensor:
            return hen

        @tensor
        def hen(self, egg: Tensor) -> Tensor:
            return egg

    error = refused(Circle(generator, critic), which=Term(L1(), on={"output": "egg"}))
    assert "egg@a2b -> hen@a2b -> egg@a2b depend on each other" in error.message


# -- the envelope --------------------------------------------------------------------------------------------
def test_on_rebinds_an_argument() -> None:
    method, pictures = cyclegan(), batch()
    turn = turns_of(method, near=Term(L1(), 2, on={"output": "back_output", "target": "source"}))["generator"]
    losses, _ = turn(pictures, {})
    expected = 2 * (method.network("generator", "b2a")(pictures["b"]) - pictures["a"]).abs().mean()
    torch.testing.assert_close(losses["generator/near/a2b"], expected)


def test_weights_per_direction() -> None:
    losses = play(cyclegan(), {"cycle": Term(Cycle(), {"a2b": 10, "b2a": 5})})
    plain = play(cyclegan(), {"cycle": Cycle()})
    assert losses["generator/cycle/a2b"] == pytest.approx(10 * plain["generator/cycle/a2b"])
    assert losses["generator/cycle/b2a"] == pytest.approx(5 * plain["generator/cycle/b2a"])


def test_a_direction_without_weight_costs_nothing() -> None:
    method = cyclegan()
    calls = count_calls(method)
    losses = play(method, {"identity": Term(Identity(), {"a2b": 1})})
    assert set(losses) == {"generator/identity/a2b"}
    assert calls == {"generator_a2b": 1}


def test_from_step() -> None:
    terms = {"cycle": Cycle(), "identity": Term(Identity(), from_step=1)}
    assert "generator/identity/a2b" not in play(cyclegan(), terms)
    assert "generator/identity/a2b" in play(cyclegan(), terms, steps=2)


def test_a_term_of_every_third_step_costs_and_counts_there_alone() -> None:
    method = cyclegan()
    terms = {"cycle": Term(Cycle(), 10), "identity": Term(Identity(), 2, every=3, from_step=1)}
    stepper, calls = Stepper(method, terms, pool_size=0), []
    method.network("generator", "a2b").register_forward_hook(lambda *_: calls.append(stepper.steps))
    told = [stepper.step(batch()) for _ in range(7)]
    assert [n for n, losses in enumerate(told) if "generator/identity/a2b" in losses] == [3, 6]
    assert [calls.count(step) for step in range(7)] == [2, 2, 2, 3, 2, 2, 3]  # output, the cycle back; the identity
    phases = [stepper.turns[0].phase(step) for step in range(7)]
    assert len(set(phases)) == 3 and phases[1:3] == phases[4:6] and phases[3] == phases[6]


def test_the_weight_of_a_rare_term_is_multiplied() -> None:
    rare = play(cyclegan(), {"cycle": Term(Cycle(), {"a2b": 10, "b2a": 5}, every=4)})
    plain = play(cyclegan(), {"cycle": Cycle()})
    assert rare["generator/cycle/a2b"] == pytest.approx(40 * plain["generator/cycle/a2b"])
    assert rare["generator/cycle/b2a"] == pytest.approx(20 * plain["generator/cycle/b2a"])


def test_the_step_at_which_all_count() -> None:
    terms = [Term(Cycle(), every=4), Term(Cycle(), from_step=9), Term(Cycle(), every=6, from_step=2)]
    assert (whole_step(terms), whole_step(terms[:1]), whole_step([])) == (12, 0, 0)
    assert whole_step(terms[1:2], every=5) == 10


def test_every() -> None:
    class Slow(CycleGAN):
        def turns(self) -> list[Turn]:
            return [Turn("generator", "generator", ("generator",), every=2), super().turns()[1]]

    stepper = Stepper(Slow(generator, critic), {"adversarial": LSGAN()}, pool_size=0)
    sides = [{key.split("/")[0] for key in stepper.step(batch())} for _ in range(4)]
    assert sides == [{"generator", "discriminator"}, {"discriminator"}] * 2


def test_back_is_the_other_direction() -> None:
    method, pictures = agit(), batch()
    forward = compute(method, "a2b", pictures, ["back_attention", "back_output"])
    backward = compute(method, "b2a", pictures, ["attention", "output"])
    torch.testing.assert_close(forward["back_attention"], backward["attention"])
    torch.testing.assert_close(forward["back_output"], backward["output"])


# -- turns ---------------------------------------------------------------------------------------------------
def test_the_generator_gets_no_gradient_in_the_critics_turn() -> None:
    method, pictures = cyclegan(), batch()
    turns = turns_of(method, adversarial=LSGAN())
    _, made = turns["generator"](pictures, {})
    losses, _ = turns["discriminator"](pictures, {key: value.detach() for key, value in made.items()})
    sum(losses.values()).backward()
    assert all(p.grad is None for p in method.network("generator", "a2b").parameters())
    assert all(p.grad is not None for p in method.network("discriminator", "a2b").parameters())


def test_fakes_from_a_step_are_detached_and_pooled() -> None:
    stepper = Stepper(cyclegan(), {"adversarial": LSGAN()}, pool_size=4)
    shown = []
    stepper.turns[1].register_forward_pre_hook(lambda module, args: shown.append(args[1]))
    stepper.step(batch())
    assert set(shown[0]) == {"output@a2b", "output@b2a"}
    assert not any(fake.requires_grad for fake in shown[0].values())
    assert len(stepper.pools["a2b"]) == 1


def test_a_turn_trains_its_own_networks_alone() -> None:
    method = cyclegan()
    before = copy.deepcopy(method.networks.state_dict())
    play(method, {"cycle": Cycle()})
    changed = {k.split(".")[0] for k, v in method.networks.state_dict().items() if not torch.equal(v, before[k])}
    assert changed == {"generator_a2b", "generator_b2a"}


@pytest.mark.parametrize("penalty", [GradientPenalty(), R1()])
def test_penalties_belong_to_the_critic(penalty: nn.Module) -> None:
    losses = play(cyclegan(), {"adversarial": WGAN(), "penalty": Term(penalty, 10), "cycle": Cycle()})
    assert {key.split("/")[0] for key in losses if "/penalty/" in key} == {"discriminator"}


def test_what_nothing_trained_stands_behind_keeps_no_graph() -> None:
    turn = turns_of(agit(), adversarial=LSGAN())["discriminator"]
    frozen = {node.key: node.frozen for node in turn.plan}
    assert frozen["attention@b2a"] and not frozen["real_logits@a2b"]
    values = turn.values(batch(), {key: torch.zeros(1, 3 if "mask" not in key else 1, 16, 16) for key in turn.needs})
    assert not values["attention@b2a"].requires_grad


# -- plugins -------------------------------------------------------------------------------------------------
class Squared(CycleGAN):
    """As a plugin's method: it adds a tensor."""

    @tensor
    def square(self, output: Tensor, back_generator: nn.Module) -> Tensor:
        """The output there and back, squared."""
        return back_generator(output) ** 2


class Bright(nn.Module):
    """As a plugin's loss, which knows no method: it takes a tensor, and another where there is one."""

    def forward(self, square: Tensor, attention: Tensor | None = None) -> Tensor:
        assert attention is None
        return square.mean()


def test_a_plugins_loss_takes_a_plugins_tensor() -> None:
    losses = play(Squared(generator, critic), {"bright": Bright(), "adversarial": LSGAN()})
    assert 0 < losses["generator/bright/a2b"] <= 1
    assert "losses.bright" in str(refused(cyclegan(), bright=Bright()))


# -- one module ----------------------------------------------------------------------------------------------
def test_a_turn_compiles_whole_backward_included() -> None:
    """AGIT's has all that CycleGAN's has, and the attention."""
    method, pictures = agit(), batch()
    turn = turns_of(method, adversarial=LSGAN(), cycle=Cycle())["generator"]
    compiled = torch.compile(turn, fullgraph=True, backend="aot_eager")
    gradients = []
    for module in (turn, compiled):
        method.zero_grad(set_to_none=True)
        losses, _ = module(pictures, {})
        sum(losses.values()).backward()
        gradients.append({n: p.grad.clone() for n, p in method.networks.named_parameters() if p.grad is not None})
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-4, atol=1e-6)
