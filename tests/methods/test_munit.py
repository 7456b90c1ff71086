from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import gankit
from gankit.core.errors import BuildError, DataError
from gankit.discriminators.patch import PatchDiscriminator
from gankit.generators.munit import MUNITGenerator
from gankit.generators.resnet import ResnetGenerator
from gankit.losses.adversarial import LSGAN
from gankit.losses.attention_area import AttentionArea
from gankit.losses.reconstruction import L1, Cycle, Identity
from gankit.methods.base import tensor
from gankit.methods.munit import MUNIT
from gankit.methods.plan import Term, plan_turns
from gankit.training.devices import Devices
from gankit.training.step import Stepper
from tests.methods.small import batch, count_calls
from tests.training.tiny import MUNIT as TINY
from tests.training.tiny import STYLED, recipe

generator = partial(MUNITGenerator, channels=2, downs=1, blocks=1, style_channels=3, style_downs=2, mlp_channels=16)
critic = partial(PatchDiscriminator, channels=2, layers=1)


def munit(kind: type[MUNIT] = MUNIT, **options: Any) -> MUNIT:
    torch.manual_seed(0)
    return kind(generator, critic, **options)


def terms(**more: Term) -> dict[str, Term]:
    return {
        "adversarial": Term(LSGAN(halve=False)),
        "image": Term(Identity(), 10),
        "style": Term(L1(), on={"output": "output_style", "target": "style"}),
        "content": Term(L1(), on={"output": "output_content", "target": "content"}),
        **more,
    }


def stepper(method: MUNIT, **more: Term) -> Stepper:
    return Stepper(method, terms(**more), pool_size=0, devices=Devices(torch.device("cpu")))


# -- tensors -----------------------------------------------------------------------------------------------------------
def test_each_domain_s_generator_takes_apart_and_makes_its_pictures() -> None:
    method, given = munit(), batch()
    of_a, of_b = method.network("generator", "b2a"), method.network("generator", "a2b")
    a, b = given["a"], given["b"]
    names = ("content", "own_style", "style", "output", "output_content", "output_style", "reconstruction", "identity")
    found = method.tensors_of(given, "a2b", names)
    assert found is not None
    torch.testing.assert_close(found["content"], of_a.encode_content(a))  # type: ignore[operator]
    torch.testing.assert_close(found["own_style"], of_a.encode_style(a))  # type: ignore[operator]
    torch.testing.assert_close(found["output"], of_b.decode(found["content"], found["style"]))  # type: ignore[operator]
    torch.testing.assert_close(found["output_content"], of_b.encode_content(found["output"]))  # type: ignore[operator]
    torch.testing.assert_close(found["output_style"], of_b.encode_style(found["output"]))  # type: ignore[operator]
    brought_back = of_a.decode(found["output_content"], found["own_style"])  # type: ignore[operator]
    torch.testing.assert_close(found["reconstruction"], brought_back)
    torch.testing.assert_close(found["identity"], of_b(b))


def test_domains_may_differ_in_channels() -> None:
    method = munit(channels_a=1)
    assert method.translate(torch.zeros(1, 1, 16, 16)).shape == (1, 3, 16, 16)
    assert method.translate(torch.zeros(1, 3, 16, 16), "b2a").shape == (1, 1, 16, 16)


def test_styles_are_drawn_for_each_picture_and_follow_the_seed() -> None:
    method, source = munit(), torch.zeros(400, 3, 1, 1)
    torch.manual_seed(5)
    first = method.style(source)
    torch.manual_seed(5)
    assert torch.equal(first, method.style(source)) and not torch.equal(first, method.style(source))
    assert abs(first.mean()) < 0.1 and abs(first.std() - 1) < 0.1


# -- training ----------------------------------------------------------------------------------------------------------
def test_a_step_has_the_paper_s_losses_and_critics_move_first() -> None:
    step = stepper(munit(), cycle=Term(Cycle(), 10))
    assert [turn.turn.name for turn in step.turns] == ["discriminator", "generator"]
    losses = step.step(batch())
    players = {f"generator/{name}/{d}" for name in (*terms(), "cycle") for d in ("a2b", "b2a")}
    assert set(losses) == players | {f"discriminator/adversarial/{d}" for d in ("a2b", "b2a")}


def test_every_weight_learns_and_contents_are_not_cut_off() -> None:
    step = stepper(munit())
    step.step(batch(32))
    silent = [name for name, p in step.method.networks.named_parameters() if p.requires_grad and p.grad is None]
    assert not silent
    module = next(turn for turn in plan_turns(munit(), {"content": terms()["content"]}))
    losses, _ = module(batch(), {})
    losses["generator/content/a2b"].backward()
    network = module.method.network("generator", "b2a")
    assert network.content[0].conv.weight.grad.abs().sum() > 0  # type: ignore[index, union-attr]


class Counting(MUNIT):
    """Counts the styles drawn."""

    drawn: list[Tensor]

    @tensor
    def style(self, source: Tensor) -> Tensor:
        self.drawn.append(MUNIT.style(self, source))
        return self.drawn[-1]


