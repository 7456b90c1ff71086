"""The checks of the kit: each a function of a Subject, which raises when the component does not conform."""

from __future__ import annotations

import copy
import inspect
import io
import json
import pickle
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from gankit.core.errors import BuildError
from gankit.testing.calls import CHANNELS, Call, NotApplicable, require, tensors_of
from gankit.testing.datasets import first_item, judge_dataset, require_equal_items
from gankit.testing.subject import Subject
from gankit.weights import WeightsError

Needs = Literal["a name", "an object", "inputs"]


@dataclass(frozen=True)
class Check:
    """needs: what a kind must have for the check to mean something there."""

    run: Callable[[Subject], None]
    needs: Needs


ALL: dict[str, Check] = {}
"""The checks by name, in the order of the report."""


def check(needs: Needs) -> Callable[[Callable[[Subject], None]], Callable[[Subject], None]]:
    def add(function: Callable[[Subject], None]) -> Callable[[Subject], None]:
        ALL[function.__name__.removeprefix("check_")] = Check(function, needs)
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


@check("a name")
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


# -- the forward pass ----------------------------------------------------------------------------------------------
@check("inputs")
def check_sample(subject: Subject) -> None:
    """A sample input runs in training and in evaluation; the outputs are finite and what the kind returns.

    Of a data set: the first item of each split.
    """
    if subject.kind == "dataset":
        return judge_dataset(subject.built())
    for training in (True, False):
        judge(subject, batch=2, sizes=lambda call: [call.size()], training=training)


@check("inputs")
def check_odd_sizes(subject: Subject) -> None:
    """Oblong sizes, odd where the component allows, and the least size that it states."""
    judge(subject, batch=2, sizes=lambda call: call.odd_sizes())


@check("inputs")
def check_batch_one(subject: Subject) -> None:
    judge(subject, batch=1, sizes=lambda call: [call.size()])


def judge(subject: Subject, batch: int, sizes: Callable[[Call], list[tuple[int, int]]], training: bool = True) -> None:
    component = subject.built().train(training)
    for call in subject.calls(component):
        for size in sizes(call):
            inputs = sample(call, batch, size)
            output = run(call.wrap(component), inputs)
            call.judge(inputs, output)
            require_finite(tensors_of(output), f"the output {call.of}for {batch} x {size[0]} x {size[1]}")


@check("inputs")
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
    idle = tuple(getattr(component, "idle", ()))
    learning = [name for name, p in component.named_parameters() if p.requires_grad and not name.endswith(idle)]
    lost = [name for name in learning if name not in reached]
    require(not lost, f"no gradient reaches {', '.join(lost)}")


class Passed(NamedTuple):
    outputs: list[Tensor]
    gradients: list[Tensor]  # of the inputs that have one


def backward(module: Callable[..., Any], inputs: tuple[Tensor, ...]) -> Passed:
    """Run, and backpropagate random cotangents."""
    leaves = tuple(x.detach().requires_grad_() for x in inputs)
    outputs = tensors_of(run(module, leaves))
    ends = [out for out in outputs if out.requires_grad]
    require(len(ends) > 0, "no output depends on a parameter or an input that can have a gradient")
    torch.autograd.backward(ends, [torch.randn(out.shape, dtype=out.dtype) for out in ends])
    return Passed(outputs, [x.grad for x in leaves if x.grad is not None])


def gradients(module: nn.Module) -> dict[str, Tensor]:
    return {name: p.grad for name, p in module.named_parameters() if p.grad is not None}


# -- precision and layout ------------------------------------------------------------------------------------------
@check("inputs")
def check_bfloat16(subject: Subject) -> None:
    """Under CPU autocast to bfloat16: finite outputs and gradients, near those of float32."""
    component = subject.built().train()
    for call in subject.calls(component):
        inputs = sample(call)
        wrapped = call.wrap(component)
        exact = tensors_of(run(copy.deepcopy(wrapped), inputs))
        halves = tuple(x.bfloat16() for x in inputs) if call.half_inputs else inputs
        with torch.autocast("cpu", dtype=torch.bfloat16):
            outputs = tensors_of(run(copy.deepcopy(wrapped), halves))
        for ours, reference in zip(outputs, exact, strict=True):
            require_finite([ours], f"an output {call.of}")
            error = (ours.float() - reference).norm() / reference.norm().clamp_min(1e-3)
            require(bool(error < 0.1), f"an output {call.of}is {error:.0%} off float32's")
        if subject.kind != "method":  # translate is inference
            with torch.autocast("cpu", dtype=torch.bfloat16):
                passed = backward(wrapped, halves)
            require_finite([*passed.gradients, *gradients(wrapped).values()], f"a gradient {call.of}")


