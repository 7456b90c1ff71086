"""The checks of the kit: each a function of a Subject, which raises when the component does not conform."""

from __future__ import annotations

import copy
import inspect
import io
import json
import pickle
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from gankit.contracts import ModuleContract, contract_of
from gankit.core.errors import BuildError
from gankit.core.schema import build_component
from gankit.testing.bfloat16 import bfloat16
from gankit.testing.callbacks import judge_callback, judge_state, same
from gankit.testing.calls import CHANNELS, Call, NotApplicable, require, tensors_of
from gankit.testing.codecs import judge_codec
from gankit.testing.datasets import first_item, judge_dataset, require_equal_items
from gankit.testing.metrics import figures
from gankit.testing.optimizers import judge_optimizer, judge_optimizer_state, judge_schedule, judge_schedule_state
from gankit.testing.subject import Subject
from gankit.weights import WeightsError

Needs = Literal["a name", "an object", "inputs"]


@dataclass(frozen=True)
class Check:
    """needs: what a kind must have for the check to mean something there. after: checks whose failure would be the
    cause of this one's, which then is not run."""

    run: Callable[[Subject], None]
    needs: Needs
    after: tuple[str, ...] = ()


ALL: dict[str, Check] = {}
"""The checks by name, in the order of the report."""
REPEATS = ("sample", "inputs_kept", "chance", "stateless")
"""Without these two calls cannot be compared."""


Function = Callable[[Subject], None]


def check(needs: Needs, after: tuple[str, ...] = ()) -> Callable[[Function], Function]:
    def add(function: Function) -> Function:
        ALL[function.__name__.removeprefix("check_")] = Check(function, needs, after)
        return function

    return add


# -- the signature -------------------------------------------------------------------------------------------------
@check("a name")
def check_schema(subject: Subject) -> None:
    """The schema derives, is JSON, and a recipe stored with every default filled in reads back as the same."""
    spec = subject.parse(subject.arguments)
    again = subject.parse(json.loads(json.dumps(spec.model_dump(mode="json"))))
    require(again == spec, f"stored and read back, {spec!r} becomes {again!r}")
    json.dumps(type(spec).model_json_schema())


@check("a name", after=("schema",))
def check_defaults(subject: Subject) -> None:
    """The component builds with every default, on no memory where its constructor allows that."""
    if missing := subject.missing:
        raise NotApplicable(f"a recipe must give {', '.join(f'`{name}`' for name in missing)}")
    if subject.kind == "dataset" and subject.overrides:
        raise NotApplicable("where the data lie has no default")
    try:
        with torch.device("meta"):
            subject.make({})
    except Exception:
        try:
            subject.make({})
        except (BuildError, WeightsError) as e:
            if not isinstance(e, WeightsError) and not isinstance(e.__cause__, WeightsError):
                raise
            raise NotApplicable("its pretrained weights are not here") from e


@check("an object")
def check_declares(subject: Subject) -> None:
    """What the component declares about itself has the names and types of its kind's contract."""
    faults = contract_of(subject.kind, subject.built()).faults()
    require(not faults, "; ".join(faults))


# -- the forward pass ----------------------------------------------------------------------------------------------
@check("inputs")
def check_sample(subject: Subject) -> None:
    """A sample input runs in training and in evaluation; the outputs are finite and what the kind returns.

    Of a data set: the first item of each split. Of a metric: its figures of two pictures. Of an optimizer: steps lower
    an objective. Of a schedule: its factors. Of a callback: all that a training tells it. Of a codec: what it writes,
    it reads; damage it refuses by name.
    """
    if subject.kind in SAMPLES:
        return SAMPLES[subject.kind](subject)
    for training in (True, False):
        judge(subject, batch=2, sizes=lambda call: [call.size()], training=training)


SAMPLES: dict[str, Function] = {
    "callback": lambda subject: judge_callback(subject.built()),
    "codec": lambda subject: judge_codec(subject.built()),
    "dataset": lambda subject: judge_dataset(subject.built()),
    "metric": lambda subject: require(bool(figures(subject.built(), subject.given)), "it gives no figure"),
    "optimizer": lambda subject: judge_optimizer(build_component(subject.parse(subject.arguments))),
    "schedule": lambda subject: judge_schedule(subject.built),
}
STATES: dict[str, Function] = {
    "callback": lambda subject: judge_state(subject.built(), subject.built()),
    "optimizer": lambda subject: judge_optimizer_state(build_component(subject.parse(subject.arguments))),
    "schedule": lambda subject: judge_schedule_state(subject.built),
}
"""What `sample` and `state_dict` ask of kinds that take no tensors."""


