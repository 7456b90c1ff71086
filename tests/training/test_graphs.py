"""Recorded steps, without a GPU: a tape that notes every operation stands for torch's CUDA graphs.

Like a CUDA graph it does nothing while it records, fills the same memory at each replay, and knows nothing of Python.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

from gankit.core.errors import BuildError, RecipeError, TrainingError
from gankit.methods.base import Method, tensor
from gankit.optimizers.gradient import Adam
from gankit.optimizers.lbfgs import LBFGS
from gankit.training.assemble import assemble, make_stepper
from gankit.training.devices import Devices
from gankit.training.graphs import KEPT, WARM_UP, Graphs, RecordingError
from gankit.training.loop import Trainer
from gankit.training.passes import Passes
from gankit.training.run import Run
from gankit.training.seeds import reseed
from gankit.training.speed import Speed
from gankit.training.step import Stepper
from tests.methods.small import cyclegan
from tests.training.test_speed import TRAININGS, batch, stepper
from tests.training.tiny import AGIT, CYCLE, recipe

RECORDED = Speed(cuda_graph=True)


def storages(*values: Any) -> set[int]:
    return {t.untyped_storage().data_ptr() for t in tree_flatten(values)[0] if isinstance(t, Tensor)}


def unversioned(values: Any) -> Any:
    """The tensors apart from autograd, which does not see that a replay writes to them."""
    return tree_map(lambda t: t.data if isinstance(t, Tensor) else t, values)


class Tape(TorchDispatchMode):
    """Operations in their order, with the tensors that they took and made."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = op(*args, **(kwargs or {}))
        self.noted.append((op, args, kwargs or {}, out))
        return out

    @torch.no_grad()
    def replay(self) -> None:
        for op, args, kwargs, out in self.noted:
            again = op(*unversioned(args), **unversioned(kwargs))
            for made, new in zip(tree_flatten(out)[0], tree_flatten(again)[0], strict=True):
                if isinstance(made, Tensor) and not storages(made) & storages(args, kwargs):
                    made.data.copy_(new)


class Recorder:
    """Counts what was asked of it. method: whose buffers are put back after a recording. also: and these."""

    def __init__(self, method: Method) -> None:
        self.method, self.also = method, list[Tensor]()
        self.pools, self.warmed, self.recorded = 0, 0, 0

    def pool(self) -> int:
        self.pools += 1
        return self.pools

    @contextmanager
    def warming(self) -> Iterator[None]:
        self.warmed += 1
        yield

    def record(self, function: Callable[[], Any], pool: Any) -> tuple[Tape, Any]:
        del pool
        self.recorded += 1
        tape, random = Tape(), torch.get_rng_state()
        before = [(b, b.clone()) for b in (*self.method.buffers(), *self.also)]
        with tape:
            result = function()
        for buffer, value in before:
            buffer.data.copy_(value)
        torch.set_rng_state(random)
        return tape, result


def recorded(one: Stepper) -> Recorder:
    recorder = Recorder(one.method)
    one.passes.graphs = Graphs(recorder)
    return recorder


def play(one: Stepper, steps: int, batches: Callable[[int], Any] = lambda step: batch(seed=step)) -> list[dict]:
    losses = []
    for step in range(steps):
        reseed(0, 0, step)
        told = one.step(batches(step))
        losses.append(dict(told) | told.watched)
    return losses


def same_weights(one: Stepper, other: Stepper) -> bool:
    theirs = other.method.networks.state_dict()
    return all(torch.equal(v, theirs[k]) for k, v in one.method.networks.state_dict().items())


@pytest.mark.parametrize("name", TRAININGS)
def test_replayed_steps_are_those_of_plain_torch(name: str) -> None:
    options: Any = {"clip_norm": 1.0, "ema": 0.9, "watch": ["gradients"]}
    plain, one = stepper(name, **options), stepper(name, **options)
    recorder = recorded(one)
    steps = WARM_UP + 3
    assert play(one, steps) == play(plain, steps)
    assert same_weights(one, plain)
    assert recorder.warmed == WARM_UP
    pieces = {"ugatit": 3, "paired": 3, "munit": 3, "penalty, critic first": 3}.get(name, 2)
    assert recorder.recorded == pieces  # a critic that plays first needs the forward ahead, or fakes of its own
    assert recorder.pools == 1