@check("inputs")
def check_channels_last(subject: Subject) -> None:
    """The memory layout changes no result."""
    component = subject.built().eval()
    for call in subject.calls(component):
        inputs = sample(call)
        last = tuple(x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x for x in inputs)
        turned = copy.deepcopy(component).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        require_same(run(call.wrap(turned), last), run(call.wrap(component), inputs), "channels_last")


# -- copies --------------------------------------------------------------------------------------------------------
@check("an object")
def check_pickle(subject: Subject) -> None:
    component = subject.built()
    require_copy(subject, pickle.loads(pickle.dumps(component)), "the unpickled")


@check("an object")
def check_deepcopy(subject: Subject) -> None:
    component = subject.built()
    duplicate = copy.deepcopy(component)
    if isinstance(component, nn.Module):
        shared = {id(t) for t in state(component)} & {id(t) for t in state(duplicate)}
        require(not shared, "the copy shares parameters or buffers with the original")
    require_copy(subject, duplicate, "the copy")


@check("inputs")
def check_state_dict(subject: Subject) -> None:
    """The state dict holds tensors only (safetensors stores nothing else) and all that decides the output."""
    component = subject.built()
    saved = component.state_dict()
    others = [name for name, value in saved.items() if not isinstance(value, Tensor)]
    require(not others, f"the state dict holds what is no tensor: {', '.join(others)}")
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
        require_equal_items(first_item(duplicate), first_item(component), f"the first item of {what}")
    if not isinstance(component, nn.Module):
        return
    for call, twin in zip(subject.calls(component.eval()), subject.calls(duplicate.eval()), strict=True):
        inputs = sample(call)
        require_same(run(twin.wrap(duplicate), inputs), run(call.wrap(component), inputs), what)


def state(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]


# -- compilers -----------------------------------------------------------------------------------------------------
@check("inputs")
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
        raise NotApplicable(f"{' and '.join(takers)} takes a network; exported programs take tensors alone")


@check("inputs")
def check_compile(subject: Subject) -> None:
    """`torch.compile(fullgraph=True, backend="aot_eager")`, in training: the same outputs and gradients."""
    component = subject.built().train()
    for call in subject.calls(component):
        inputs = sample(call)
        eager, twin = call.wrap(copy.deepcopy(component)), call.wrap(copy.deepcopy(component))
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
    given = {k: v for k, v in subject.parse(subject.arguments).model_dump().items() if k != "type"}
    shown = [k for k, v in given.items() if k in text or repr(v) in text]
    leaf = not list(component.children())
    require(bool(shown) or not given or not leaf, f"repr shows no argument: {text[:80]!r}; write `extra_repr`")


SHAPE = re.compile(r"\(\s*[NC\d]\b[^)]*,[^)]*\)|\bscalar\b")
SOURCE = re.compile(r"\b\d{4}\.\d{4,5}\b|\b10\.\d{4,}/|gankit")
SHAPED = ("norm", "attention", "generator", "discriminator", "loss", "backbone", "dataset")
SOURCED = ("norm", "attention", "generator", "discriminator", "loss", "backbone", "method")


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
def sample(call: Call, batch: int = 2, size: tuple[int, int] | None = None) -> tuple[Tensor, ...]:
    torch.manual_seed(1)
    return call.inputs(batch, size or call.size())


def run(module: Callable[..., Any], inputs: tuple[Tensor, ...]) -> Any:
    """Call with the same random numbers each time, for dropout and interpolations."""
    torch.manual_seed(0)
    return module(*inputs)


def require_finite(tensors: list[Tensor], what: str) -> None:
    require(all(bool(t.isfinite().all()) for t in tensors), f"{what} is not finite")


def require_same(left: Any, right: Any, what: str) -> None:
    """Two outputs agree, but for the order of float32 sums."""
    ours, theirs = tensors_of(left), tensors_of(right)
    require(len(ours) == len(theirs), f"{what}: {len(ours)} tensors instead of {len(theirs)}")
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4, msg=lambda text: f"{what}: {text}")