@check("inputs", after=("sample",))
def check_odd_sizes(subject: Subject) -> None:
    """Oblong sizes, odd where the component allows, and the least size that it states."""
    require_inputs(subject)
    judge(subject, batch=2, sizes=lambda call: call.odd_sizes())


@check("inputs", after=("sample", "batch_mates"))
def check_batch_one(subject: Subject) -> None:
    require_inputs(subject)
    judge(subject, batch=1, sizes=lambda call: [call.size()])


def judge(subject: Subject, batch: int, sizes: Callable[[Call], list[tuple[int, int]]], training: bool = True) -> None:
    component = subject.built().train(training)
    for call in subject.calls(component):
        for size in sizes(call):
            inputs = sample(call, batch, size)
            output = run(call.wrap(component), inputs)
            call.judge(inputs, output)
            what = f"the output {call.of}for {batch} x {size[0]} x {size[1]}"
            require(any(tensor.numel() for tensor in tensors_of(output)), f"{what} is empty")
            require_finite(tensors_of(output), what)


def require_inputs(subject: Subject) -> None:
    if not any(sample(call) for call in subject.calls(subject.built())):
        raise NotApplicable("it is given no tensors")


@check("inputs", after=("sample", "inputs_kept", "batch_mates"))
def check_gradients(subject: Subject) -> None:
    """Gradients are finite, on flat inputs too, and reach every parameter (a loss without any: some input).

    Parameters that may be idle on a sample, as those of a branch that no value takes, end in one of `component.idle`.
    """
    component = subject.built().train()
    reached: set[str] = set()
    for call in subject.calls(component):
        wrapped, drawn = call.wrap(component), sample(call)
        for inputs, what in ((tuple(map(torch.zeros_like, drawn)), "zeros"), (drawn, "a sample")):
            component.zero_grad()
            flowing = [*backward(wrapped, inputs).gradients, *gradients(wrapped).values()]
            require_finite(flowing, f"a gradient {call.of}on {what}")
        require(any(g.any() for g in flowing), f"no gradient {call.of}flows to an input or a parameter")
        reached |= {name for name, gradient in gradients(component).items() if gradient.any()}
    idle = ModuleContract(component).idle
    learning = [name for name, p in component.named_parameters() if p.requires_grad and not name.endswith(idle)]
    lost = [name for name in learning if name not in reached]
    require(not lost, f"no gradient reaches {', '.join(lost)}")


class Passed(NamedTuple):
    outputs: list[Tensor]
    gradients: list[Tensor]  # of the inputs that have one


def backward(module: Callable[..., Any], inputs: tuple[Tensor, ...]) -> Passed:
    """Run, and backpropagate random cotangents."""
    leaves = tuple(x.detach().requires_grad_(x.is_floating_point()) for x in inputs)
    outputs = tensors_of(run(module, leaves))
    ends = [out for out in outputs if out.requires_grad]
    require(len(ends) > 0, "no output depends on a parameter or an input that can have a gradient")
    torch.autograd.backward(ends, [torch.randn_like(out) for out in ends])
    return Passed(outputs, [x.grad for x in leaves if x.grad is not None])


def gradients(module: nn.Module) -> dict[str, Tensor]:
    return {name: p.grad for name, p in module.named_parameters() if p.grad is not None}


# -- precision and layout ------------------------------------------------------------------------------------------
@check("inputs", after=(*REPEATS, "gradients"))
def check_bfloat16(subject: Subject) -> None:
    """Under CPU autocast to bfloat16: finite outputs and gradients, near those of float32."""
    for call, other, third in zip(*(subject.each_call(training=True) for _ in range(3)), strict=True):
        inputs = sample(call)
        exact = tensors_of(run(call.wrapped, inputs))
        halves = tuple(x.bfloat16() if x.is_floating_point() else x for x in inputs) if call.half_inputs else inputs
        with bfloat16():
            outputs = tensors_of(run(other.wrapped, halves))
        for ours, reference in zip(outputs, exact, strict=True):
            require_finite([ours], f"an output {call.of}")
            error = (ours.float() - reference).norm() / reference.norm().clamp_min(1e-3)
            require(bool(error < 0.1), f"an output {call.of}is {error:.0%} off float32's")
        if subject.kind != "method":  # translate is inference
            with bfloat16():
                passed = backward(third.wrapped, halves)
            require_finite([*passed.gradients, *gradients(third.wrapped).values()], f"a gradient {call.of}")