def test_nothing_of_python_runs_in_a_replay() -> None:
    one = stepper("cyclegan")
    recorded(one)
    play(one, WARM_UP + 1)
    for turn in one.turns:
        turn.register_forward_pre_hook(lambda *_: pytest.fail("a replay called the module"))
    play(one, 2)


def test_adam_and_accumulated_batches() -> None:
    def two(step: int) -> list[dict[str, Tensor]]:
        return [batch(seed=2 * step), batch(seed=2 * step + 1)]

    adam = partial(Adam, lr=1e-3)
    for name in ("cyclegan", "munit"):
        plain, one = stepper(name, optimizer=adam), stepper(name, optimizer=adam)
        recorded(one)
        ours, theirs = play(one, WARM_UP + 3, two), play(plain, WARM_UP + 3, two)
        assert ours == [pytest.approx(step, rel=1e-5) for step in theirs]


def test_another_size_is_recorded_by_itself_and_kept() -> None:
    def mixed(step: int) -> dict[str, Tensor]:
        return batch(seed=step) if step % 2 else {k: v[:1] for k, v in batch(seed=step).items()}

    plain, one = stepper("cyclegan", pool_size=0), stepper("cyclegan", pool_size=0)
    recorder = recorded(one)
    steps = 2 * WARM_UP + 6
    assert play(one, steps, mixed) == play(plain, steps, mixed)
    assert (recorder.warmed, recorder.recorded, recorder.pools) == (2 * WARM_UP, 4, 2)


def test_terms_and_phases_are_recorded_anew() -> None:
    late = {"type": "total_variation", "from_step": WARM_UP + 2}

    def run(one: Stepper) -> list[dict]:
        losses = play(one, 2 * WARM_UP + 4)
        one.method.set_epoch(1)  # critics see what is attended to; the maps learn no more
        return losses + play(one, WARM_UP + 2)

    plain, one = stepper("agit", late=late), stepper("agit", late=late)
    recorder = recorded(one)
    assert run(one) == run(plain)
    assert same_weights(one, plain)
    assert recorder.recorded == 3 * 2


def test_a_rare_term_is_recorded_once() -> None:
    rare = {"type": "total_variation", "every": 2}
    plain, one = stepper("cyclegan", pool_size=0, late=rare), stepper("cyclegan", pool_size=0, late=rare)
    recorder = recorded(one)
    steps = 2 * WARM_UP + 6
    assert play(one, steps) == play(plain, steps)
    assert (recorder.recorded, recorder.pools) == (4, 2)  # the critics' turn is part of both kinds of step


def test_old_recordings_are_given_up() -> None:
    graphs = Graphs(Recorder(cyclegan()))
    for size in range(KEPT + 2):
        with graphs.step(size):
            pass
    assert len(graphs._kinds) == KEPT


def test_a_step_that_failed_leaves_no_recording() -> None:
    one = stepper("cyclegan")
    recorder = recorded(one)
    play(one, WARM_UP + 1)
    with pytest.raises(KeyError):
        one.step({"a": batch()["a"]})
    play(one, 1)
    assert recorder.recorded == 2


def test_what_torch_refuses_to_record_is_named() -> None:
    class Refusing(Recorder):
        def record(self, function: Callable[[], Any], pool: Any) -> tuple[Tape, Any]:
            raise RuntimeError("operation not permitted when stream is capturing\nmore")

    one = stepper("cyclegan")
    one.passes.graphs = Graphs(Refusing(one.method))
    play(one, WARM_UP)
    with pytest.raises(TrainingError, match=r"train.cuda_graph: the turn generator cannot be recorded: operation not"):
        play(one, 1)


