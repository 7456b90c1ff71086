"""What is watched beside the losses: critics, gradients, the shares of norms."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

import gankit
from gankit.losses.adversarial import LSGAN
from gankit.losses.reconstruction import Cycle
from gankit.methods.turns import mean_output
from gankit.norms.bounded import Bounded
from gankit.optimizers.gradient import SGD
from gankit.training.assemble import assemble
from gankit.training.logs import Meter
from gankit.training.step import Stepper
from gankit.training.watch import MapWatch, rho_means
from tests.methods import small
from tests.training.test_speed import stepper
from tests.training.tiny import AGIT, CYCLE, UGATIT, lines, recipe

CRITICS = {f"critics/{way}/{of}" for way in ("a2b", "b2a") for of in ("real", "fake")}


def trained(**options: Any) -> Stepper:
    terms = {"adversarial": LSGAN(), "cycle": Cycle()}
    return Stepper(small.cyclegan(), terms, optimizer=partial(SGD, lr=1.0), pool_size=0, **options)


# -- maps --------------------------------------------------------------------------------------------------------------
def test_maps_say_how_much_they_cover() -> None:
    one = Stepper(assemble(recipe(AGIT)).method, {"cycle": Cycle()}, optimizer=partial(SGD, lr=0.0))
    batch = small.batch(n=2)
    with torch.no_grad():
        expected = one.method.network("attention_net", "b2a")(batch["b"]).map.mean()
    watched = one.step(batch).watched
    assert watched.keys() == {"attention/a2b", "attention/b2a"}
    assert watched["attention/b2a"] == pytest.approx(float(expected), rel=1e-6)


def test_maps_that_outputs_are_not_made_of_say_nothing() -> None:
    smooth = {"smooth": {"type": "total_variation", "on": {"output": "attention"}}}
    parts = assemble(recipe(UGATIT, losses=smooth))
    assert Stepper(parts.method, parts.terms).step(small.batch(n=2)).watched == {}


def test_dead_maps_are_told_once() -> None:
    maps = MapWatch()
    lines = [(0.4, 0.001), (0.001, 0.002), (0.001, 0.001), (0.3, 0.995), (0.3, 0.999), (0.001, 0.5), (0.001, 0.5)]
    told = [maps.hear({"attention/a2b": a, "attention/b2a": b, "critics/a2b/real": 0.0}) for a, b in lines]
    starts = ["; ".join(text.split(":")[0] for text in texts) for texts in told]
    dead, full = "the attention maps of {} are nearly 0 everywhere", "the attention maps of {} are nearly 1 everywhere"
    assert starts == ["", dead.format("b2a"), dead.format("a2b"), "", full.format("b2a"), "", ""]


def test_a_training_tells_of_dead_maps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dead = AGIT | {"attention": {"type": "mask", "channels": 4, "start": 1e-6}}
    gankit.train(recipe(dead, steps=2, log_every=1), tmp_path / "run")
    said = capsys.readouterr().err
    for way in ("a2b", "b2a"):
        assert f"step 2: the attention maps of {way} are nearly 0 everywhere: outputs are their sources" in said
    assert all(line["watched"]["attention/a2b"] < 0.01 for line in lines(tmp_path / "run"))


# -- critics ---------------------------------------------------------------------------------------------------------
def test_critics_say_what_they_said_before_their_update() -> None:
    one, batch = trained(), small.batch(n=2)
    networks = one.method.networks
    with torch.no_grad():
        critic, made = networks["discriminator_a2b"], networks["generator_a2b"](batch["a"])
        real, fake = critic(batch["b"]), critic(made)
    watched = one.step(batch).watched
    assert watched.keys() == CRITICS
    assert watched["critics/a2b/real"] == pytest.approx(float(real.mean()), rel=1e-6)
    assert watched["critics/a2b/fake"] == pytest.approx(float(fake.mean()), rel=1e-6)


def test_of_several_outputs_each_counts_alike() -> None:
    heads = torch.full((2, 1, 5, 5), 3.0), torch.tensor([[1.0, 2.0]]).to(torch.bfloat16)
    assert mean_output(heads) == pytest.approx((3 + 1.5) / 2)
    assert mean_output(heads[0]) == 3
    assert mean_output(heads).dtype == torch.float32


def test_of_accumulated_batches_it_is_the_mean() -> None:
    whole = small.batch(n=2)
    halves = [{name: x[i : i + 1] for name, x in whole.items()} for i in range(2)]
    together, apart = trained(watch=["gradients"]).step(whole), trained(watch=["gradients"]).step(halves)
    assert apart.watched == pytest.approx(together.watched, rel=1e-4)


def test_without_a_critic_nothing_is_said() -> None:
    one = Stepper(small.cyclegan(), {"cycle": Cycle()})
    assert one.step(small.batch()).watched == {}


def test_a_critic_that_pauses_counts_when_it_plays() -> None:
    meter = Meter()
    for watched in ({"critics/a2b/real": 1.0}, {}, {"critics/a2b/real": 4.0}, {}):
        meter.add({}, watched)
    assert meter.take()["watched"] == {"critics/a2b/real": 2.5}
    assert meter.take()["watched"] == {}


def test_the_meter_of_an_older_checkpoint_is_taken() -> None:
    older = {k: v for k, v in Meter().state_dict().items() if "watched" not in k} | {"seconds": 5.0}
    meter = Meter()
    meter.load_state_dict(older)
    meter.add({}, {"x": 1.0})
    assert meter.take() == {"time": 5.0, "losses": {}, "images_per_second": 0.0, "watched": {"x": 1.0}}


# -- gradients -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("clip_norm", [None, 0.001])
def test_norms_are_of_the_gradient_before_it_is_clipped(clip_norm: float | None) -> None:
    """At the rate 1 of plain SGD the change of the weights is the gradient."""
    one, batch = trained(watch=["gradients"], clip_norm=clip_norm), small.batch()
    before = {k: v.clone() for k, v in one.method.networks.state_dict().items()}
    watched = one.step(batch).watched
    assert watched.keys() == CRITICS | {f"gradients/{key}" for key in one.method.networks}
    if clip_norm is None:
        for key, network in one.method.networks.items():
            change = [v - before[f"{key}.{k}"] for k, v in network.state_dict().items()]
            norm = torch.cat([x.flatten() for x in change]).norm()
            assert watched[f"gradients/{key}"] == pytest.approx(float(norm), rel=1e-3)
    else:
        assert watched == pytest.approx(trained(watch=["gradients"]).step(batch).watched)


def test_scaled_losses_do_not_show_in_the_norms() -> None:
    scaled, plain = (stepper("cyclegan", precision=p, watch=["gradients"]) for p in ("fp16", "fp32"))
    scaled.scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    scaled.passes.scaler = scaled.scaler
    ours, theirs = scaled.step(small.batch()).watched, plain.step(small.batch()).watched
    assert ours.keys() == theirs.keys()
    assert ours["gradients/generator_a2b"] == pytest.approx(theirs["gradients/generator_a2b"], rel=0.5)  # not 8


def test_networks_that_pause_have_none() -> None:
    parts = assemble(recipe(AGIT, CYCLE))
    one = Stepper(parts.method, parts.terms, watch=["gradients"])
    assert "gradients/attention_net_a2b" in one.step(small.batch()).watched
    one.method.set_epoch(1)  # the maps learn no more
    assert "gradients/attention_net_a2b" not in one.step(small.batch()).watched


# -- rho -------------------------------------------------------------------------------------------------------------
def test_rho_is_told_by_layer() -> None:
    method = assemble(recipe(UGATIT, CYCLE)).method
    found = rho_means(method)
    layers = ("blocks.1.first.norm", "blocks.1.second.norm", "up.0.norm", "up.1.norm")
    assert list(found) == [f"rho/generator_{way}/{layer}" for way in ("a2b", "b2a") for layer in layers]
    assert found["rho/generator_a2b/blocks.1.first.norm"] == pytest.approx(0.9)
    assert found["rho/generator_a2b/up.1.norm"] == 0
    norm = method.network("generator", "a2b").get_submodule("up.1.norm")
    assert isinstance(norm, Bounded)
    with torch.no_grad():
        norm.rho.copy_(torch.arange(len(norm.rho)) / len(norm.rho))
    assert rho_means(method)["rho/generator_a2b/up.1.norm"] == pytest.approx(float(norm.rho.detach().mean()))


def test_where_no_norm_has_a_rho_that_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        gankit.train(recipe(steps=1, watch=["rho"]), tmp_path / "run")
    assert "train.watch: there is no rho to watch" in caplog.text


# -- a run -----------------------------------------------------------------------------------------------------------
def test_a_run_logs_what_is_watched_and_says_only_losses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = recipe(UGATIT, CYCLE | {"cam": "cam"}, steps=3, log_every=3, watch=["rho", "gradients"])
    gankit.train(chosen, tmp_path / "run")
    [line] = lines(tmp_path / "run")
    kinds = [name.split("/")[0] for name in line["watched"]]
    assert {kind: kinds.count(kind) for kind in kinds} == {"critics": 4, "gradients": 4, "rho": 8}
    said = capsys.readouterr().err
    assert "generator adversarial" in said and not any(kind in said for kind in ("critics", "gradients", "rho"))
    assert len(tensorboard(tmp_path / "run") & line["watched"].keys()) == 16


def tensorboard(run: Path) -> set[str]:
    """The names of the curves."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    return set(events.Tags()["scalars"])
