"""What the augments do to pictures and masks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional as F

from gankit.augment.ada import ADA, coloured
from gankit.augment.base import Augment
from gankit.augment.diffaugment import DiffAugment
from gankit.augment.geometry import moved, shifted

CPU = torch.device("cpu")
BOTH = [DiffAugment(), ADA(probability=1.0)]
each = pytest.mark.parametrize("augment", BOTH, ids=["diffaugment", "ada"])


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        yield


def pictures(n: int = 4, c: int = 3, height: int = 12, width: int = 10) -> Tensor:
    return torch.rand(n, c, height, width) * 2 - 1


# -- moving ------------------------------------------------------------------------------------------------------------
def test_shifts_are_whole_pixels_with_nothing_behind() -> None:
    x = pictures(3)
    y = shifted(x, torch.tensor([0, 2, -1]), torch.tensor([0, -3, 1]))
    assert torch.equal(y[0], x[0])
    assert torch.equal(y[1, :, 2:, :-3], x[1, :, :-2, 3:]) and not y[1, :, :2].any() and not y[1, :, :, -3:].any()
    assert torch.equal(y[2, :, :-1, 1:], x[2, :, 1:, :-1]) and not y[2, :, -1:].any() and not y[2, :, :, :1].any()


@pytest.mark.parametrize("size", [(12, 10), (7, 7), (1, 5)])
def test_an_affine_map_is_torchs(size: tuple[int, int]) -> None:
    """grid_sample mirrors and interpolates alike, but can be differentiated only once."""
    x, (height, width) = pictures(3, 2, *size).double(), size
    inverse = torch.eye(2, 3).repeat(3, 1, 1).double() + 0.4 * torch.randn(3, 2, 3).double()
    inverse[:, :, 2] *= 5
    ours = moved(x, inverse)
    scale = torch.tensor([2 / max(width - 1, 1), 2 / max(height - 1, 1)], dtype=torch.float64)
    theirs = inverse.clone()
    theirs[:, :, :2] *= scale[None, :, None] / scale[None, None, :]
    theirs[:, :, 2] *= scale
    if min(size) > 1:  # a side of one pixel has no scale there
        grid = F.affine_grid(theirs, [3, 2, height, width], align_corners=True)
        expected = F.grid_sample(x, grid, padding_mode="reflection", align_corners=True)
        torch.testing.assert_close(ours, expected)
    assert ours.shape == x.shape and ours.isfinite().all()


def test_the_identity_and_quarter_turns_change_no_value() -> None:
    x = pictures(2, 3, 8, 8)
    still = torch.eye(2, 3).repeat(2, 1, 1)
    assert torch.equal(moved(x, still), x) and torch.equal(moved(x, still, nearest=True), x)
    turn = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]]).repeat(2, 1, 1)
    torch.testing.assert_close(moved(x, turn), torch.rot90(x, 1, (2, 3)), rtol=0, atol=1e-5)


def test_gradients_of_any_order_go_through() -> None:
    x = pictures(2, 1, 4, 3).double().requires_grad_()
    inverse = (torch.eye(2, 3) + 0.3 * torch.randn(2, 2, 3)).double()
    for function in (lambda x: moved(x, inverse).square(), lambda x: shifted(x, *torch.tensor([[1, 0], [0, -1]])) ** 2):
        assert gradcheck(function, x) and gradgradcheck(function, x)


# -- both --------------------------------------------------------------------------------------------------------------
@each
@pytest.mark.parametrize(
    ("c", "dtype"), [(3, torch.float32), (1, torch.float32), (5, torch.bfloat16), (3, torch.float64)]
)
def test_shapes_and_types_stay(augment: Augment, c: int, dtype: torch.dtype) -> None:
    x = pictures(4, c).to(dtype)
    y = augment(x)
    assert y.shape == x.shape and y.dtype == dtype and y.isfinite().all() and not torch.equal(y, x)


@each
def test_one_draw_is_one_transform_whatever_goes_through_it(augment: Augment) -> None:
    x = pictures()
    drawn = augment.draw(4, CPU)
    assert torch.equal(augment.picture(x, drawn), augment.picture(x.clone(), drawn))
    alone = {name: value[2:3] for name, value in drawn.items()}
    torch.testing.assert_close(augment.picture(x[2:3], alone), augment.picture(x, drawn)[2:3])
    other = augment.picture(x, augment.draw(4, CPU))
    assert not any(torch.equal(ours, theirs) for ours, theirs in zip(augment.picture(x, drawn), other, strict=True))


@each
def test_masks_go_where_pictures_go_and_keep_their_values(augment: Augment) -> None:
    """A picture that is its own mask, through what moves alone."""
    still = type(augment)(transforms=["translation"] if isinstance(augment, DiffAugment) else ["blit"])
    if isinstance(still, ADA):
        still.p.fill_(1.0)
    mask = torch.zeros(64, 1, 9, 9)
    mask[:, :, 2:5, 3:7] = 1.0
    drawn = still.draw(64, CPU)
    torch.testing.assert_close(still.picture(mask, drawn), still.mask(mask, drawn), rtol=0, atol=1e-4)
    for kind in (mask, mask.bool(), mask.long() * 7):
        kept = augment.mask(kind, augment.draw(64, CPU))
        assert kept.dtype == kind.dtype and set(kept.unique().tolist()) <= set(kind.unique().tolist())


@each
def test_it_is_still_in_evaluation(augment: Augment) -> None:
    x, before = pictures(), torch.get_rng_state()
    try:
        assert augment.eval()(x) is x and torch.equal(torch.get_rng_state(), before)
    finally:
        augment.train()


# -- DiffAugment -------------------------------------------------------------------------------------------------------
def only(transform: str, **options: Any) -> DiffAugment:
    return DiffAugment(transforms=[transform], **options)  # type: ignore[list-item]


def test_the_colours_of_diffaugment_are_the_papers() -> None:
    x, augment = pictures(), only("colour")
    drawn = augment.draw(4, CPU)
    b, s, c = (drawn[name][:, None, None, None] for name in ("brightness", "saturation", "contrast"))
    y = x + b - 0.5
    y = y.mean(1, keepdim=True) + 2 * s * (y - y.mean(1, keepdim=True))
    y = y.mean((1, 2, 3), keepdim=True) + (c + 0.5) * (y - y.mean((1, 2, 3), keepdim=True))
    torch.testing.assert_close(augment.picture(x, drawn), y)


def test_every_translation_of_diffaugment_is_as_likely() -> None:
    augment, x = only("translation", translation=0.25), torch.zeros(4000, 1, 8, 8)
    x[:, :, 4, 4] = 1
    places = augment(x)[:, 0].flatten(1).argmax(1)
    counts = torch.stack([places // 8, places % 8]).sub(4)
    assert set(counts.unique().tolist()) == {-2, -1, 0, 1, 2}
    shares = torch.bincount(counts[0] + 2).float() / 4000
    torch.testing.assert_close(shares, torch.full((5,), 0.2), rtol=0, atol=0.03)


@pytest.mark.parametrize("side", [8, 9])
def test_the_square_of_diffaugment_may_lie_half_outside(side: int) -> None:
    cut = only("cutout")(torch.ones(4000, 2, side, side))
    assert torch.equal(cut[:, 0], cut[:, 1])  # all channels
    length = int(side * 0.5 + 0.5)
    rows = (cut[:, 0] == 0).any(2).sum(1)
    assert rows.max() == length and rows.min() == (length + 1) // 2  # centred on a border
    torch.testing.assert_close(
        (cut == 0).float().mean((0, 1)), (cut == 0).float().mean((0, 1)).flip(0), rtol=0, atol=0.05
    )
    assert torch.equal(only("cutout").mask(cut, {}), cut)  # a mask is not cut


# -- ADA ---------------------------------------------------------------------------------------------------------------
def test_at_probability_zero_nothing_happens_and_as_much_is_drawn() -> None:
    x, none, all_ = pictures(), ADA(), ADA(probability=1.0)
    states = []
    for augment in (none, all_):
        torch.manual_seed(0)
        y = augment(x)
        states.append(torch.get_rng_state())
        if augment is none:
            torch.testing.assert_close(y, x, rtol=0, atol=1e-6)
    assert torch.equal(*states)


def test_each_transform_happens_as_often_as_p_says() -> None:
    torch.manual_seed(0)
    drawn = ADA(probability=0.4).draw(20000, CPU)
    changed = {name: (drawn[name] != neutral).float().mean().item() for name, neutral in NEUTRAL.items()}
    expected = dict.fromkeys(NEUTRAL, 0.4) | {"mirror": 0.2, "invert": 0.2, "quarters": 0.3}
    expected |= dict.fromkeys(("before", "after"), 1 - math.sqrt(0.6))
    assert changed == pytest.approx(expected, abs=0.015)
    one = ADA(probability=1.0).draw(20000, CPU)
    deviations = {"zoom": 0.2, "stretch": 0.2, "contrast": 0.5, "saturation": 1.0}
    assert {name: one[name].log2().std().item() for name in deviations} == pytest.approx(deviations, rel=0.03)
    plain = {"brightness": 0.2, "drift_down": 0.125, "hue": math.pi / math.sqrt(3), "down": 0.125 / math.sqrt(3)}
    assert {name: one[name].std().item() for name in plain} == pytest.approx(plain, rel=0.03)


NEUTRAL = {"mirror": 1, "quarters": 0, "shift": 0, "zoom": 1, "before": 0, "stretch": 1, "after": 0, "drift": 0}
NEUTRAL |= {"brightness": 0, "contrast": 1, "invert": 0, "hue": 0, "saturation": 1}


def still(**changes: float) -> dict[str, Tensor]:
    values = {name: float(value) for name, value in NEUTRAL.items()}
    values |= {"down": 0.0, "right": 0.0, "drift_down": 0.0, "drift_right": 0.0} | changes
    return {name: torch.full((2,), value) for name, value in values.items()}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"mirror": -1}, lambda x: x.flip(3)),
        ({"quarters": 1}, lambda x: torch.rot90(x, -1, (2, 3))),
        ({"quarters": 2, "mirror": -1}, lambda x: x.flip(2)),
        ({"shift": 1, "down": 0.125}, lambda x: torch.cat([x[:, :, 1:2], x[:, :, :-1]], 2)),  # mirrored at the border
        ({"shift": 1, "right": -0.06}, lambda x: x),  # less than half a pixel
        ({"zoom": 1}, lambda x: x),
        ({"brightness": 0.25, "contrast": 2}, lambda x: (x + 0.25) * 2),
        ({"invert": 1}, lambda x: x - 2 * x.mean(1, keepdim=True)),
        ({"saturation": 0}, lambda x: x.mean(1, keepdim=True).expand_as(x)),
        ({"hue": 2 * math.pi / 3}, lambda x: x.roll(1, 1)),
    ],
    ids=lambda value: "" if callable(value) else "-".join(value),
)
def test_transforms_by_hand(changes: dict[str, float], expected: Any) -> None:
    x = pictures(2, 3, 8, 8)
    torch.testing.assert_close(ADA().picture(x, still(**changes)), expected(x), rtol=0, atol=2e-5)


def test_zoom_and_stretch_keep_the_centre() -> None:
    x = torch.zeros(2, 1, 9, 9)
    x[:, :, 4, 4] = 1
    x[:, :, 4, 6] = 0.5
    y = ADA().picture(x, still(zoom=2.0))
    assert y[0, 0, 4, 4] == pytest.approx(1) and y[0, 0, 4, 8] == pytest.approx(0.5)
    y = ADA().picture(x, still(stretch=0.5))  # half as wide, twice as high
    assert y[0, 0, 4, 5] == pytest.approx(0.5)


def test_pictures_of_other_channels_change_brightness_and_contrast_alone() -> None:
    x = pictures(2, 4)
    y = coloured(x, still(brightness=0.5, contrast=2, invert=1, hue=1, saturation=0))
    torch.testing.assert_close(y, (x + 0.5) * 2)


def test_p_follows_the_sign_of_real_logits() -> None:
    ada = ADA(probability=0.5, every=2, thousands=0.1, target=0.6)
    totals: list[int] = []

    def total(tensors: Any) -> None:
        totals.append(1)
        for t in tensors:
            t.mul_(3)  # of three processes alike

    def two_steps(first: int, *logits: Tensor | tuple[Tensor, ...]) -> float:
        for logit in logits:
            ada.observe(logit)
        ada.adjust(first, total)
        ada.adjust(first + 1, total)
        return float(ada.p)

    high, low = torch.full((4, 1, 2, 2), 2.0), torch.full((4, 1, 2, 2), -1.0)
    assert two_steps(0, high) == pytest.approx(0.5 + 3 * 4 / 100)  # 12 pictures of 100
    assert two_steps(2, (high, low), low) == pytest.approx(0.62 - 3 * 8 / 100)
    assert two_steps(4) == pytest.approx(0.38)  # nothing was seen
    assert ada.numbers()["sign"] == pytest.approx(0.6) and len(totals) == 3
    for _ in range(20):
        last = two_steps(0, low)
    assert last == 0.0
    fixed = ADA(probability=0.5, target=None)
    fixed.observe(high)
    fixed.adjust(3, total)
    assert float(fixed.p) == 0.5
    lsgan = ADA(undecided=0.5)
    lsgan.observe(torch.full((2, 1), 0.4))
    assert float(lsgan.signs) == -2
