"""Losses that compare features share a backbone: one pass for each picture."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gankit.features import FeatureLoss, FeatureNet, Features, own_state
from gankit.losses.adversarial import LSGAN
from gankit.methods.base import tensor
from gankit.methods.cyclegan import CycleGAN
from gankit.methods.plan import Term, plan_turns
from gankit.training.step import Stepper
from tests.methods import small


class Doublings(FeatureNet):
    """Layer `i` is the picture times 2^i."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.key, self.depth = "doublings", depth
        self.weight = nn.Parameter(torch.tensor(2.0), requires_grad=False)
        self.seen: list[tuple[int, tuple[str, ...]]] = []

    @property
    def layer_names(self) -> tuple[str, ...]:
        return tuple(str(i) for i in range(self.depth))

    def forward(self, x: Tensor, layers: Sequence[str]) -> Features:
        self.seen.append((id(x), tuple(layers)))
        return Features({name: x * self.weight ** int(name) for name in layers})


class Compare(FeatureLoss):
    def __init__(self, *layers: str) -> None:
        super().__init__(Doublings(1 + max(map(int, layers))), layers)

    def forward(self, output: Tensor | Features, target: Tensor | Features) -> Tensor:
        ours, theirs = self.features(output), self.features(target)
        return torch.stack([(ours[name] - theirs[name]).abs().mean() for name in self.layers]).sum()


class Styled(CycleGAN):
    @tensor
    def style(self) -> Tensor:
        return torch.full((1, 3, 16, 16), 0.25)


class ToStyle(Compare):
    compares = ("output", "style")

    def forward(self, output: Tensor | Features, style: Tensor | Features) -> Tensor:
        return super().forward(output, style)


def test_one_pass_for_each_picture_as_deep_as_needed() -> None:
    method, losses = small.cyclegan(), {"shallow": Compare("0"), "deep": Compare("2", "1")}
    (turn,) = plan_turns(method, {name: Term(loss) for name, loss in losses.items()})
    shared = losses["deep"].backbone
    assert losses["shallow"].backbone is shared
    found, _ = turn(small.batch(), {})
    assert [layers for _, layers in shared.seen] == [("0", "2", "1")] * 4  # output and target, both directions
    assert len({picture for picture, _ in shared.seen}) == 4
    output, target = method.translate(small.batch()["a"]), small.batch()["b"]
    for name in ("shallow", "deep"):
        torch.testing.assert_close(found[f"generator/{name}/a2b"], losses[name](output, target))


def test_a_constant_picture_is_passed_once_and_frozen_features_carry_no_graph() -> None:
    torch.manual_seed(0)
    method, loss = Styled(small.generator, small.critic), ToStyle("1")
    stepper = Stepper(method, {"gan": LSGAN(), "style": loss})
    for _ in range(3):
        stepper.step(small.batch())
    assert len(loss.backbone.seen) == 3 * 2 + 2  # the outputs of each step; the style of each direction once


def test_backbones_are_not_part_of_a_state() -> None:
    loss = Compare("0")
    loss.own = nn.Parameter(torch.ones(1))
    assert list(own_state(loss)) == ["own"]
    method = small.cyclegan()
    stepper = Stepper(method, {"features": loss})
    state = stepper.state_dict()
    assert list(state["losses"]["features"]) == ["own"]
    stepper.load_state_dict(state)