@pytest.mark.parametrize(
    ("spoilt", "words"),
    [
        (
            RuntimeError("operation not permitted when stream is capturing.\nmore"),
            "operation not permitted when stream",
        ),
        (ValueError("\nno such form"), "no such form"),  # a component's own, of its recording alone
        (NotImplementedError(), "NotImplementedError"),
    ],
)
def test_the_first_cause_is_told_not_that_the_recording_could_not_end(spoilt: Exception, words: str) -> None:
    class Spoilt(Recorder):
        def record(self, function: Callable[[], Any], pool: Any) -> tuple[Tape, Any]:
            try:
                raise spoilt
            finally:
                raise RuntimeError("operation failed due to a previous error during capture")

    one = stepper("cyclegan")
    one.passes.graphs = Graphs(Spoilt(one.method))
    play(one, WARM_UP)
    with pytest.raises(RecordingError, match=f"the turn generator cannot be recorded: {words}[^.]*\\. Something in it"):
        play(one, 1)


def test_a_training_that_cannot_be_recorded_stops_and_blames_no_rate(tmp_path: Path) -> None:
    def refuse(self: Graphs, *given: Any) -> Any:
        raise RecordingError("train.cuda_graph: the turn generator cannot be recorded: why")

    trainer = Trainer(assemble(recipe()), Devices(torch.device("cpu")))
    trainer.stepper.passes.graphs = graphs = Graphs(Recorder(trainer.method))
    graphs._record = partial(refuse, graphs)
    trainer.open(Run(tmp_path))
    with pytest.raises(RecordingError, match=r"why$"):
        trainer.fit()
    assert trainer.step == WARM_UP


def test_lbfgs_searches_without_recordings() -> None:
    options: Any = {"optimizer": partial(LBFGS, lr=0.01, max_iter=2)}
    plain, one = stepper("cyclegan", **options), stepper("cyclegan", **options)
    recorder = recorded(one)
    assert play(one, WARM_UP + 2) == play(plain, WARM_UP + 2)
    assert recorder.recorded == 0


# -- refusals --------------------------------------------------------------------------------------------------------
def refusal(method: Method, speed: Speed = RECORDED) -> str:
    turns = Stepper(method, {"adversarial": assemble(recipe()).terms["adversarial"]}).turns
    devices = Devices(torch.device("cuda"))
    with pytest.raises(BuildError) as error:
        Passes(method, turns, speed, devices, torch.amp.GradScaler("cpu", enabled=False))
    assert error.value.path == ("train", "cuda_graph")
    return str(error.value)


def test_a_recipe_that_records_needs_a_gpu() -> None:
    parts = assemble(recipe(cuda_graph=True))
    with pytest.raises(RecipeError, match=r"train\.cuda_graph: only a CUDA device records its work, and this is cpu"):
        make_stepper(parts, Devices(torch.device("cpu")))


def test_not_with_checkpointed_activations() -> None:
    both = Speed(cuda_graph=True, checkpoint_activations=True)
    assert "use one of the two" in refusal(cyclegan(), both)


class Deciding(type(cyclegan())):
    @tensor
    def tossed(self, source: Tensor) -> bool:
        """A coin."""
        return bool(source.mean() > 0)

    @tensor
    def output(self, translated: Tensor, tossed: bool) -> Tensor:
        """Now and then mirrored."""
        return translated.flip(-1) if tossed else translated


class Changing(type(cyclegan())):
    def set_epoch(self, epoch: int) -> None:
        self.factor = epoch


def test_methods_that_a_recording_would_freeze_are_refused() -> None:
    small = cyclegan()
    for kind, text in ((Deciding, "decides in each step by tossed"), (Changing, "does not say how")):
        small.__class__ = kind
        assert text in refusal(small)


def test_agit_says_its_phase() -> None:
    method = assemble(recipe(AGIT, CYCLE)).method
    before = method.phase
    method.set_epoch(1)
    assert method.phase != before
    assert isinstance(method, nn.Module)
