"""gankit-modern's losses, held to their reference code (tests/plugins/modern/golden/ORIGIN.md) and to formulas."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gankit.augment import ADA, Augment, DiffAugment
from gankit.methods.base import Critic
from gankit.testing import check_component
from tests.plugins.modern.formula import deviation, drawn, fill, golden, probes
from tests.plugins.modern.parts import modern as modern


def critic() -> nn.Module:
    return fill(nn.Sequential(nn.Conv2d(3, 4, 4, 2, 1), nn.Tanh(), nn.Conv2d(4, 1, 4, 2, 1)))


def compared(file: str, case: str, loss: Tensor, gradient: dict[str, Tensor]) -> float:
    """The largest deviation of a loss and its gradients from a case."""
    theirs = {k.partition(".")[2]: v for k, v in golden(file).items() if k.startswith(f"{case}.")}
    return deviation({"loss": loss.detach()} | gradient, theirs)


# -- spectra ---------------------------------------------------------------------------------------------------------
SPECTRA = {
    "plain": {},
    "alpha": {"alpha": 0.5},
    "patches": {"patches": 2},
    "log": {"logarithm": True},
    "average": {"average": True},
    "batch": {"over_batch": True, "alpha": 2.0},
}


@pytest.mark.parametrize("case", SPECTRA)
def test_focal_frequency_is_the_papers(case: str) -> None:
    from gankit_modern.frequency import FocalFrequency

    x, y = drawn("ffl.x", 2, 3, 12, 16).requires_grad_(), drawn("ffl.y", 2, 3, 12, 16)
    loss = FocalFrequency(**SPECTRA[case])(x, y)
    loss.backward()
    assert x.grad is not None
    assert compared("focal_frequency", case, loss, {"gradient": x.grad}) < 2e-6


def test_a_frequency_that_is_far_off_counts_more() -> None:
    from gankit_modern.frequency import FocalFrequency

    wave = torch.linspace(0, 2 * torch.pi, 17)[:16].cos().expand(1, 1, 16, 16)
    noise = 0.05 * drawn("noise", 1, 1, 16, 16)
    flat = FocalFrequency(alpha=0)(wave + noise, torch.zeros(1, 1, 16, 16))
    focal = FocalFrequency(alpha=4)(wave + noise, torch.zeros(1, 1, 16, 16))
    torch.testing.assert_close(flat, (wave + noise).square().mean())  # Parseval
    torch.testing.assert_close(focal, wave.square().mean(), rtol=0.1, atol=0)
    with pytest.raises(ValueError, match="does not fall into 3 patches"):
        FocalFrequency(patches=3)(wave, wave)


# -- similarity ------------------------------------------------------------------------------------------------------
def pair(height: int, width: int, channels: int) -> tuple[Tensor, Tensor]:
    base = F.interpolate(drawn(f"ssim.base{height}", 2, channels, 9, 9), (height, width), mode="bilinear")
    near = (base + 0.1 * drawn(f"ssim.x{height}", 2, channels, height, width)).clamp(-1, 1)
    return near, (base + 0.2 * drawn(f"ssim.y{height}", 2, channels, height, width)).clamp(-1, 1)


@pytest.mark.parametrize(("levels", "size"), [(5, (163, 170, 1)), (3, (45, 52, 3)), (1, (12, 17, 3))])
def test_ms_ssim_is_that_of_pytorch_msssim(levels: int, size: tuple[int, int, int]) -> None:
    from gankit_modern.similarity import MultiScaleSSIM

    x, y = pair(*size)
    x.requires_grad_()
    loss = MultiScaleSSIM(levels=levels)(x, y)
    loss.backward()
    assert x.grad is not None
    assert compared("ms_ssim", str(levels), loss, {"gradient": x.grad[:, :, ::5, ::5]}) < 1e-4


def test_ms_ssim_of_equal_and_of_opposite_pictures() -> None:
    from gankit_modern.similarity import MultiScaleSSIM

    loss, x = MultiScaleSSIM(levels=2), drawn("x", 1, 1, 24, 24)
    assert loss.min_size == 21 and loss(x, x).item() == pytest.approx(0, abs=1e-6)
    y = -x.requires_grad_()
    loss(y, x.detach()).backward()  # negative likeness counts as none, and its power has no derivative
    assert loss(y, x.detach()).item() == 1 and x.grad is not None and not x.grad.any()
    with pytest.raises(ValueError, match="needs sides of 161 px, not 24x24"):
        MultiScaleSSIM()(x, x)
    with pytest.raises(ValueError, match="odd, not 4"):
        MultiScaleSSIM(window=4)


# -- penalties -------------------------------------------------------------------------------------------------------
def penalty(file: str, case: str, loss: nn.Module, *pictures: Tensor, **more: Tensor) -> float:
    net = critic()
    value = loss(net, *pictures, **more)
    value.backward()
    own = {k: probes(k, p.grad) for k, p in net.named_parameters() if p.grad is not None}
    own = {k: v for k, v in own.items() if v.any()}  # a bias that no gradient depends on: None, or 0
    return compared(file, case, value, own)


def test_penalties_on_real_and_on_fake_are_r3gans() -> None:
    from gankit_modern.penalties import R2

    from gankit.losses import R1

    real, fake = drawn("penalty.real", 3, 3, 12, 12), drawn("penalty.fake", 3, 3, 12, 12)
    assert penalty("r1_r2", "r1", R1(), real) < 2e-6
    assert penalty("r1_r2", "r2", R2(), fake) < 2e-6


@pytest.mark.parametrize(("case", "options"), [("zero", {}), ("hundred", {"center": 0.5, "logits": "sum"})])
def test_the_mixed_penalty_is_uvcgans(case: str, options: dict) -> None:
    from gankit_modern.penalties import MixedPenalty

    real, fake = drawn("penalty.real", 3, 3, 12, 12), drawn("penalty.fake", 3, 3, 12, 12)
    alpha = golden("mixed_penalty")["alpha"]
    assert penalty("mixed_penalty", case, MixedPenalty(**options), real, fake, alpha=alpha) < 2e-6


def test_mixtures_are_drawn_for_the_batch_or_each_picture() -> None:
    from gankit_modern.penalties import MixedPenalty

    real, fake, seen = torch.ones(4, 1, 2, 2), torch.zeros(4, 1, 2, 2), []

    def watch(x: Tensor) -> Tensor:
        seen.append(x.detach()[:, 0, 0, 0])
        return x.square()

    for mixed in ("batch", "picture"):
        MixedPenalty(mixed=mixed)(watch, real, fake)
    assert len(seen[0].unique()) == 1 and len(seen[1].unique()) == 4


# -- consistency -----------------------------------------------------------------------------------------------------
def test_consistency_is_the_papers_formula() -> None:
    """Against arithmetic in float64: the papers' code is TensorFlow's."""
    from gankit_modern.consistency import Consistency, FlipShift

    real, fake = drawn("real", 4, 3, 9, 12), drawn("fake", 4, 3, 9, 12)
    loss, net, exact = Consistency(real=10, fake=5), critic(), critic().double()
    torch.manual_seed(3)
    value = loss(net, real, fake)
    torch.manual_seed(3)
    move = FlipShift()
    apart = [exact(x.double()) - exact(move.picture(x, move.draw(4, x.device)).double()) for x in (real, fake)]
    expected = 10 * apart[0].square().mean() + 5 * apart[1].square().mean()
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)


def test_consistency_of_real_pictures_alone_and_with_another_augment() -> None:
    from gankit_modern.consistency import Consistency

    real, fake, seen = drawn("real", 2, 3, 8, 8), drawn("fake", 2, 3, 8, 8), []

    def watch(x: Tensor) -> tuple[Tensor, Tensor]:
        seen.append(x)
        return x.mean((1, 2, 3))[:, None], x

    loss = Consistency(fake=0, augment=DiffAugment(["colour"]))
    value = loss(watch, real, fake)
    assert len(seen) == 2 and torch.equal(seen[0], real)
    torch.testing.assert_close(value, sum(F.mse_loss(a, b) for a, b in zip(watch(real), watch(seen[1]), strict=True)))
    with pytest.raises(ValueError, match="`real` or `fake` is above 0"):
        Consistency(real=0, fake=0)


def test_consistency_with_ada() -> None:
    """Whose probability would stay 0; and in half precision pictures would be moved elsewhere."""
    from gankit_modern.consistency import Consistency

    with pytest.raises(ValueError, match="give it one above 0"):
        Consistency(augment=ADA())
    loss, values = Consistency(augment=ADA(["geometry"], probability=1.0)), []
    picture = torch.linspace(-1, 1, 64).expand(2, 3, 64, 64)
    for dtype in (torch.float32, torch.bfloat16):
        torch.manual_seed(0)
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            values.append(loss(lambda x: x, picture, picture).item())
    assert values[0] > 0 and values[1] == pytest.approx(values[0], rel=1e-6)


def test_pictures_are_moved_by_whole_pixels_and_mirrored_at_edges() -> None:
    from gankit_modern.consistency import FlipShift

    row = torch.arange(6.0).expand(5, 1, 1, 6)
    draws = {"down": torch.zeros(5), "right": torch.tensor([0.0, 0.3, 0.5, 0.7, 0.999]), "flip": torch.ones(5)}
    moved = FlipShift(shift=2).picture(row, draws)[:, 0, 0].long().tolist()
    assert moved == [
        [2, 3, 4, 5, 4, 3],
        [1, 2, 3, 4, 5, 4],
        [0, 1, 2, 3, 4, 5],
        [1, 0, 1, 2, 3, 4],
        [2, 1, 0, 1, 2, 3],
    ]
    flipped = FlipShift(shift=0).picture(row[:1], {k: v[:1] * 0 for k, v in draws.items()})
    assert flipped[0, 0, 0].long().tolist() == [5, 4, 3, 2, 1, 0]


# -- mixtures --------------------------------------------------------------------------------------------------------
def cuts() -> Tensor:
    cut = torch.zeros(2, 1, 128, 128)
    cut[0, :, 16:80, 40:] = 1
    cut[1] = 1
    cut[1, :, 64:, 8:72] = 0
    return cut


@pytest.mark.parametrize(("case", "mixture"), [("consistency", 0.0), ("both", 1.0)])
def test_cutmix_is_the_papers(case: str, mixture: float) -> None:
    from gankit_modern.cutmix import CutMixConsistency
    from gankit_modern.unet_critic import UNetCritic

    net = fill(UNetCritic(3, channels=2, downs=5, spectral_norm=False))
    real, fake = drawn("cutmix.real", 2, 3, 128, 128), drawn("cutmix.fake", 2, 3, 128, 128)
    loss = CutMixConsistency(mixture=mixture).of_mixture(net, real, fake, cuts())
    loss.backward()
    own = {f"{case}.grad.{k}": probes(k, p.grad) for k, p in net.named_parameters() if p.grad is not None}
    theirs = {k: v for k, v in golden("cutmix").items() if k.startswith(case)}
    if case == "consistency":  # what is added to all pixels alike has a gradient of rounding alone
        for blind in ("up.4.conv2.bias", "up.4.skip.bias", "pixels.bias"):
            assert max(one.pop(f"{case}.grad.{blind}").abs().max() for one in (own, theirs)) < 1e-7
    assert deviation({f"{case}.loss": loss.detach()} | own, theirs) < 3e-4  # of a small difference of logits


def test_rectangles_are_the_papers(monkeypatch: pytest.MonkeyPatch) -> None:
    from gankit_modern.cutmix import rectangles

    drawn_there = [(0.3, 5, 7, 0.4), (0.9, 0, 15, 0.6), (0.0, 8, 8, 0.9), (0.55, 12, 3, 0.1)]
    draws = torch.tensor([(1 - kept, flip, row / 16, column / 16) for kept, row, column, flip in drawn_there]).T
    monkeypatch.setattr(torch, "rand", lambda *_, **__: draws)
    theirs = torch.stack([golden("cutmix")[f"mask.{i}"] for i in range(4)])[:, None]
    ours = rectangles(torch.zeros(4, 3, 16, 16))
    assert torch.equal(ours, theirs.float()) and 0 < ours.mean() < 1


def test_rectangles_cut_half_on_average_and_fit_oblong_pictures() -> None:
    from gankit_modern.cutmix import rectangles

    torch.manual_seed(0)
    cut = rectangles(torch.zeros(400, 3, 10, 30))
    assert cut.shape == (400, 1, 10, 30) and set(cut.unique().tolist()) == {0, 1}
    assert cut.mean().item() == pytest.approx(0.5, abs=0.05) and cut[:, 0, 5, 15].unique().numel() == 2


def test_a_critic_that_judges_pixels_alone_is_consistent() -> None:
    from gankit_modern.cutmix import CutMixConsistency

    real, fake = drawn("real", 3, 3, 8, 8), drawn("fake", 3, 3, 8, 8)
    loss = CutMixConsistency()
    assert loss(lambda x: x.square().mean(1, keepdim=True), real, fake).item() < 1e-12
    assert loss(lambda x: x.mean((1, 2, 3), keepdim=True).expand(-1, 1, 8, 8), real, fake).item() > 1e-6


def test_rectangles_go_through_the_augments_of_the_critic() -> None:
    from gankit_modern.cutmix import CutMixConsistency

    from gankit.methods.augmented import Augmented

    real, fake = drawn("real", 3, 3, 16, 16), drawn("fake", 3, 3, 16, 16)
    seen = Augmented(lambda x: x.mean(1, keepdim=True), [DiffAugment(["translation", "cutout"])])
    assert CutMixConsistency()(seen, real, fake).item() < 1e-12
    paired = Critic(seen, lambda x: x)  # type: ignore[arg-type]
    assert CutMixConsistency()(paired, real, fake).item() < 1e-12


def test_outside_of_a_moved_picture_nothing_is_real_or_fake() -> None:
    from gankit_modern.cutmix import CutMixConsistency

    from gankit.methods.augmented import Augmented

    real, fake = torch.ones(1, 1, 4, 4), -torch.ones(1, 1, 4, 4)

    class Left(Augment):
        def draw(self, count: int, device: torch.device) -> dict[str, Tensor]:
            return {}

        def picture(self, x: Tensor, drawn: dict[str, Tensor]) -> Tensor:  # type: ignore[override]
            return F.pad(x[..., 1:], (0, 1))

        mask = picture  # type: ignore[assignment]

    seen = Augmented(lambda x: 50 * x + 50 * (x == 0), [Left()])
    cut = F.pad(torch.ones(1, 1, 4, 2), (0, 2))
    assert CutMixConsistency(0, 1).of_mixture(seen, real, fake, cut).item() < 1e-12


def test_the_term_counts_with_a_probability_that_grows() -> None:
    from gankit_modern.cutmix import CutMixConsistency

    real, fake = drawn("real", 9, 3, 6, 6), drawn("fake", 9, 3, 6, 6)
    loss, net = CutMixConsistency(probability=0.5, warmup=200), critic_of_pixels()
    torch.manual_seed(0)
    counted = torch.stack([loss(net, real, fake) for _ in range(600)]).detach() > 0
    parts = [part.float().mean().item() for part in counted.split(200)]
    assert parts == pytest.approx([0.25, 0.5, 0.5], abs=0.08) and loss.calls == 600
    other = CutMixConsistency(probability=0.5, warmup=200)
    other.load_state_dict(loss.state_dict())
    assert other.eval().chance() == 0.5 and other.calls == 600


def critic_of_pixels() -> nn.Module:
    return fill(nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 1, 3, padding=1)))


def test_what_cannot_be_mixed_is_refused() -> None:
    from gankit_modern.cutmix import CutMixConsistency

    x = drawn("x", 1, 3, 8, 8)
    with pytest.raises(ValueError, match=r"judges each pixel, such as unet_critic: .* makes logits \(1, 1, 2, 2\)"):
        CutMixConsistency()(critic(), x, x)
    with pytest.raises(ValueError, match="pictures of one shape"):
        CutMixConsistency()(critic_of_pixels(), x, x[..., :4])
    with pytest.raises(ValueError, match="`consistency` or `mixture` is above 0"):
        CutMixConsistency(0, 0)


# -- the kit ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "name", "overrides"),
    [
        ("loss", "focal_frequency", {}),
        ("loss", "ms_ssim", {"levels": 2, "window": 5}),
        ("loss", "r2", {}),
        ("loss", "mixed_penalty", {}),
        ("loss", "consistency", {}),
        ("loss", "cutmix_consistency", {}),
        ("loss", "cutmix_consistency", {"mixture": 1, "probability": 0.999, "warmup": 1}),
        ("augment", "flip_shift", {}),
    ],
)
def test_the_parts_keep_their_contract(kind: str, name: str, overrides: dict) -> None:
    check_component(kind, f"gankit-modern/{name}", overrides=overrides)
