"""KID, FID and their kin against independent implementations, and figures worked out by hand."""

from __future__ import annotations

import math
import os
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gankit.backbones.inception import Inception
from gankit.backbones.squeezenet import SqueezeNet
from gankit.evaluation.extract import Extractor, Unavailable
from gankit.evaluation.folders import pictures
from gankit.evaluation.measure import resampled_interval
from gankit.evaluation.neighbours import Coverage, Density, Precision, Recall, within
from gankit.evaluation.sets import FID, KID, frechet

RANDOM = partial(SqueezeNet, weights="random")
DATA = Path(os.environ.get("GANKIT_REAL_PICTURES", ""))


def draw(count: int, width: int = 12, seed: int = 0, shift: float = 0.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    scale = torch.linspace(0.2, 2, width, dtype=torch.float64)
    return torch.randn(count, width, dtype=torch.float64, generator=generator) * scale + shift


class Flat(nn.Module):
    """Pictures that are features already, as torchmetrics wants a network."""

    num_features = 12

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)[:, : self.num_features].float()


def as_pictures(features: Tensor) -> Tensor:
    return features.float()[:, :, None, None]


@pytest.mark.parametrize(("n", "m"), [(40, 50), (8, 9), (300, 6), (5, 200)])
def test_frechet_equals_the_root_of_a_matrix(n: int, m: int) -> None:
    linalg = pytest.importorskip("scipy.linalg")
    x, y = draw(n), draw(m, seed=1, shift=0.3)
    root = linalg.sqrtm((x.T.cov() @ y.T.cov()).numpy() + 0j)
    apart = (x.mean(0) - y.mean(0)).square().sum() + x.T.cov().trace() + y.T.cov().trace()
    # the root of a singular matrix is where sqrtm itself loses digits
    assert float(frechet(x, y)) == pytest.approx(float(apart) - 2 * root.trace().real, abs=2e-5)


def test_frechet_of_a_shift_is_its_square() -> None:
    x = draw(30, width=50)
    assert float(frechet(x, x)) == pytest.approx(0, abs=1e-9)
    assert float(frechet(x + 0.5, x)) == pytest.approx(50 * 0.25)


@pytest.mark.parametrize(("n", "m"), [(30, 40), (9, 8)])
def test_fid_equals_torchmetrics(n: int, m: int) -> None:
    image = pytest.importorskip("torchmetrics.image.fid")
    x, y = draw(n).float(), draw(m, seed=1, shift=0.3).float()
    theirs = image.FrechetInceptionDistance(Flat(), input_img_size=(12, 1, 1))
    theirs.update(as_pictures(y), real=True)
    theirs.update(as_pictures(x), real=False)
    assert float(FID().compare(x.double(), y.double())) == pytest.approx(float(theirs.compute()), rel=1e-4)


def test_kid_equals_torchmetrics() -> None:
    image = pytest.importorskip("torchmetrics.image.kid")
    x, y = draw(30).float(), draw(30, seed=1, shift=0.3).float()
    theirs = image.KernelInceptionDistance(Flat(), subsets=2, subset_size=30)
    theirs.update(as_pictures(y), real=True)
    theirs.update(as_pictures(x), real=False)
    ours = KID()
    assert float(ours.compare(x.double(), y.double())) == pytest.approx(100 * float(theirs.compute()[0]), rel=1e-4)
    assert ours.extras(x.double(), y.double()) == {}  # each subset is the whole set


def test_kid_of_one_distribution_is_zero_in_the_mean_and_fid_is_not() -> None:
    kid, fid = [], []
    for seed in range(40):
        x, y = draw(20, seed=2 * seed), draw(25, seed=2 * seed + 1)
        kid.append(float(KID(subsets=5, subset_size=10).compare(x, y)))
        fid.append(float(FID().compare(x, y)))
    kids = torch.tensor(kid)
    assert abs(kids.mean()) < 3 * kids.std() / math.sqrt(40)
    assert min(fid) > 1


def test_kid_of_subsets_is_near_that_of_all_and_has_a_spread() -> None:
    x, y = draw(200), draw(150, seed=1, shift=0.4)
    whole = float(KID(subset_size=150, subsets=1).compare(x[:150], y))
    ours = KID()
    found, std = float(ours.compare(x, y)), ours.extras(x, y)["std"]
    assert 0 < std < found and found == pytest.approx(whole, rel=0.2)


def test_reach_of_a_set_by_hand() -> None:
    centres = torch.tensor([[0.0], [1.0], [3.0], [10.0]], dtype=torch.float64)
    # first neighbours are 1, 1, 2 and 7 away
    points = torch.tensor([[-1.0], [2.5], [20.0]], dtype=torch.float64)
    assert within(points, centres, 1).tolist() == [
        [True, False, False, False],
        [False, False, True, False],
        [False, False, False, False],
    ]
    assert float(Precision(k=1).compare(points, centres)) == pytest.approx(2 / 3)
    assert float(Density(k=1).compare(points, centres)) == pytest.approx(2 / 3)
    assert float(Coverage(k=1).compare(points, centres)) == pytest.approx(2 / 4)
    # of the points, balls of 3.5, 3.5 and 17.5 reach everything
    assert float(Recall(k=1).compare(points, centres)) == 1


