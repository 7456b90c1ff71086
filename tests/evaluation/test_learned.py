"""LPIPS, its diversity, and structure."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gankit.backbones.squeezenet import SqueezeNet
from gankit.evaluation.evaluate import evaluate
from gankit.evaluation.extract import Unavailable
from gankit.evaluation.learned import LPIPS, LPIPSDiversity, Structure, self_similarity
from gankit.methods.base import tensor
from gankit.methods.styled import Styled
from tests.evaluation.fakes import Brighten, Scenes

DATA = Path(os.environ.get("GANKIT_REAL_PICTURES", ""))
WEIGHTS = DATA / "weights" / "squeezenet1_1_torchvision_fp16.safetensors"
needs_weights = pytest.mark.skipif(not WEIGHTS.is_file(), reason="GANKIT_REAL_PICTURES names no folder with weights")


def noise(count: int = 2, side: int = 32, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed)).mul(2).sub(1)


@needs_weights
def test_lpips_is_what_torchmetrics_publishes() -> None:
    generator = torch.Generator().manual_seed(42)
    one, other = (torch.rand(2, 10, 3, 100, 100, generator=generator) * 2 - 1).unbind(0)
    assert LPIPS(net="squeeze", weights=str(WEIGHTS))(one, other) == pytest.approx(0.1005, abs=2e-4)


@needs_weights
def test_lpips_equals_the_lpips_package() -> None:
    lpips = pytest.importorskip("lpips")
    from safetensors.torch import load_file

    theirs = lpips.LPIPS(net="squeeze", pnet_rand=True, verbose=False).eval()
    state = load_file(WEIGHTS)
    theirs.net.load_state_dict({k: state["features." + k.split(".", 1)[1]].float() for k in theirs.net.state_dict()})
    one, other = ((x.add(1).mul(127.5).round() / 127.5 - 1) for x in (noise(3, 64), noise(3, 64, seed=1)))
    with torch.no_grad():
        wanted = theirs(one, other).flatten().tolist()
    found = LPIPS(net="squeeze", weights=str(WEIGHTS)).statistics(one, other)[:, 0].tolist()
    assert found == pytest.approx(wanted, abs=1e-5)


def test_lpips_of_equal_pictures_is_zero_and_its_name_tells_the_network() -> None:
    metric = LPIPS(net="squeeze", weights="random")
    assert metric(noise(), noise()) == 0 and metric(noise(), noise(seed=1)) > 0
    assert metric.named("lpips") == "lpips-squeeze-random"
    assert LPIPS().named("lpips") == "lpips" and LPIPS(net="vgg").named("lpips") == "lpips-vgg"


def test_lpips_without_weights_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="there is no file"):
        LPIPS(weights=str(tmp_path / "none.pth")).prepare("cpu")


class Noisy(Brighten):
    """Its outputs differ by noise of `amount`."""

    amount = 0.5

    @tensor
    def output(self, source: Tensor) -> Tensor:
        return source + self.amount * torch.randn_like(source)


class Large(Scenes):
    def item(self, index: int, generator: torch.Generator) -> dict[str, Tensor]:
        del generator
        return {"a": noise(1, seed=index)[0], "b": noise(1, seed=index)[0]}


def test_diversity_is_of_the_outputs_of_one_source() -> None:
    metric = {"d": LPIPSDiversity(net="squeeze", weights="random", pairs=2)}
    little, much = Noisy(), Noisy()
    little.amount, much.amount = 0.02, 0.5
    few, many = (evaluate(m, Large(2), metrics=metric, direction="a2b").rows[0] for m in (little, much))
    assert 0 < few.value < many.value and many.protocol["pairs"] == 2
    (row,) = evaluate(Brighten(), Large(2), metrics=metric, direction="a2b").rows
    assert "nothing in it is random" in row.unavailable


def test_diversity_asks_a_method_for_samples() -> None:
    class Sampling(Brighten, Styled):
        style_channels = 1

        def samples(self, source: Tensor, count: int, direction: str) -> Tensor:
            assert direction == "a2b"
            return torch.stack([source + 0.3 * torch.randn_like(source) for _ in range(count)], 1)

    metric = {"d": LPIPSDiversity(net="squeeze", weights="random", pairs=1)}
    assert evaluate(Sampling(), Large(1), metrics=metric, direction="a2b").rows[0].value > 0


def test_structure_sees_what_moved_and_not_brightness_of_features() -> None:
    maps = torch.rand(1, 4, 3, 5, generator=torch.Generator().manual_seed(0))
    same = self_similarity(maps)
    assert same.shape == (1, 15, 15) and torch.allclose(same.diagonal(dim1=1, dim2=2), torch.ones(1, 15).double())
    torch.testing.assert_close(self_similarity(3 * maps), same)
    metric = Structure(features=partial(SqueezeNet, weights="random"), side=64)
    picture = noise(2, 64)
    assert metric(picture, picture) == 0 < metric(picture.flip(3), picture)
    assert metric.named("structure") == "structure-squeezenet1_1-random"