@check("inputs", after=REPEATS)
def check_channels_last(subject: Subject) -> None:
    """The memory layout changes no result."""
    component = subject.built().eval()
    turned = subject.built().eval().to(memory_format=torch.channels_last)
    layouts = 0
    for call in subject.calls(component):
        inputs = sample(call)
        last = tuple(x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x for x in inputs)
        layouts += sum(not tensor.is_contiguous() for tensor in (*last, *state(turned)))
        require_same(run(call.wrap(turned), last), run(call.wrap(component), inputs), "channels_last")
    if not layouts:
        raise NotApplicable("neither its inputs nor its weights have two layouts")


# -- copies --------------------------------------------------------------------------------------------------------
@check("an object", after=REPEATS)
def check_pickle(subject: Subject) -> None:
    component = subject.built()
    require_copy(subject, pickle.loads(pickle.dumps(component)), "the unpickled")


@check("an object", after=REPEATS)
def check_deepcopy(subject: Subject) -> None:
    component = subject.built()
    duplicate = copy.deepcopy(component)
    if isinstance(component, nn.Module):
        shared = {id(t) for t in state(component)} & {id(t) for t in state(duplicate)}
        require(not shared, "the copy shares parameters or buffers with the original")
    require_copy(subject, duplicate, "the copy")


@check("inputs", after=REPEATS)
def check_state_dict(subject: Subject) -> None:
    """The state dict holds tensors only (safetensors stores nothing else) and all that decides the output.

    That of an optimizer or a schedule holds what a checkpoint can, and all on which it depends how it goes on. Of a
    callback: another one goes on from its state.
    """
    if subject.kind in STATES:
        return STATES[subject.kind](subject)
    component = subject.built()
    saved = component.state_dict()
    others = [name for name, value in saved.items() if not isinstance(value, Tensor)]
    require(not others, f"the state dict holds something that is not a tensor: {', '.join(others)}")
    buffer = io.BytesIO()
    torch.save(saved, buffer)
    buffer.seek(0)
    other = subject.built(seed=7)
    other.load_state_dict(torch.load(buffer, weights_only=True))
    require_copy(subject, other, "a new one with the loaded state")


def require_copy(subject: Subject, duplicate: Any, what: str) -> None:
    """The duplicate computes what the subject's component computes."""
    component = subject.built()
    require(type(duplicate) is type(component), f"{what} is a {type(duplicate).__name__}")
    if subject.kind == "dataset":
        return require_equal_items(first_item(duplicate), first_item(component), f"the first item of {what}")
    if subject.kind == "metric":
        return require_same(figures(duplicate, subject.given), figures(component, subject.given), what)
    if not isinstance(component, nn.Module):
        return require_alike(component, duplicate, what)
    for call, twin in zip(subject.calls(component.eval()), subject.calls(duplicate.eval()), strict=True):
        inputs = sample(call)
        require_same(run(twin.wrap(duplicate), inputs), run(call.wrap(component), inputs), what)


@runtime_checkable
class Stateful(Protocol):
    """An object with a state of its own, as callbacks and schedules have."""

    def state_dict(self) -> dict[str, Any]: ...


def require_alike(component: Any, duplicate: Any, what: str) -> None:
    """The plain values that two objects hold are equal: numbers, words, tensors, and groups of such."""
    ours, theirs = (
        plain((one.state_dict() if isinstance(one, Stateful) else {}) or vars(one)) for one in (component, duplicate)
    )
    if not ours:
        raise NotApplicable("it holds nothing to compare")
    require(same(ours, theirs), f"{what} does not hold what the original holds")


def plain(value: Any) -> Any:
    """Without what is no value, such as a generator of numbers or an open file."""
    if isinstance(value, dict):
        return {key: kept for key, one in value.items() if (kept := plain(one)) is not None}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value if isinstance(value, bool | int | float | str | Tensor) else None


def state(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]


# -- compilers -----------------------------------------------------------------------------------------------------
@check("inputs", after=REPEATS)
def check_export(subject: Subject) -> None:
    """`torch.export.export` takes the component, in evaluation, and its program computes the same."""
    component = subject.built().eval()
    calls = subject.calls(component)
    for call in calls:
        if not call.networks:
            wrapped, inputs = call.wrap(component), sample(call)
            program = torch.export.export(wrapped, inputs, strict=False)
            require_same(run(program.module(), inputs), run(wrapped, inputs), "the exported program")
    if takers := [call.label or "forward()" for call in calls if call.networks]:
        raise NotApplicable(f"{' and '.join(takers)} takes a network; exported programs take only tensors")