@pytest.mark.parametrize(("fresh", "draws"), [(True, 4), (False, 2)])
def test_the_critics_fakes_have_styles_of_their_own_or_are_shared(fresh: bool, draws: int) -> None:
    method = munit(Counting, fresh_fakes=fresh)
    assert isinstance(method, Counting)
    method.drawn = []
    stepper(method).step(batch())
    assert len(method.drawn) == draws
    assert len({tuple(style.flatten().tolist()) for style in method.drawn}) == draws


def test_no_loss_without_its_passes() -> None:
    method = munit()
    encoded: list[str] = []
    for key, network in method.networks.items():
        for unit in getattr(network, "style", ())[:1]:
            unit.register_forward_hook(lambda *_, key=key: encoded.append(key))
    step = Stepper(method, {"adversarial": Term(LSGAN())}, pool_size=0, devices=Devices(torch.device("cpu")))
    step.step(batch())
    assert not encoded  # nothing asks for a style of a picture
    assert count_calls(method) == {}


def test_attention_is_not_offered_in_words() -> None:
    with pytest.raises(BuildError, match="munit has no attention"):
        stepper(munit(), area=Term(AttentionArea()))


def test_other_generators_are_refused_in_words() -> None:
    with pytest.raises(ValueError, match="no encode_content and no encode_style and no decode"):
        MUNIT(partial(ResnetGenerator, channels=2, blocks=1), critic)


# -- use ---------------------------------------------------------------------------------------------------------------
def test_a_translation_is_the_same_each_time_and_of_any_size() -> None:
    method, x = munit().eval(), batch(19)["a"]
    once = method.translate(x)
    assert once.shape == x.shape
    assert torch.equal(once, method.translate(x))
    assert torch.equal(once, method.translate({"source": x, "style": method.styles(1)}))
    pair = method.translate(torch.cat([x, x]))
    torch.testing.assert_close(pair[0], pair[1])  # a film keeps its style


def test_styles_change_the_picture_and_come_from_examples() -> None:
    method, given = munit().eval(), batch()
    outputs = [method.translate({"source": given["a"], "style": code}) for code in 3 * method.styles(3, seed=1)]
    assert not torch.allclose(outputs[0], outputs[1]) and not torch.allclose(outputs[1], outputs[2])
    code = method.encode_style(given["b"])
    torch.testing.assert_close(code, method.network("generator", "a2b").encode_style(given["b"]))  # type: ignore[operator]
    assert method.encode_style(torch.zeros(1, 3, 3, 2)).shape == (1, 3)
    assert torch.equal(method.styles(2, 7), method.styles(5, 7)[:2])


def test_samples_are_translations() -> None:
    method, x = munit().eval(), torch.cat([batch(18)["a"], batch(18)["b"]])
    made = method.samples(x, 3, generator=torch.Generator().manual_seed(4))
    assert made.shape == (2, 3, 3, 18, 18)
    styles = torch.randn(2, 3, generator=torch.Generator().manual_seed(4))
    torch.testing.assert_close(made[:, 0], method.translate({"source": x, "style": styles}))
    torch.manual_seed(1)
    first = method.samples(x, 1)
    assert not torch.equal(first, method.samples(x, 1))


def test_figures_are_of_many_styles() -> None:
    method = munit()
    inputs = method.inputs_of(batch(n=2))
    assert inputs is not None and inputs["style"].shape == (2, 3)
    assert not torch.equal(inputs["style"][0], inputs["style"][1])
    assert method.inputs_of({"b": torch.zeros(1, 3, 16, 16)}) is None


@pytest.mark.parametrize("shape", [(4,), (1, 2), (3, 3)])
def test_unfit_styles_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="the style of 1 pictures is"):
        munit().translate({"source": batch()["a"], "style": torch.zeros(shape)})


def test_a_trained_model_takes_styles_and_examples(tmp_path: Path) -> None:
    model = gankit.train(recipe(TINY, STYLED, steps=1), tmp_path / "run")
    x, other = batch()["a"], batch()["b"]
    assert torch.equal(model.translate(x), model.translate(x, style=0))
    assert not torch.allclose(model.translate(x, style=1), model.translate(x, style=2))
    shown = model.translate(x, example=other)
    torch.testing.assert_close(shown, model.translate(x, style=model.method.encode_style(other)))  # type: ignore[operator]
    for wrong in ({"style": torch.zeros(9)}, {"style": 1, "example": other}, {"example": torch.zeros(1, 1, 8, 8)}):
        with pytest.raises(DataError):
            model.translate(x, **wrong)
    assert (tmp_path / "run" / "samples").exists()


def test_figures_take_the_style_of_an_example_where_the_data_has_one() -> None:
    method, given = munit(), batch()
    drawn = method.inputs_of(given)
    example = torch.rand(given["a"].shape) * 2 - 1
    told = method.inputs_of(given | {"example_a2b": example})
    assert drawn is not None and told is not None
    torch.testing.assert_close(told["style"], method.encode_style(example))
    assert not torch.allclose(told["style"], drawn["style"])
