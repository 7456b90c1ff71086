"""gankit-modern's masked pre-training, held to its reference code, and the recipes that begin from it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import gankit
from gankit.inference.tiles import tiled
from gankit.interop.export import export
from gankit.losses import L1
from gankit.methods import Term
from gankit.optimizers import AdamW
from gankit.slots import Position
from gankit.testing import check_component
from gankit.training.devices import Devices
from gankit.training.step import Stepper
from tests.exports import exports
from tests.plugins.modern.formula import deviation, drawn, fill, golden, probes
from tests.plugins.modern.parts import RECIPES as RECIPES
from tests.plugins.modern.parts import modern as modern

SMALL = [
    "method.generator={type: uvcgan, channels: 4, downs: 2, width: 6, heads: 2, blocks: 1, hidden: 8}",
    "data={type: shapes, task: season, size: 32, train: 2, test: 1}",
    "train.steps=1",
    "train.steps_per_epoch=1",
    "train.batch_size=2",
    "train.workers=0",
    "train.device=cpu",
]


def pretraining(**options: Any) -> Any:
    from gankit_modern.masked import MaskedAutoencoder
    from gankit_modern.uvcgan import UVCGANGenerator

    generator = partial(UVCGANGenerator, channels=4, downs=2, width=12, heads=3, blocks=2, hidden=20)
    return MaskedAutoencoder(generator, **{"patch": 8} | options)


def test_two_steps_are_the_papers(monkeypatch: pytest.MonkeyPatch) -> None:
    """In double precision, as Adam makes of a rounding a step."""
    method = pretraining()
    network = fill(method.network("generator", "a2b"))
    method.double()
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    factory = partial(AdamW, lr=1e-3, betas=(0.9, 0.99), weight_decay=0.05)
    play = Stepper(method, {"restored": Term(L1(), 0.5)}, factory, devices=Devices(torch.device("cpu")))
    counted = 0

    def draw(*shape: int, **_: Any) -> Tensor:
        nonlocal counted
        counted += 1
        return (drawn(f"masked.draw.{counted - 1}", *shape) + 1) / 2

    monkeypatch.setattr(torch, "rand", draw)
    ours = {}
    for step in range(2):
        told = play.step({d: drawn(f"masked.{d}.{step}", 2, 3, 32, 32).double() for d in "ab"})
        names = {"a2b": "a", "b2a": "b"}
        ours |= {f"loss.{step}.{names[key.split('/')[2]]}": torch.tensor(value) for key, value in told.items()}
    ours |= {f"change.{name}": probes(name, p.detach() - before[name]) for name, p in network.named_parameters()}
    assert counted == 4 and deviation(ours, golden("masked")) < 1e-5


def test_one_network_learns_of_both_domains_or_one_of_each() -> None:
    joint, apart = pretraining(), pretraining(joint=False)
    assert joint.network("generator", "a2b") is joint.network("generator", "b2a")
    assert apart.network("generator", "a2b") is not apart.network("generator", "b2a")
    for method, copies in ((joint, 1), (apart, 2)):
        play = Stepper(method, {"restored": L1()}, devices=Devices(torch.device("cpu")))
        [optimizer] = play.optimizers.values()
        count = len(list(method.network("generator", "a2b").parameters()))
        assert len(optimizer.param_groups[0]["params"]) == copies * count
        told = play.step({d: drawn(f"masked.{d}", 1, 3, 16, 16) for d in "ab"})
        assert set(told) == {"generator/restored/a2b", "generator/restored/b2a"}


def test_patches_are_painted_black_of_pictures_of_any_size() -> None:
    method, picture = pretraining(masked=0.5), drawn("x", 50, 3, 20, 12)
    torch.manual_seed(0)
    source = method.source(picture)
    black = (source == -1).all(1)
    assert torch.equal(torch.where(black[:, None], picture, source), picture)
    cells = black[:, ::8, ::8]
    assert torch.equal(cells.repeat_interleave(8, 1)[:, :20].repeat_interleave(8, 2)[:, :, :12], black)
    assert cells.float().mean().item() == pytest.approx(0.5, abs=0.1) and not torch.equal(black[0], black[1])
    method.eval()
    still = method.source(picture)
    assert torch.equal(still[:1], method.source(picture[:1]))
    assert torch.equal(still == -1, (still == -1)[:1].expand_as(still))


def test_what_is_restored_is_the_picture_itself() -> None:
    method = pretraining().eval()
    batch = {"a": drawn("a", 1, 3, 16, 16), "b": drawn("b", 1, 3, 16, 16), "truth_a2b": torch.zeros(1, 3, 16, 16)}
    assert torch.equal(method.truth_of(batch, "a2b"), batch["a"]) and method.truth_of({}, "a2b") is None
    with pytest.raises(Exception, match="nothing is judged in masked pre-training"):
        from gankit.losses import LSGAN

        Stepper(method, {"adversarial": LSGAN()}, devices=Devices(torch.device("cpu")))


def test_uvcgan_begins_with_both_pretrained_generators(uninstalled: Callable[[str], Path], tmp_path: Path) -> None:
    """The rate is so small that what the second training begins with is what it ends with."""
    first = gankit.train(uninstalled("uvcgan-pretrain"), tmp_path / "first", sets=[*SMALL, "method.patch=8"])
    trained = first.method.networks.state_dict()
    sets = [*SMALL, "method.discriminator.channels=2", "train.optimizer.lr=1e-30", "train.pool_size=0"]
    second = gankit.train(
        uninstalled("uvcgan"), tmp_path / "second", sets=[*sets, f"train.init_from={tmp_path / 'first'}"]
    )
    began = second.method.networks.state_dict()
    assert {key.split(".")[0] for key in trained} == {"generator_a2b", "generator_b2a"}
    for key, value in trained.items():
        torch.testing.assert_close(began[key], value, rtol=0, atol=1e-12, msg=key)
        assert torch.equal(value, trained[key.replace("a2b", "b2a")]), key
    fresh = gankit.build(uninstalled("uvcgan"), sets).networks.state_dict()
    assert not torch.equal(fresh["generator_a2b.first.weight"], trained["generator_a2b.first.weight"])


@exports
def test_a_run_whose_directions_share_a_network_is_used_as_any_other(
    uninstalled: Callable[[str], Path], tmp_path: Path
) -> None:
    gankit.train(uninstalled("uvcgan-pretrain"), tmp_path / "run", sets=[*SMALL, "method.patch=8"])
    model = gankit.load(tmp_path / "run")
    with tiled(model.method, 16):
        pass
    picture = drawn("picture", 1, 3, 16, 20)
    assert model.translate(picture).shape == picture.shape  # with the network's own forward again
    for to in ("safetensors", "torch-export"):
        assert export(model, to, tmp_path / to).difference < 1e-5


def test_the_schedule_is_that_of_torch() -> None:
    from gankit_modern.masked import CosineRestarts

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=5, eta_min=1e-2)
    ours = CosineRestarts(period=5, floor=1e-2)
    for epoch in range(12):
        assert ours(Position(0, epoch, 100, 12)) == pytest.approx(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()
    assert CosineRestarts(period=2, every="step")(Position(1, 0, 100, 12)) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("kind", "name", "overrides"),
    [("method", "masked_autoencoder", None), ("schedule", "cosine_restarts", {"period": 4})],
)
def test_the_parts_keep_their_contract(kind: str, name: str, overrides: dict | None) -> None:
    check_component(kind, f"gankit-modern/{name}", overrides=overrides)