def test_precision_and_recall_tell_a_collapse_from_noise() -> None:
    real = draw(100)
    collapsed, noisy = real[:1] + 0.01 * draw(100, seed=3), real * 0 + 6 * draw(100, seed=4)
    assert Precision().compare(collapsed, real) > 0.9 and Recall().compare(collapsed, real) < 0.1
    assert Precision().compare(noisy, real) < 0.3


@pytest.mark.parametrize("metric", [KID(), FID(), Precision(), Recall(), Density(), Coverage()])
def test_intervals_hold_the_figure_and_shrink_with_more_pictures(metric: KID) -> None:
    widths = []
    for count in (30, 240):
        x, y = draw(count, seed=5), draw(count, seed=6, shift=0.5)
        value = float(metric.compare(x, y))
        low, high = resampled_interval(metric, x, [y], value) or (None, None)
        assert low is not None and high is not None and low <= value <= high
        widths.append(high - low)
    assert widths[1] < widths[0]


def test_the_spread_of_fid_is_that_of_fid() -> None:
    class Plain(FID):
        resampled = KID.__mro__[1].resampled  # by computing the figure of each draw

    x, y = draw(20, width=30), draw(17, width=30, seed=1, shift=0.3)
    quick, slow = (m.resampled(x, y, torch.Generator().manual_seed(0)) for m in (FID(), Plain()))
    assert quick is not None and slow is not None
    torch.testing.assert_close(quick, slow, atol=1e-5, rtol=1e-6)


def test_the_spread_of_kid_is_that_of_samples() -> None:
    """The interval's width is what fresh samples of the same distributions show."""
    metric = KID(subsets=1, subset_size=60)
    fresh = torch.stack([metric.compare(draw(60, seed=s), draw(60, seed=s + 500, shift=0.5)) for s in range(80)])
    low, high = resampled_interval(metric, draw(60, seed=900), [draw(60, seed=901, shift=0.5)], 0.0) or (0, 0)
    assert low is not None and high is not None
    assert high - low == pytest.approx(float(fresh.std()) * 2 * 1.96, rel=0.6)


def test_large_sets_are_not_resampled() -> None:
    x = draw(600)
    assert resampled_interval(FID(), x, [x], 0.0) is None


def test_names_and_protocols_carry_the_network() -> None:
    kid = KID(features=RANDOM)
    assert kid.named("kid") == "kid-squeezenet1_1-random" and KID().named("kid") == "kid"
    assert FID(features=partial(Inception, weights="random")).named("fid") == "fid-inception-random"
    told = FID(features=RANDOM, protocol="legacy-tf", side=64).protocol()
    assert told["features"] == "squeezenet1_1-random" and told["side"] == 64
    assert str(told["resize"]).startswith("legacy-tf v1")
    assert "few for FID" in FID().warning(1999, 5000) and FID().warning(2000, 5000) == ""


def test_without_its_weights_inception_is_named_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANKIT_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("GANKIT_OFFLINE", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for fetch in (True, False):
        with pytest.raises(Unavailable, match=r"pt_inception-2015-12-05-6726825d\.pth.*kid-squeezenet"):
            KID().prepare("cpu", fetch)


def test_features_of_pictures_are_averages_of_the_last_layer() -> None:
    extractor = Extractor(RANDOM, side=64)
    picture = torch.rand(2, 3, 40, 56, generator=torch.Generator().manual_seed(0)).mul(2).sub(1)
    found = extractor(picture)
    assert found.shape == (2, 512) and found.dtype == torch.float64
    assert torch.equal(extractor(picture[:, :1]), extractor(picture[:, :1].expand(-1, 3, -1, -1)))
    assert torch.equal(found, extractor(((picture + 1) * 127.5).round() / 127.5 - 1))  # 8 bits


@pytest.mark.skipif(not (DATA / "cat2dog").is_dir(), reason="GANKIT_REAL_PICTURES names no folder with photographs")
def test_cats_are_nearer_to_cats_than_to_dogs() -> None:
    weights = DATA / "weights" / "squeezenet1_1_torchvision_fp16.safetensors"
    kid = KID(features=partial(SqueezeNet, weights=str(weights)), side=96)
    kid.prepare("cpu")
    sets = {
        name: torch.cat([kid.statistics(p["picture"][None]) for p in pictures(DATA / "cat2dog" / name, limit=40)])
        for name in ("testA", "trainA", "testB")
    }
    assert kid.compare(sets["testA"], sets["testB"]) > 4 * kid.compare(sets["testA"], sets["trainA"]).abs()
