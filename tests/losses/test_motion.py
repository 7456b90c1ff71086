"""A translation that moves as its source does, and one that does not."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gankit.losses.motion import Motion, moved
from gankit.losses.reconstruction import L1
from gankit.methods.plan import Term
from gankit.slots import Translated
from gankit.testing import check_component
from gankit.training.step import Stepper
from tests.methods.small import agit, batch, cyclegan


def smooth(n: int = 2, height: int = 24, width: int = 32) -> Tensor:
    torch.manual_seed(0)
    return F.interpolate(torch.rand(n, 3, 4, 5) * 2 - 1, (height, width), mode="bicubic").clamp(-0.9, 0.9)


def fixed(x: Tensor) -> Tensor:
    """What a network with a pattern of its own does: the pattern stays where it is."""
    pattern = torch.arange(x.shape[-1]).remainder(4).sub(1.5) / 3
    return (x + pattern).clamp(-1, 1)


def test_what_commutes_with_motion_costs_nothing() -> None:
    x = smooth()
    for network in (lambda x: x, lambda x: -x, lambda x: 0.5 * x[:, [2, 0, 1]], lambda x: Translated(-x)):
        output = network(x)
        output = output.image if isinstance(output, Translated) else output
        assert Motion()(network, output, x).item() < 1e-6
    assert Motion()(fixed, fixed(x), x).item() > 0.1


def test_whole_pixels_quarter_turns_and_sizes() -> None:
    x, loss = smooth(1, 24, 24), Motion(shift=0, angle=0, zoom=0.5)
    places = loss.places(x)
    side = places[0, 0, :, 0]
    steps = side[1:] - side[:-1]
    torch.testing.assert_close(steps, steps[:1].expand(23))  # evenly, 2/24 and up to half more or less
    assert 1 / 24 - 1e-6 <= steps[0] <= 3 / 24 + 1e-6 and abs(steps[0].item() - 2 / 24) > 1e-3
    still = Motion(shift=1e-9, angle=0, zoom=0)
    torch.testing.assert_close(moved(x, still.places(x)), x, atol=1e-5, rtol=0)
    shifted = still.places(x) + torch.tensor([2 * 3 / 24, 0.0])  # three pixels to the right
    torch.testing.assert_close(moved(x, shifted)[..., :-4], x[..., 3:-1], atol=1e-5, rtol=0)
    turned = torch.stack([-still.places(x)[..., 1], still.places(x)[..., 0]], -1)
    torch.testing.assert_close(moved(x, turned), x.rot90(1, (2, 3)), atol=1e-5, rtol=0)


def test_a_turn_keeps_lengths_in_oblong_pictures() -> None:
    x = smooth(1, 16, 48)
    pixels = Motion(shift=0, angle=30, zoom=0).places(x)[0] * torch.tensor([48 / 2, 16 / 2])
    for step in (pixels[:, 1:] - pixels[:, :-1], pixels[1:] - pixels[:-1]):
        torch.testing.assert_close(step.norm(dim=-1), torch.ones(step.shape[:2]), atol=1e-4, rtol=0)


def test_each_picture_moves_on_its_own_and_anew() -> None:
    x, loss = smooth(3), Motion()
    first, second = loss.places(x), loss.places(x)
    assert not torch.equal(first[0], first[1]) and not torch.equal(first, second)
    torch.manual_seed(5)
    once = loss.places(x)
    torch.manual_seed(5)
    assert torch.equal(once, loss.places(x))


def test_what_comes_from_outside_does_not_count() -> None:
    x, far = smooth(1, 16, 16), Motion(shift=1e6, angle=0, zoom=0)
    assert Motion()(lambda x: x, -x, x).item() > 0.1
    assert far(lambda x: x, -x, x).item() == 0


def test_nothing_that_moves() -> None:
    with pytest.raises(ValueError, match="nothing moves with a shift, an angle and a zoom of 0"):
        Motion(shift=0, angle=0, zoom=0)


def test_a_training_with_it_is_steadier() -> None:
    class Steady(nn.Module):
        """The same as `l1` to a target whose pattern does not move."""

        def forward(self, output: Tensor, source: Tensor) -> Tensor:
            return L1()(output, fixed(source))

    def trained(weight: float) -> float:
        method, items = cyclegan(), {side: F.avg_pool2d(x, 2) for side, x in batch(32, 2).items()}
        terms = {"fixed": Term(Steady()), "motion": Term(Motion(), weight=weight)}
        stepper = Stepper(method, terms, optimizer=partial(torch.optim.Adam, lr=1e-2), pool_size=0)
        torch.manual_seed(0)
        for _ in range(40):
            stepper.step(items)
        torch.manual_seed(1)
        network = method.network("generator", "a2b").eval()
        with torch.no_grad():
            return sum(Motion()(network, network(items["a"]), items["a"]).item() for _ in range(8))

    assert trained(3) < 0.7 * trained(0)


def test_a_composed_output_is_not_what_the_generator_makes() -> None:
    torch.manual_seed(0)
    stepper = Stepper(agit(), {"motion": Term(Motion(), on={"output": "translated"})}, pool_size=0)
    assert {"generator/motion/a2b", "generator/motion/b2a"} <= set(stepper.step(batch(32)))


def test_it_conforms() -> None:
    check_component("loss", "motion")
