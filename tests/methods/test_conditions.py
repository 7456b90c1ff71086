"""Conditions: asked for by name, given by the batch or by who translates, refused where a host has none to give."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gankit.conditions import at_size, missing, wants
from gankit.discriminators.patch import PatchDiscriminator
from gankit.fields import Field, Label, Mask, Picture, Segmentation, Vector
from gankit.generators.lbam import LBAM
from gankit.generators.resnet import ResnetGenerator
from gankit.generators.ugatit import UGATITGenerator
from gankit.generators.unet import UNetGenerator
from gankit.layers import ConvNorm
from gankit.losses.adversarial import LSGAN
from gankit.losses.reconstruction import L1, Cycle, Identity
from gankit.methods.base import Method
from gankit.methods.cyclegan import CycleGAN
from gankit.methods.inpainting import Inpainting
from gankit.methods.paired import Paired
from gankit.norms.adain import AdaIN
from gankit.norms.adalin import AdaLIN
from gankit.norms.instance import InstanceNorm
from gankit.training import compiled
from gankit.training.speed import Speed
from gankit.training.step import Stepper
from tests.methods.conditioned import LabelCritic, MapNorm, Painter, PoseNorm

SIZE = (16, 16)
SMALL = partial(ResnetGenerator, channels=4, blocks=2)
MAPPED = partial(SMALL, norm=MapNorm)
CRITIC = partial(PatchDiscriminator, channels=4, layers=1)


def drawn(method: Method, count: int = 2, **more: Field) -> dict[str, Tensor]:
    torch.manual_seed(0)
    fields = {name: kind for name, kind in method.takes.items() if name in "ab"} | more
    return {name: kind.draw(count, SIZE) for name, kind in fields.items()}


def test_what_parts_ask_for() -> None:
    assert wants(AdaIN) == wants(AdaLIN(4)) == ("gamma", "beta")
    assert wants(InstanceNorm) == wants(nn.BatchNorm2d(3)) == wants(nn.Identity()) == ()
    assert wants(MapNorm) == wants(MapNorm(3)) == wants(partial(MapNorm, classes=2)) == ("segmentation",)
    assert wants(Painter) == ("label", "pose") and wants(LBAM) == ("hole",)
    assert MAPPED(3, 3).takes == {"segmentation": Segmentation(4)} and SMALL(3, 3, norm=AdaLIN).takes == {}
    assert wants(MAPPED(3, 3)) == ("segmentation",)


def test_what_hosts_pass_on() -> None:
    assert missing(MapNorm, ResnetGenerator, "norm") == missing(AdaIN, ResnetGenerator, "norm") == []
    assert missing(MapNorm, UGATITGenerator, "encoder_norm") == []
    assert missing(AdaIN, UGATITGenerator, "encoder_norm") == ["gamma", "beta"]
    assert missing(MapNorm, UNetGenerator, "norm") == ["segmentation"]
    assert missing(AdaIN, PatchDiscriminator, "norm") == ["gamma", "beta"]


def test_a_unit_gives_its_norm_what_it_asks_for_and_says_what_is_missing() -> None:
    unit = ConvNorm(lambda bias: nn.Conv2d(3, 4, 1, bias=bias), MapNorm(4), relu=False)
    x, found = torch.randn(1, 3, 4, 4), Segmentation(4).draw(1, (8, 8))
    given = {"segmentation": found, "label": torch.tensor([1])}
    torch.testing.assert_close(unit(x, given), unit.norm(unit.conv(x), found))
    with pytest.raises(ValueError, match="a part needs `segmentation`, which is not given here; given are label"):
        unit(x, {"label": found})


def test_a_map_at_the_size_of_features() -> None:
    coarse = torch.arange(4.0).view(1, 1, 2, 2)
    assert at_size(coarse.repeat_interleave(4, 2).repeat_interleave(4, 3), coarse).equal(coarse)
    assert at_size(coarse, coarse) is coarse


@pytest.mark.parametrize("network", [MAPPED, partial(UGATITGenerator, channels=4, blocks=1, encoder_norm=MapNorm)])
def test_a_generator_passes_on_what_its_norms_ask_for(network: Any) -> None:
    torch.manual_seed(0)
    made, x = network(3, 3), Picture(3).draw(2, SIZE)
    one, other = (Segmentation(4).draw(2, SIZE) for _ in range(2))
    first = made(x, segmentation=one)[0] if isinstance(made, UGATITGenerator) else made(x, segmentation=one)
    second = made(x, segmentation=other)[0] if isinstance(made, UGATITGenerator) else made(x, segmentation=other)
    assert not torch.allclose(first, second)
    assert made.features(x, ["block1"], segmentation=one)[0].shape == (2, 16, 4, 4)


def play(method: Method, terms: dict[str, nn.Module], batch: dict[str, Tensor], **options: Any) -> dict[str, float]:
    torch.manual_seed(1)
    return dict(Stepper(method, terms, pool_size=0, **options).step(batch))


CYCLE = {"adversarial": LSGAN(), "cycle": Cycle(), "identity": Identity()}


def test_each_call_of_a_cycle_sees_the_map_of_the_picture_that_it_is_about() -> None:
    """Held against the same networks, called by hand."""
    torch.manual_seed(0)
    method = CycleGAN(MAPPED, CRITIC)
    a, b = method.network("generator", "a2b"), method.network("generator", "b2a")
    batch = drawn(method, segmentation_a=Segmentation(4), segmentation_b=Segmentation(4))
    x, y, of_x, of_y = batch.values()
    with torch.no_grad():
        back = b(a(x, segmentation=of_x), segmentation=of_x)
        kept = a(y, segmentation=of_y)
        expected = {
            "generator/cycle/a2b": float((back - x).abs().mean()),
            "generator/identity/a2b": float((kept - y).abs().mean()),
        }
    losses = play(method, CYCLE, batch)
    for name, value in expected.items():
        assert losses[name] == pytest.approx(value, rel=1e-5)


def test_what_a_translation_needs_and_takes_from_a_batch() -> None:
    method = CycleGAN(MAPPED, CRITIC).eval()
    for direction, domain in (("a2b", "a"), ("b2a", "b")):
        assert method.needs(direction) == {"source": Picture(3), "segmentation": Segmentation(4)}
        assert method.conditions(direction) == {"segmentation": f"segmentation_{domain}"}
    batch = drawn(method, segmentation_a=Segmentation(4))
    inputs = method.inputs_of(batch)
    assert inputs is not None and inputs["segmentation"].equal(batch["segmentation_a"])
    assert method.inputs_of(batch, "b2a") is None
    expected = method.network("generator", "a2b")(batch["a"], segmentation=batch["segmentation_a"])
    torch.testing.assert_close(method.translate(inputs), expected.detach().clamp(-1, 1))
    assert all(value is not None for value in method.infer(inputs, ("output", "reconstruction")))
    with pytest.raises(ValueError, match="a translation needs source and segmentation; segmentation is missing"):
        method.translate(batch["a"])


def test_a_pair_has_one_condition_for_generator_and_critic() -> None:
    method = Paired(Painter, LabelCritic)
    assert method.needs("a2b") == {"source": Picture(3), "label": Label(5), "pose": Vector(2)}
    batch = drawn(method, label=Label(5), pose=Vector(2))
    method = Paired(Painter, LabelCritic, conditional=False)
    a = play(method, {"adversarial": LSGAN(), "l1": L1()}, batch)
    assert set(a) == {"discriminator/adversarial/a2b", "generator/adversarial/a2b", "generator/l1/a2b"}
    grads = [p.grad for p in method.network("generator", "a2b").parameters()]
    assert all(g is not None and g.isfinite().all() for g in grads)


def test_a_critic_of_two_domains_sees_the_label_of_the_picture_that_it_judges() -> None:
    method = CycleGAN(SMALL, LabelCritic)
    critic = method.network("discriminator", "a2b")
    batch = drawn(method, label_a=Label(5), label_b=Label(5))
    batch["label_a"], batch["label_b"] = torch.tensor([0, 1]), torch.tensor([2, 3])
    with torch.no_grad():
        fake = method.network("generator", "a2b")(batch["a"])
        expected = (
            critic(fake, batch["label_a"]).square().mean() + (critic(batch["b"], batch["label_b"]) - 1).square().mean()
        ) / 2
    losses = play(method, {"adversarial": LSGAN(), "cycle": Cycle()}, batch, optimizer=partial(torch.optim.SGD, lr=0.0))
    assert losses["discriminator/adversarial/a2b"] == pytest.approx(float(expected), rel=1e-4)


def test_a_method_that_gives_a_condition_itself_is_left_to_do_so() -> None:
    method = Inpainting(partial(LBAM, channels=4, downs=2), None)
    assert method.needs("a2b") == {"source": Picture(3), "hole": Mask(of="a")}
    assert method.conditions("a2b") == {}


@pytest.mark.parametrize("speed", [Speed(checkpoint_activations=True), Speed(join_calls=True), Speed(compile=True)])
def test_what_makes_steps_faster_changes_nothing(speed: Speed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "BACKEND", lambda graph, inputs: graph.forward)
    torch.compiler.reset()
    fields = {"segmentation_a": Segmentation(4), "segmentation_b": Segmentation(4)}
    found = []
    for each in (Speed(), speed):
        torch.manual_seed(3)
        method = CycleGAN(MAPPED, CRITIC)
        stepper = Stepper(method, CYCLE, pool_size=0, speed=each)
        found.append(dict(stepper.step(drawn(method, **fields))))
    forward = stepper.passes.forward["generator"]
    assert not speed.compile or (isinstance(forward, compiled.Compiled) and forward.compiled is not None)
    assert found[1] == pytest.approx(found[0], rel=1e-4)


def test_a_norm_that_does_not_say_what_it_asks_for() -> None:
    with pytest.raises(ValueError, match="PoseNorm asks for `pose`, and its `takes` does not say what that is"):
        SMALL(3, 3, norm=PoseNorm)


def test_parts_that_disagree() -> None:
    with pytest.raises(ValueError, match="disagree on what `segmentation` is: a segmentation map of 4 classes, and"):
        UGATITGenerator(3, 3, channels=4, blocks=1, encoder_norm=MapNorm, decoder_norm=partial(MapNorm, classes=3))
