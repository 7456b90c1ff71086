"""torch.compile of turns. Dynamo traces here; the backend, but for one slow test, runs what was traced as it is."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gankit.training import compiled
from gankit.training.compiled import Compiled
from gankit.training.seeds import reseed
from gankit.training.speed import Speed
from gankit.training.step import Stepper
from tests.training.test_speed import CRITIC_FIRST, IDENTITY, TRAININGS, batch, stepper, train
from tests.training.tiny import AGIT, BARE, CYCLEGAN, FEW

WHOLE = Speed(compile=True)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """That every generator can be compiled is for the kit to say."""
    monkeypatch.setitem(TRAININGS, "cyclegan", (CYCLEGAN | {"generator": FEW}, IDENTITY))


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The graphs that dynamo made, each executed as it stands."""
    made: list[Any] = []

    def backend(graph: torch.fx.GraphModule, inputs: Any) -> Any:
        del inputs
        made.append(graph)
        return graph.forward

    monkeypatch.setattr(compiled, "BACKEND", backend)
    torch.compiler.reset()
    return made


def compiled_turns(one: Stepper) -> set[str]:
    return {
        name for name, turn in one.passes.forward.items() if isinstance(turn, Compiled) and turn.compiled is not None
    }


@pytest.mark.parametrize("name", ["cyclegan", "munit"])
def test_compiled_turns_give_the_same_training(name: str, graphs: list[Any]) -> None:
    one = stepper(name, WHOLE)
    losses, weights = train(one, torch.float64)
    plain = train(stepper(name), torch.float64)
    assert losses == [pytest.approx(step, rel=1e-9) for step in plain[0]]
    for key, value in plain[1].items():
        torch.testing.assert_close(weights[key], value, rtol=1e-9, atol=1e-9, msg=key)
    assert compiled_turns(one) == {"generator", "discriminator"} and len(graphs) == 2


def test_a_forward_that_serves_two_turns_is_a_graph_of_its_own(
    graphs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = {"adversarial": "lsgan", "penalty": {"type": "gradient_penalty", "weight": 1}}
    monkeypatch.setitem(TRAININGS, "penalty, critic first", (CRITIC_FIRST, losses))
    losses, _ = train(stepper("penalty, critic first", WHOLE), steps=2)
    assert losses == [pytest.approx(step, rel=1e-5) for step in train(stepper("penalty, critic first"))[0]]
    assert len(graphs) == 2  # the critic's turn differentiates twice


def test_joined_and_checkpointed_calls_compile(graphs: list[Any]) -> None:
    one = stepper("cyclegan", Speed(compile=True, join_calls=True, checkpoint_activations=True))
    assert train(one)[0] == [pytest.approx(step, rel=1e-5) for step in train(stepper("cyclegan"))[0]]
    assert len(graphs) == 2 and len(compiled_turns(one)) == 2


def test_turns_are_compiled_anew_for_phases_not_for_steps(graphs: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TRAININGS, "agit", (AGIT | {"generator": FEW}, {"adversarial": "lsgan"}))

    def play(speed: Speed | None) -> list[dict[str, float]]:
        one = stepper("agit", speed, late={"type": "total_variation", "from_step": 1})
        losses = []
        for step in range(5):
            one.method.set_epoch(step // 3)
            reseed(0, 0, step)
            losses.append(dict(one.step(batch(seed=step))))
        assert speed is None or len(compiled_turns(one)) == 2
        return losses

    assert play(WHOLE) == [pytest.approx(step, rel=1e-5) for step in play(None)]
    assert len(graphs) == 5  # generators: without the late term, with it, in the second phase; critics: two phases


def own(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name.startswith("gankit")]


def broken(x: Tensor) -> Tensor:
    if x.sum().item() > 0:
        return x * 2
    raise ValueError("the input is wrong")


def test_what_cannot_be_compiled_runs_as_it_is_and_says_so_once(
    graphs: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    function = Compiled(broken, "the turn x")
    with caplog.at_level(logging.WARNING):
        assert function(torch.ones(2)).tolist() == function(torch.ones(2)).tolist() == [2.0, 2.0]
    assert len(own(caplog)) == 1
    assert "train.compile: the turn x cannot be compiled and runs uncompiled" in caplog.text
    assert function.compiled is None and not graphs


def test_an_error_of_the_function_is_its_own(graphs: list[Any], caplog: pytest.LogCaptureFixture) -> None:
    del graphs
    with pytest.raises(ValueError, match="the input is wrong"):
        Compiled(broken, "the turn x")(torch.zeros(2))
    assert not own(caplog)


@pytest.mark.slow
def test_the_default_compiler_gives_the_same_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TRAININGS, "paired", (BARE, {"adversarial": "lsgan", "l1": "l1"}))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))  # what a killed compiler has left must not be found
    # plain instructions: to find out which others there are, it compiles programs
    monkeypatch.setattr("torch._inductor.config.cpp.vec_isa_ok", False)
    torch.compiler.reset()
    one = stepper("paired", WHOLE)
    losses, weights = train(one, torch.float64)  # in float32 Adam makes steps of rounding where gradients are near 0
    plain = train(stepper("paired"), torch.float64)
    assert losses == [pytest.approx(step, rel=1e-9) for step in plain[0]]
    for key, value in plain[1].items():
        torch.testing.assert_close(weights[key], value, rtol=1e-7, atol=1e-7, msg=key)
    assert "generator" in compiled_turns(one)
