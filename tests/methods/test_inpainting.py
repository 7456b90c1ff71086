"""Inpainting: what it offers, with networks that take holes and with ordinary ones."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor

from gankit.core.errors import BuildError
from gankit.discriminators.double_column import DoubleColumnDiscriminator
from gankit.discriminators.patch import PatchDiscriminator
from gankit.generators.lbam import LBAM
from gankit.generators.pconv import PConvUNet
from gankit.generators.resnet import ResnetGenerator
from gankit.generators.ugatit import UGATITGenerator
from gankit.losses.adversarial import WGAN
from gankit.losses.masked import MaskedL1
from gankit.losses.penalties import GradientPenalty
from gankit.methods.inpainting import Inpainting, takes_hole
from gankit.methods.plan import Term, plan_turns
from gankit.norms.instance import InstanceNorm

lbam = partial(LBAM, channels=2, downs=3)
critic = partial(DoubleColumnDiscriminator, channels=2, levels=2, norm=InstanceNorm)
GENERATORS = {
    "lbam": lbam,
    "pconv": partial(PConvUNet, channels=2, downs=3),
    "resnet": partial(ResnetGenerator, channels=2, blocks=1),
}
CRITICS = {"double_column": critic, "patch": partial(PatchDiscriminator, channels=2, layers=1)}


def batch(n: int = 2, side: int = 32) -> dict[str, Tensor]:
    draws = torch.Generator().manual_seed(0)
    mask = torch.zeros(n, 1, side, side)
    mask[..., 8:20, 4:16] = 1
    return {"a": torch.rand(n, 3, side, side, generator=draws) * 2 - 1, "mask": mask}


def method(**options) -> Inpainting:
    torch.manual_seed(0)
    return Inpainting(**{"generator": lbam, "discriminator": critic, "init": "kaiming"} | options)


def test_what_it_offers() -> None:
    made, given = method().eval(), batch()
    found = made.tensors_of(given, "a2b", ("source", "hole", "output", "composite", "target", "raw"))
    assert found is not None
    hole = given["mask"].expand(-1, 3, -1, -1) > 0
    assert torch.equal(found["hole"], given["mask"]) and torch.equal(found["target"], given["a"])
    assert (found["source"][hole] == -1).all() and torch.equal(found["source"][~hole], given["a"][~hole])
    assert torch.equal(found["composite"][hole], found["output"][hole]) and found["raw"] is found["output"]
    assert torch.equal(found["composite"][~hole], given["a"][~hole])
    truth = made.truth_of(given)
    assert truth is not None and torch.equal(truth, given["a"])


@pytest.mark.parametrize("generator", GENERATORS)
@pytest.mark.parametrize("discriminator", CRITICS)
def test_a_step_with_every_network(generator: str, discriminator: str) -> None:
    made = method(generator=GENERATORS[generator], discriminator=CRITICS[discriminator]).train()
    terms = {
        "adversarial": Term(WGAN(), 0.1),
        "gp": Term(GradientPenalty(), 10),
        "hole": Term(MaskedL1("hole"), 3),
        "valid": Term(MaskedL1("valid"), 0.5),
    }
    turns = plan_turns(made, terms)
    assert [turn.turn.name for turn in turns] == ["discriminator", "generator"]
    ahead = turns[1].ahead(batch())
    given = {key: value.detach() for key, value in ahead.items() if key in turns[0].needs}
    for turn, values in zip(turns, (given, ahead), strict=True):
        losses, _ = turn(batch(), values)
        learned = [p for p in turn.parameters_trained() if p.requires_grad]
        torch.stack(list(losses.values())).sum().backward(inputs=learned)
        grown = [p.grad for p in learned if p.grad is not None]
        assert grown and all(g.isfinite().all() for g in grown)
    assert {key.split("/")[1] for key in turns[0](batch(), given)[0]} == {"adversarial", "gp"}


def test_the_sign_of_the_critics_loss() -> None:
    """A step of the critic raises real above fake, one of the generator raises fake: LBAM's own code has neither."""
    made, given = method().eval(), batch()
    optimizer = torch.optim.SGD(made.network("discriminator", "a2b").parameters(), 1e-2)

    def gap() -> float:
        found = made.tensors_of(given, "a2b", ("real_logits", "fake_logits"))
        assert found is not None
        return (found["real_logits"].mean() - found["fake_logits"].mean()).item()

    before = gap()
    turn = plan_turns(made, {"adversarial": Term(WGAN())})[0]
    output = made.tensors_of(given, "a2b", ("output",))
    assert output is not None
    losses, _ = turn(given, {"output@a2b": output["output"], "fake_hole@a2b": given["mask"]})
    torch.stack(list(losses.values())).sum().backward()
    optimizer.step()
    assert gap() > before


def test_a_fake_from_the_pool_is_judged_with_its_own_hole() -> None:
    made = method().eval()
    turn = plan_turns(made, {"adversarial": Term(WGAN())})[0]
    old, other = batch(), batch()["mask"].flip(-1)
    found = made.tensors_of(old, "a2b", ("output", "fake_logits"))
    assert found is not None and turn.needs == ["output@a2b", "fake_hole@a2b"]
    given = {"output@a2b": found["output"], "fake_hole@a2b": old["mask"]}
    values = turn.values({"a": old["a"], "mask": other}, given)
    assert torch.equal(values["fake_logits@a2b"], found["fake_logits"])


def test_without_a_discriminator() -> None:
    made = method(discriminator=None)
    assert made.roles == ("generator",) and [t.name for t in made.turns()] == ["generator"]
    assert len(plan_turns(made, {"hole": Term(MaskedL1())})) == 1
    with pytest.raises(BuildError, match=r"it has no discriminator: set method\.discriminator to double_column"):
        plan_turns(made, {"adversarial": Term(WGAN())})


def test_a_translation_needs_a_hole_and_looks_at_nothing_in_it() -> None:
    made = method().eval()
    picture, hole = torch.rand(1, 3, 21, 35) * 2 - 1, torch.zeros(1, 1, 21, 35)
    hole[..., 5:9, 20:] = 1
    filled = made.translate({"source": picture, "hole": hole})
    other = made.translate({"source": torch.where(hole > 0, 0.3, picture), "hole": hole})
    assert filled.shape == picture.shape and torch.equal(filled, other)
    known = hole.expand_as(picture) == 0
    assert torch.equal(filled[known], picture[known])
    with pytest.raises(ValueError, match="hole is missing"):
        made.translate(picture)


def test_what_is_known_stays_exact_where_pictures_are_stretched() -> None:
    made = method(
        generator=partial(UGATITGenerator, channels=2, blocks=1, light=False, image_size=32), discriminator=None
    ).eval()
    picture, hole = torch.rand(1, 3, 24, 40) * 2 - 1, torch.zeros(1, 1, 24, 40)
    hole[..., 5:9, 20:] = 1
    known = hole.expand_as(picture) == 0
    assert torch.equal(made.translate({"source": picture, "hole": hole})[known], picture[known])


def test_who_takes_holes() -> None:
    assert takes_hole(lbam) and takes_hole(LBAM) and takes_hole(partial(critic, sigmoid=True))
    assert not takes_hole(ResnetGenerator) and not takes_hole(CRITICS["patch"])
    assert method(generator=GENERATORS["resnet"]).network("generator", "a2b").in_channels == 4
