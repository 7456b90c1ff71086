"""How a component behaves when it is called: what it may not touch, remember, draw, mix or leave on another device."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from gankit.contracts import DiscriminatorContract, LossContract, contract_of
from gankit.testing.calls import Call, NotApplicable, require, tensors_of
from gankit.testing.checks import REPEATS, backward, check, require_inputs, run, sample
from gankit.testing.devices import OneDevice
from gankit.testing.subject import Subject

MODES = ((True, "in training"), (False, "in evaluation"))


@check("inputs", after=("sample",))
def check_inputs_kept(subject: Subject) -> None:
    """No tensor that it is given is changed in place."""
    require_inputs(subject)
    for call, mode in in_both_modes(subject):
        inputs = sample(call)
        kept = [x.clone() for x in inputs]
        run(call.wrapped, inputs)
        for number, (x, before) in enumerate(zip(inputs, kept, strict=True)):
            require(torch.equal(x, before), f"{mode} it changes {call.name_of(number)} {call.of}in place")


@check("inputs", after=("sample", "inputs_kept"))
def check_chance(subject: Subject) -> None:
    """In evaluation nothing is drawn, from no generator; in training from those that are seeded before each step.

    Those are torch's, Python's and NumPy's. A loss that draws by its nature says `draws = True`, and is held in
    evaluation to what holds in training.
    """
    contract = contract_of(subject.kind, subject.built())
    for training, mode in MODES:
        may_draw = training or (isinstance(contract, LossContract) and contract.draws)
        for call, other in zip(subject.each_call(training), subject.each_call(training), strict=True):
            one, drawn = watched(call, seed=0)
            another, _ = watched(other, seed=0 if may_draw else 1)
            known = "" if may_draw else " and ".join(drawn)
            source = known or "a generator that is not torch's, Python's or NumPy's"
            require(near(one, another), f"{mode} two equal calls {call.of}differ: it draws from {source}")


def watched(call: Call, seed: int) -> tuple[list[Tensor], list[str]]:
    """The output of a call, and the generators that it drew from."""
    before: dict[str, object] = {}

    def watched(*tensors: Tensor) -> object:
        before.update(generators())
        return call.wrapped(*tensors)

    outputs = copies(run(watched, sample(call), seed))
    return outputs, [name for name, state in generators().items() if state != before[name]]


def generators() -> dict[str, object]:
    """The states of the generators that are there for all."""
    return {
        "torch's generator": torch.get_rng_state().numpy().tobytes(),
        "Python's `random`": random.getstate(),
        "NumPy's generator": str(np.random.get_state()),
    }


@check("inputs", after=("sample", "inputs_kept", "chance"))
def check_stateless(subject: Subject) -> None:
    """A call leaves nothing behind that the next one would see, but for buffers in training, as batch statistics."""
    for call, mode in in_both_modes(subject):
        component, inputs = call.component, sample(call)
        wrapped, before = call.wrapped, state_of(component)
        first = copies(run(wrapped, inputs))
        for other in subject.calls(component):
            run(other.wrap(component), sample(other, seed=2))
        strays = [] if component.training else changed(component, before)  # training may project parameters
        require(not strays, f"{mode} a call {call.of}changes `{', '.join(strays)}`")
        restore(component, before)
        same = near(copies(run(wrapped, inputs)), first)
        require(
            same,
            f"{mode} the same call {call.of}gives another result after others: it keeps something that is not a buffer",
        )


@check("inputs", after=REPEATS)
def check_batch_mates(subject: Subject) -> None:
    """In evaluation the result for one picture does not depend on the others of its batch; a loss is their mean or sum.

    A loss or a critic that compares pictures with each other says `mixes_batch = True`.
    """
    component = subject.built().eval()
    contract = contract_of(subject.kind, component)
    if isinstance(contract, LossContract | DiscriminatorContract) and contract.mixes_batch:
        raise NotApplicable("it says that it mixes its batch")
    judged = 0
    for call in subject.calls(component):
        ab, wrapped = sample(call), call.wrap(component)
        require(all(len(x) == 2 for x in ab), "the kit has no batch of two for it")
        aa, bb, ba = (tuple(x[list(rows)] for x in ab) for rows in ((0, 0), (1, 1), (1, 0)))
        mixed, alone = copies(run(wrapped, ab)), copies(run(wrapped, aa))
        if subject.kind == "loss":
            alone = [*map(torch.add, alone, copies(run(wrapped, bb)))]
            mixed = [*map(torch.add, mixed, copies(run(wrapped, ba)))]
        else:
            alone, mixed = ([x[:1] for x in tensors if x.ndim and len(x) == 2] for tensors in (alone, mixed))
        judged += len(mixed) if ab else 0
        require(near(mixed, alone), f"the result {call.of}for one picture depends on the others of its batch")
    if not judged:
        raise NotApplicable("nothing that it gives is of one picture of a batch")


@check("inputs", after=REPEATS)
def check_promises(subject: Subject) -> None:
    """A norm does what `fuses` and `cancels_bias` say; a loss of logits takes those of several heads as a tuple."""
    component, nothing = subject.built().train(), []
    for call in subject.calls(component):
        try:
            call.compare(sample(call))
        except NotApplicable as why:
            nothing.append(why)
    if len(nothing) == len(subject.calls(component)):
        raise nothing[0]


@check("inputs", after=(*REPEATS, "gradients", "state_dict", "export", "compile"))
def check_device(subject: Subject) -> None:
    """All that is made in the forward and the backward pass lies where the inputs lie."""
    for call, _ in in_both_modes(subject):
        wrapped = call.wrapped.to("meta")
        inputs = tuple(x.to("meta") for x in sample(call))
        with OneDevice():
            if call.component.training and subject.kind != "method":  # translate is inference
                outputs = backward(wrapped, inputs).outputs
            else:
                outputs = tensors_of(run(wrapped, inputs))
        require(all(x.is_meta for x in outputs), f"an output {call.of}lies on the CPU, wherever the inputs are")


# -- what these share ------------------------------------------------------------------------------------------------
def in_both_modes(subject: Subject) -> Iterator[tuple[Call, str]]:
    """Each way of calling a new component, in training and in evaluation."""
    for training, mode in MODES:
        for call in subject.each_call(training):
            yield call, mode


def copies(output: object) -> list[Tensor]:
    """The tensors of an output, which later calls cannot change."""
    return [tensor.detach().clone() for tensor in tensors_of(output)]


def near(ours: list[Tensor], theirs: list[Tensor]) -> bool:
    """Whether two outputs agree, but for the order of float32 sums; measured by the largest value of each tensor."""

    def apart(x: Tensor, y: Tensor) -> bool:
        return x.shape != y.shape or bool((x - y).abs().max() > 1e-4 * y.abs().max() + 1e-9)

    return len(ours) == len(theirs) and not any(apart(x, y) for x, y in zip(ours, theirs, strict=True))


def state_of(component: nn.Module) -> dict[str, Tensor]:
    tensors = (*component.named_parameters(), *component.named_buffers())
    return {name: tensor.detach().clone() for name, tensor in tensors}


def changed(component: nn.Module, before: dict[str, Tensor]) -> list[str]:
    now = state_of(component)
    same = {name for name in now.keys() & before.keys() if torch.equal(now[name], before[name])}
    return sorted((now.keys() | before.keys()) - same)


@torch.no_grad()
def restore(component: nn.Module, before: dict[str, Tensor]) -> None:
    """Put the buffers back; they may be other tensors by now."""
    for name, _ in list(component.named_buffers()):
        owner, _, leaf = name.rpartition(".")
        component.get_submodule(owner)._buffers[leaf] = before[name].clone()