@check("inputs", after=(*REPEATS, "gradients"))
def check_compile(subject: Subject) -> None:
    """`torch.compile(fullgraph=True, backend="aot_eager")`, in training: the same outputs and gradients."""
    for call, other in zip(subject.each_call(training=True), subject.each_call(training=True), strict=True):
        inputs, twin, eager = sample(call), call.wrapped, other.wrapped
        torch.compiler.reset()
        compiled = torch.compile(twin, fullgraph=True, backend="aot_eager")
        ours, theirs = backward(compiled, inputs), backward(eager, inputs)
        require_same(ours.outputs, theirs.outputs, "compiled")
        require_same(ours.gradients, theirs.gradients, "compiled, a gradient of an input")
        require_same(gradients(twin), gradients(eager), "compiled, a gradient of a parameter")


# -- words ---------------------------------------------------------------------------------------------------------
@check("an object")
def check_repr(subject: Subject) -> None:
    """`repr` names the class, a norm's or head's width, and arguments of a module without children."""
    component = subject.built()
    text = repr(component)
    name = type(component).__name__
    require(name in text, f"repr does not name the class {name}: {text[:80]!r}")
    if not isinstance(component, nn.Module):
        return
    if subject.kind in ("norm", "attention"):
        require(
            bool(re.search(rf"\b{CHANNELS}\b", text)) or not state(component), f"repr shows no width: {text[:80]!r}"
        )
    arguments = {k: v for k, v in subject.parse(subject.arguments).model_dump().items() if k != "type"}
    shown = [k for k, v in arguments.items() if k in text or repr(v) in text]
    leaf = not list(component.children())
    require(bool(shown) or not arguments or not leaf, f"repr shows no argument: {text[:80]!r}; write `extra_repr`")


SHAPE = re.compile(r"\(\s*[NC\d]\b[^)]*,[^)]*\)|\bscalar\b")
SOURCE = re.compile(r"\b\d{4}\.\d{4,5}\b|\b10\.\d{4,}/|gankit")
SHAPED = ("norm", "attention", "generator", "discriminator", "loss", "backbone", "dataset", "codec", "augment")
SOURCED = ("norm", "attention", "generator", "discriminator", "loss", "backbone", "method", "augment")


@check("a name")
def check_docstring(subject: Subject) -> None:
    """The class's own docstring states shapes, such as (N, C, H, W), and the source: an arXiv id, a DOI, or gankit.

    The shapes of methods and metrics stand in their bases; data sets and metrics need no source.
    """
    make = subject.entry.make
    text = (vars(make).get("__doc__") if inspect.isclass(make) else make.__doc__) or ""
    require(bool(text.strip()), f"{make.__qualname__} has no docstring of its own")
    if subject.kind in SHAPED:
        require(bool(SHAPE.search(text)), "the docstring states no shapes, such as (N, C, H, W)")
    if subject.kind in SOURCED:
        require(
            bool(SOURCE.search(text)), "the docstring names no source: an arXiv id, a DOI, or gankit for its own idea"
        )


# -- what the checks share -----------------------------------------------------------------------------------------
def sample(call: Call, batch: int = 2, size: tuple[int, int] | None = None, seed: int = 1) -> tuple[Tensor, ...]:
    torch.manual_seed(seed)
    return call.inputs(batch, size or call.size())


def run(module: Callable[..., Any], inputs: tuple[Tensor, ...], seed: int = 0) -> Any:
    """Call with the same random numbers each time, for dropout and interpolations."""
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)
    return module(*inputs)


def require_finite(tensors: list[Tensor], what: str) -> None:
    require(all(bool(t.isfinite().all()) for t in tensors), f"{what} is not finite")


def require_same(left: Any, right: Any, what: str) -> None:
    """Two outputs agree, but for the order of float32 sums, whose rounding is that of their largest values."""
    ours, theirs = tensors_of(left), tensors_of(right)
    require(len(ours) == len(theirs), f"{what}: {len(ours)} tensors instead of {len(theirs)}")
    for a, b in zip(ours, theirs, strict=True):
        largest = float(b.detach().abs().max()) if b.numel() and b.is_floating_point() else 1.0
        atol = 1e-4 * (max(largest, 1.0) if isfinite(largest) else 1.0)
        torch.testing.assert_close(a, b, rtol=1e-3, atol=atol, msg=lambda text: f"{what}: {text}")
